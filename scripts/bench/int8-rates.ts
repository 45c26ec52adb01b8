/**
 * How long single layers take in float32 and in int8 on this machine: `npm run bench:int8-rates [-- --runs N] [--machine NAME] [--wasm] [--family NAME]`
 * prints a table for src/quant/rates-measured.ts, from which builds choose what stays in float; of one family, its lines alone.
 */
import { buildEngine } from "../../src/compiler/node/build.ts";
import { TIMINGS_OUTPUT } from "../../src/compiler/pack.ts";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Value } from "../../src/ir/graph.ts";
import { inferOp } from "../../src/passes/pass.ts";
import { FAMILIES, FORMS, PASSES, type Family, type Form, type Line, type Pass } from "../../src/quant/rates.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { elementCount, tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";

/** Input channels, output channels, side of the input; kernel and stride where they differ from the family's. */
type Layer = readonly [inputs: number, outputs: number, side: number, kernel?: number, stride?: number];

const LAYERS: Readonly<Record<Family, readonly Layer[]>> = {
  pointwise: [
    [16, 32, 160],
    [32, 32, 160],
    [32, 64, 80],
    [64, 64, 80],
    [24, 144, 56],
    [144, 24, 56],
    [64, 256, 56],
    [256, 64, 56],
    [128, 128, 40],
    [512, 128, 28],
    [96, 576, 14],
    [256, 1024, 14],
    [256, 256, 20],
    [2048, 512, 7],
  ],
  small: [
    [64, 64, 80],
    [64, 16, 80],
    [16, 16, 80],
    [64, 64, 56],
    [128, 128, 28],
    [256, 256, 14],
    [64, 32, 40],
    [64, 64, 20],
    [512, 512, 7],
  ],
  dense: [
    [64, 128, 56, 3, 2],
    [128, 256, 28, 3, 2],
    [256, 512, 14, 3, 2],
    [16, 32, 80, 3, 2],
    [64, 128, 56, 1, 2],
    [256, 512, 28, 1, 2],
    [32, 32, 40, 5, 1],
  ],
  first: [
    [3, 16, 320, 3, 2],
    [3, 8, 320, 3, 2],
    [3, 32, 224, 3, 2],
    [3, 64, 224, 7, 2],
    [3, 64, 112, 3, 1],
  ],
  depthwise: [
    [8, 8, 160, 3, 1],
    [32, 32, 160, 3, 1],
    [64, 64, 80, 3, 1],
    [32, 32, 160, 3, 2],
    [144, 144, 56, 3, 2],
    [128, 128, 40, 3, 1],
    [384, 384, 14, 3, 1],
    [256, 256, 20, 3, 1],
    [72, 72, 28, 5, 1],
  ],
};

const PLANES: readonly (readonly [channels: number, side: number])[] = [
  [64, 80],
  [128, 40],
  [256, 28],
];

interface Sample {
  readonly name: string;
  readonly group: Family | "pass";
  readonly form: Form | Pass;
  readonly macs: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly weights: number;
}

const samples: Sample[] = [];
let state = 1;
const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5;
const floats = (n: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: n }, random);
const one = (type: "uint8" | "float32", v: number): ReturnType<typeof tensor> =>
  type === "uint8" ? tensor("uint8", [1], Uint8Array.of(v)) : tensor("float32", [1], Float32Array.of(v));

const builder = new GraphBuilder("layers", inferOp);
const inputs: Value[] = [];

function inputOf(type: "float32" | "uint8", dims: readonly number[]): Value {
  const value = builder.input(`x${inputs.length}`, type, dims);
  inputs.push(value);
  return value;
}

const quantise = (v: Value, name: string): Value =>
  builder.op("quantize", [v, builder.constant(one("float32", 1 / 17)), builder.constant(one("uint8", 3))], {}, { name });

