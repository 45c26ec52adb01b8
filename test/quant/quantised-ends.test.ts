/** Float convolutions that quantise in their epilogue give the bytes that a pass of its own would. */
import { expect, test } from "vitest";
import { cBackend, machineWith, scheduledBackend, wasmBackend, type Backend, type Case } from "../../scripts/conformance/backends.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { fuse } from "../../src/passes/fuse.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { elementCount, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";

const hasCompiler = await haveCompiler();

type Layer = readonly [ic: number, oc: number, side: number, kernel: number, stride: number, depthwise?: true];

/** The last has weights that leave the nearest cache: its sums lie elsewhere between the parts of the reduction. */
const LAYERS: readonly Layer[] = [
  [16, 16, 9, 3, 1, true],
  [3, 24, 13, 3, 2],
  [32, 40, 7, 1, 1],
  [16, 32, 17, 3, 1],
  [16, 13, 11, 3, 2],
  [640, 16, 5, 1, 1],
];
const [SCALE, ZERO] = [1 / 31.5, 97];

const wave = (n: number, by: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: n }, (_, i) => Math.sin(i * by + by));

function graphOf([ic, oc, side, k, stride, depthwise]: Layer, quantised: boolean): Graph {
  const b = opBuilder("layer");
  const pad = (k - 1) / 2;
  const dims = [oc, depthwise ? 1 : ic, k, k];
  const w = wave(elementCount(dims), 0.7).map((v) => v / Math.sqrt(elementCount(dims) / oc));
  const attrs = { strides: [stride, stride], dilations: [1, 1], pads: [pad, pad, pad, pad], group: depthwise ? ic : 1 };
  const x = b.input("x", "float32", [1, ic, side, side]);
  let y: Value = b.op("conv", [x, b.constant(tensor("float32", dims, w)), b.constant(tensor("float32", [oc], wave(oc, 1.3)))], attrs);
  y = b.op("leakyRelu", [y], { alpha: 0.2 });
  const scalars = [b.constant(tensor("float32", [1], Float32Array.of(SCALE))), b.constant(tensor("uint8", [1], Uint8Array.of(ZERO)))];
  b.output(quantised ? b.op("quantize", [y, ...scalars]) : y);
  return b.finish();
}

const cases = LAYERS.flatMap((layer): readonly Case[] => {
  const [ic, , side] = layer;
  const feeds = { x: tensor("float32", [1, ic, side, side], wave(ic * side * side, 0.31)) };
  return [false, true].map((q) => ({ name: `${layer.join(" ")}${q ? " to bytes" : ""}`, graph: graphOf(layer, q), feeds }));
});

const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["8 lanes", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }))],
  ["8 lanes, shared by three threads", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }, "auto", 3))],
  ["WebAssembly", () => Promise.resolve(wasmBackend())],
  ...(hasCompiler ? [["C", async () => cBackend({ machine: await machineWith(), schedule: "auto" })] as const] : []),
];

function byteOf(x: number): number {
  const scaled = Math.fround(x / Math.fround(SCALE));
  const down = Math.floor(scaled);
  const rest = scaled - down;
  const rounded = rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
  return Math.max(0, Math.min(255, rounded + ZERO));
}

const numbers = (t: Tensor): readonly number[] => Array.from(t.data as ArrayLike<number>);

test.for(BACKENDS)("%s", { timeout: 300_000 }, async ([, open]) => {
  const outcomes = await (await open())(cases);
  const outputs = outcomes.map((o): Tensor => {
    if ("error" in o) throw o.error;
    return must(o.outputs[0], "output");
  });
  LAYERS.forEach((_, i) => {
    const [floats, bytes] = [must(outputs[2 * i], "floats"), must(outputs[2 * i + 1], "bytes")];
    expect(bytes.type).toBe("uint8");
    expect(numbers(bytes), cases[2 * i + 1]?.name).toEqual(numbers(floats).map(byteOf));
  });
});

test("what gathers elements one by one does not quantise them", () => {
  const b = opBuilder("turned");
  const x = b.input("x", "float32", [1, 8, 5, 3]);
  const turned = b.op("transpose", [x], { perm: [0, 1, 3, 2] });
  const scalars = [b.constant(tensor("float32", [1], Float32Array.of(SCALE))), b.constant(tensor("uint8", [1], Uint8Array.of(ZERO)))];
  b.output(b.op("quantize", [turned, ...scalars]));
  expect(fuse(b.finish()).groups.map((g) => g.nodes.map((n) => n.op))).toEqual([["transpose"], ["quantize"]]);
});
