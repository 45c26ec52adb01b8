/** Quantised 3×3 convolutions by Winograd's algorithm in integers: on every machine the bits of the definition. */
import { describe, expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Case,
} from "../../scripts/conformance/backends.ts";
import { compileGraph } from "../../src/compiler/compile.ts";
import type { Value } from "../../src/ir/graph.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { elementCount, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";

interface Layer {
  readonly c: number;
  readonly o: number;
  readonly h: number;
  readonly w: number;
  readonly batch?: number;
  readonly pads?: readonly [number, number, number, number];
  readonly zero?: number;
  /** Weights by their number; extremes of both signs where nothing is said. */
  readonly weight?: (i: number) => number;
  readonly wide?: true;
  /** Bytes that are all the greatest. */
  readonly flat?: true;
  readonly to?: "uint8" | "float32";
}

const scattered = (i: number): number => ((i + 1) * 48271 * ((i % 977) + 3)) % 65537;
const extreme = (i: number): number => (scattered(i) & 1 ? 127 : -127);
const modest = (i: number): number => (scattered(i) % 101) - 50;

/** The layer behind a pointwise one, whose bytes are mostly the least and the greatest. */
function caseOf(
  name: string,
  { c, o, h, w, batch = 1, pads = [1, 1, 1, 1], zero = 0, weight = extreme, wide, flat, to = "uint8" }: Layer,
): Case {
  const b = opBuilder("winograd");
  const byte = (v: number): Value => b.constant(tensor("uint8", [1], Uint8Array.of(v)));
  const conv = (x: Value, weights: Tensor, at: number, attrs: object, m: number): Value => {
    const [outputs = 1] = weights.dims;
    const bias = Int32Array.from({ length: outputs }, (_, i) => (scattered(i) % 4000) - 2000);
    const scales = Float32Array.from({ length: outputs }, (_, i) => m * (1 + (scattered(i) % 7) / 8));
    const operands = [x, b.constant(weights), byte(at), b.constant(tensor("int32", [outputs], bias))];
    const all = [...operands, b.constant(tensor("float32", [outputs], scales)), byte(to === "uint8" ? 100 : 0)];
    return b.op("quantizedConv", all, { strides: [1, 1], dilations: [1, 1], group: 1, to: "uint8", ...attrs });
  };
  const dims = [batch, 3, h, w];
  const x = b.input("x", "uint8", dims);
  const first = Int8Array.from({ length: 3 * c }, (_, i) => (flat ? 50 : modest(i + 5)));
  const before = conv(x, tensor("int8", [c, 3, 1, 1], first), 128, { pads: [0, 0, 0, 0] }, 0.05);
  const shape = [o, c, 3, 3];
  const source = Array.from({ length: elementCount(shape) }, (_, i) => weight(i));
  const weights = wide
    ? tensor(
        "int16",
        shape,
        Int16Array.from(source, (v) => 2 * v),
      )
    : tensor("int8", shape, Int8Array.from(source));
  const y = conv(before, weights, zero, { pads, to }, 0.3 / Math.sqrt(9 * c) / 100);
  const floats = to === "float32" ? y : b.op("dequantize", [y, b.constant(tensor("float32", [1], Float32Array.of(1))), byte(0)]);
  b.output(floats);
  const data = Uint8Array.from({ length: elementCount(dims) }, (_, i) => (flat ? 255 : scattered(i) % 256));
  return { name, graph: b.finish(), feeds: { x: tensor("uint8", dims, data) } };
}

const LAYERS: Readonly<Record<string, Layer>> = {
  "tiles that fill the image": { c: 32, o: 32, h: 16, w: 16 },
  "tiles cut by the edges": { c: 32, o: 32, h: 15, w: 17, zero: 255 },
  "no padding": { c: 32, o: 32, h: 18, w: 19, pads: [0, 0, 0, 0], zero: 128 },
  "padding of one side": { c: 32, o: 32, h: 15, w: 18, pads: [2, 0, 0, 1], zero: 3 },
  "blocks of output channels that are left over": { c: 32, o: 44, h: 16, w: 16, zero: 7 },
  "two images": { c: 32, o: 32, h: 12, w: 11, batch: 2, zero: 1 },
  "weights of nine bits": { c: 32, o: 32, h: 16, w: 16, wide: true, zero: 100 },
  "floats as the result": { c: 32, o: 32, h: 16, w: 16, to: "float32" },
  "sums near the greatest and the least": {
    c: 112,
    o: 16,
    h: 16,
    w: 16,
    flat: true,
    weight: (i) => (Math.floor(i / (9 * 112)) % 2 === 0 ? 127 : -127),
    to: "float32",
  },
  "several strips, and parts of the input channels": { c: 272, o: 16, h: 17, w: 20, zero: 128, weight: modest },
};
const WINOGRAD = "Winograd F(4×4, 3×3) int8 convolution";
const DIRECT = "direct int8 convolution";

function schedulesOf({ graph }: Case, dot4?: true): readonly string[] {
  const { programs } = compileGraph(graph, { machine: { lanes: 8, registers: 16, ...(dot4 && { dot4 }) } });
  return must(programs[0], "program").calls.flatMap((call) => call.kernel.schedules);
}

test.each(Object.entries(LAYERS))("Winograd's way for %s", (name, layer) => {
  expect(schedulesOf(caseOf(name, layer))).toContain(WINOGRAD);
});

test.each<[string, Layer]>([
  ["sums that the division would not give back", { c: 272, o: 16, h: 17, w: 20, weight: () => 127 }],
  ["weights whose transforms leave int16", { c: 32, o: 32, h: 16, w: 16, wide: true, weight: () => 400 }],
  ["so few tiles that transforms take longer", { c: 16, o: 16, h: 4, w: 5 }],
])("the direct way for %s", (name, layer) => {
  const schedules = schedulesOf(caseOf(name, layer));
  expect(schedules).toContain(DIRECT);
  expect(schedules).not.toContain(WINOGRAD);
});

test("the direct way where four bytes are multiplied at once", () => {
  expect(schedulesOf(caseOf("bytes", { c: 32, o: 32, h: 16, w: 16 }), true)).not.toContain(WINOGRAD);
});

const hasCompiler = await haveCompiler();
const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["8 lanes", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }))],
  ["8 lanes, shared by three threads", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }, "auto", 3))],
  ["16 lanes", () => Promise.resolve(scheduledBackend({ lanes: 16, registers: 32 }))],
  ["WebAssembly", () => Promise.resolve(wasmBackend())],
  ...(hasCompiler ? [["C", async () => cBackend({ machine: await machineWith(), schedule: "auto" })] as const] : []),
];

describe("bits of the definition", () => {
  const cases = Object.entries(LAYERS).map(([name, layer]) => caseOf(name, layer));
  // The interpreter of loops takes seconds for a million products.
  const few = cases.filter((c) => !c.name.startsWith("several"));
  const wanted = interpretBackend(cases);

  test.for(BACKENDS)("%s", { timeout: 300_000 }, async ([name, open]) => {
    const mine = name.includes("lanes") ? few : cases;
    const want = await wanted;
    const got = await (await open())(mine);
    mine.forEach((c, i) => {
      const [a, b] = [must(want[cases.indexOf(c)], "outcome"), must(got[i], "outcome")];
      if ("error" in a) throw a.error;
      if ("error" in b) throw b.error;
      const values = new Set(Array.from(must(a.outputs[0], "output").data, Number));
      expect(values.size, `${c.name} says something`).toBeGreaterThan(20);
      expect(must(b.outputs[0], "output").data, c.name).toEqual(must(a.outputs[0], "output").data);
    });
  });
});