function addConv(family: Family, layer: Layer, form: Form): void {
  const [ic, oc, side, kernel = family === "pointwise" ? 1 : 3, stride = 1] = layer;
  const depthwise = family === "depthwise";
  const name = `${family}-${layer.join("x")}-${form}`;
  const pad = (kernel - 1) / 2;
  const attrs = { strides: [stride, stride], pads: [pad, pad, pad, pad], dilations: [1, 1], group: depthwise ? ic : 1 };
  const dims = [oc, depthwise ? 1 : ic, kernel, kernel];
  const weights = floats(elementCount(dims));
  const bytes = form === "byte" || form === "byteFloat";
  const x = inputOf(bytes ? "uint8" : "float32", [1, ic, side, side]);
  let y: Value;
  if (bytes) {
    const operands = [
      x,
      builder.constant(
        tensor(
          "int8",
          dims,
          // More of them near zero, as in trained networks.
          Int8Array.from(weights, (v) => Math.round(508 * v * Math.abs(v))),
        ),
      ),
      builder.constant(one("uint8", 5)),
      builder.constant(
        tensor(
          "int32",
          [oc],
          Int32Array.from(floats(oc), (v) => v * 1000),
        ),
      ),
      builder.constant(
        tensor(
          "float32",
          [oc],
          Float32Array.from(floats(oc), (v) => 0.001 + Math.abs(v) / 1000),
        ),
      ),
      builder.constant(one("uint8", 0)),
    ];
    y = builder.op("quantizedConv", operands, { ...attrs, to: form === "byte" ? "uint8" : "float32" }, { name });
  } else {
    const bias = builder.constant(tensor("float32", [oc], floats(oc)));
    y = builder.op("conv", [x, builder.constant(tensor("float32", dims, weights)), bias], attrs, { name });
    if (form === "float") y = builder.op("relu", [y]);
    else y = quantise(y, `${name}:bytes`);
  }
  builder.output(y);
  const outputs = elementCount(y.shape.map(Number));
  samples.push({
    name,
    group: family,
    form,
    macs: (outputs * elementCount(dims)) / oc,
    outputs,
    inputs: elementCount(x.shape.map(Number)),
    weights: weights.length,
  });
}

function passOf(pass: Pass, dims: readonly number[], name: string): Value {
  const bytes = pass.endsWith("Byte") || pass === "dequantise";
  // Blocked, as values between convolutions are: a depthwise convolution of one tap leads.
  const lead = (): Value => {
    const x = inputOf("float32", dims);
    const c = Number(dims[1]);
    const w = builder.constant(tensor("float32", [c, 1, 3, 3], floats(9 * c)));
    const y = builder.op("conv", [x, w], { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: c });
    const mixed = bytes ? quantise(y, `${name}:lead${inputs.length}`) : y;
    builder.output(mixed);
    return mixed;
  };
  const scale = builder.constant(one("float32", 0.5));
  const zero = builder.constant(one("uint8", 3));
  const factor = builder.constant(tensor("int32", [1], Int32Array.of(9000)));
  switch (pass) {
    case "quantise":
      return quantise(lead(), name);
    case "dequantise":
      return builder.op("dequantize", [lead(), scale, zero], {}, { name });
    case "addFloat":
      return builder.op("add", [lead(), lead()], {}, { name });
    case "addByte":
      return builder.op("quantizedAdd", [lead(), lead(), zero, factor, zero, factor, scale, zero], {}, { name });
    case "moveFloat":
    case "moveByte": {
      const scales = builder.constant(tensor("float32", [4], Float32Array.of(1, 1, 2, 2)));
      return builder.op("resize", [lead(), scales], { mode: "nearest" }, { name });
    }
    case "poolFloat":
    case "poolByte":
      return builder.op("maxPool", [lead()], { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, { name });
  }
}

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

const only = option("--family");
const families = FAMILIES.filter((f) => only === undefined || f === only);
const measuredPasses = only === undefined ? PASSES : [];
for (const family of families) for (const layer of LAYERS[family]) for (const form of FORMS) addConv(family, layer, form);
for (const pass of measuredPasses) {
  for (const [c, side] of PLANES) {
    const name = `${pass}-${c}x${side}`;
    const y = passOf(pass, [1, c, side, side], name);
    builder.output(y);
    samples.push({ name, group: "pass", form: pass, macs: 0, outputs: elementCount(y.shape.map(Number)), inputs: 0, weights: 0 });
  }
}

const graph = builder.finish();
const machine = option("--machine");
const build = await buildEngine(graph, {
  modelHash: "0".repeat(64),
  format: "onnx",
  timings: true,
  ...(machine === undefined ? {} : { machine }),
  ...(process.argv.includes("--wasm") ? { targets: ["wasm" as const] } : {}),
});
const session = await Session.open(must(build.engine, "engine"), { native: "allow", contexts: 1 });
const feeds = Object.fromEntries(
  inputs.map((v) => {
    const dims = v.shape.map(Number);
    const n = elementCount(dims);
    return [
      v.name,
      v.dtype === "uint8"
        ? tensor(
            "uint8",
            dims,
            Uint8Array.from(floats(n), (x) => 120 + 200 * x),
          )
        : tensor("float32", dims, floats(n)),
    ];
  }),
);
const calls = must(build.compiled.programs[0], "program").calls;
const least = calls.map(() => Infinity);
for (let run = 0; run < Number(option("--runs") ?? 40); run++) {
  const { data } = must(session.runSync(feeds)[TIMINGS_OUTPUT], "timings");
  for (let i = 0; i < least.length; i++) least[i] = Math.min(least[i] ?? Infinity, Number(data[i]));
}
await session.close();
const timeOf = (name: string): number =>
  must(
    least.find((_, i) => calls[i]?.kernel.nodes.some((n) => n.name === name && n.op !== "identity")),
    `the call of ${name}`,
  );

/** Solves a small system by elimination; undefined when it has no one solution. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): readonly number[] | undefined {
  const m = a.map((row, i) => [...row, b[i] ?? 0]);
  for (let i = 0; i < m.length; i++) {
    const pivot = m.slice(i).sort((x, y) => Math.abs(y[i] ?? 0) - Math.abs(x[i] ?? 0))[0];
    if (!pivot || Math.abs(pivot[i] ?? 0) < 1e-12) return undefined;
    const at = m.indexOf(pivot);
    [m[i], m[at]] = [pivot, m[i] ?? []];
    const scale = pivot[i] ?? 1;
    m[i] = pivot.map((v) => v / scale);
    for (let j = 0; j < m.length; j++) {
      const factor = m[j]?.[i] ?? 0;
      if (j !== i) m[j] = (m[j] ?? []).map((v, k) => v - factor * (m[i]?.[k] ?? 0));
    }
  }
  return m.map((row) => row.at(-1) ?? 0);
}

/** Which of the regressors are used: all choices of some of them. */
const CHOICES: readonly (readonly number[])[] = Array.from({ length: 15 }, (_, bits) => [0, 1, 2, 3].filter((k) => ((bits + 1) >> k) & 1));

/** Least relative squares with no coefficient below zero: the best of all choices of which are zero. */
function fit(rows: readonly (readonly [Line, number])[]): { readonly line: Line; readonly error: number } {
  const errors = (line: Line): number =>
    Math.sqrt(rows.reduce((s, [x, t]) => s + (x.reduce((sum, v, k) => sum + v * (line[k] ?? 0), 0) / t - 1) ** 2, 0) / rows.length);
  let best: { line: Line; error: number } = { line: [0, 0, 0, 0], error: Infinity };
  for (const used of CHOICES) {
    const scaled = rows.map(([x, t]) => used.map((k) => (x[k] ?? 0) / t));
    const normal = used.map((_, i) => used.map((__, j) => scaled.reduce((s, r) => s + (r[i] ?? 0) * (r[j] ?? 0), 0)));
    const right = used.map((_, i) => scaled.reduce((s, r) => s + (r[i] ?? 0), 0));
    const found = solve(normal, right);
    if (!found || found.some((v) => v < 0)) continue;
    const line: [number, number, number, number] = [0, 0, 0, 0];
    used.forEach((k, i) => (line[k] = found[i] ?? 0));
    const error = errors(line);
    if (error < best.error) best = { line, error };
  }
  return best;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const rounded = (n: number): number => Number(n.toPrecision(3));
const convs = families.map((family) => {
  const forms = FORMS.map((form) => {
    const mine = samples.filter((s) => s.group === family && s.form === form);
    const { line, error } = fit(mine.map((s) => [[s.macs, s.outputs, s.inputs, s.weights], timeOf(s.name) * 1000] as const));
    say(`${family} ${form}: off by ${(100 * error).toFixed(0)}% in the mean`);
    return [form, line.map(rounded)] as const;
  });
  for (const layer of LAYERS[family]) {
    const us = FORMS.map((form) => (timeOf(`${family}-${layer.join("x")}-${form}`) / 1000).toFixed(1).padStart(8));
    say(`  ${layer.join("x").padEnd(18)} ${us.join(" ")} µs`);
  }
  return [family, Object.fromEntries(forms)] as const;
});
const passes = measuredPasses.map((pass) => {
  const mine = samples.filter((s) => s.form === pass);
  return [pass, rounded(Math.min(...mine.map((s) => (timeOf(s.name) * 1000) / s.outputs)))] as const;
});
process.stdout.write(
  `${JSON.stringify({ machine: process.argv.includes("--wasm") ? "wasm" : build.machine.name, convs: Object.fromEntries(convs), passes: Object.fromEntries(passes) }, null, 2)}\n`,
);
