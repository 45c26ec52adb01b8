/** Quantised ops by TFLite's rule. test/models/litert-integer.test.ts holds them against LiteRT. */
import { exponentialTables, fixedPoint } from "../../../src/formats/tflite/quantized/fixed-point.ts";
import type { Value } from "../../../src/ir/graph.ts";
import { tensor } from "../../../src/tensor/tensor.ts";
import type { Maker, OpCase } from "../maker.ts";

const bytes = { dtype: "uint8", low: 0, high: 255 } as const;
const byte = (m: Maker, v: number): Value => m.constant(tensor("uint8", [1], Uint8Array.of(v)));
const integers = (m: Maker, ...list: number[]): Value => m.constant(tensor("int32", [list.length], Int32Array.from(list)));
const multiplier = (m: Maker, ...reals: number[]): readonly [Value, Value] => {
  const all = reals.map(fixedPoint);
  return [integers(m, ...all.map((f) => f.multiplier)), m.f32(all.map((f) => f.scale))];
};
const limits = (m: Maker): readonly Value[] => [integers(m, 120), integers(m, 3), integers(m, 250)];
const reals = (n: number): number[] => Array.from({ length: n }, (_, i) => (i + 1) / (600 * n));

const conv = (name: string, x: readonly number[], w: readonly number[], type: "int8" | "int16", attrs: object, left = false): OpCase => ({
  name: `fixedPointConv ${name}`,
  build: (m) => {
    const most = type === "int8" ? 127 : 255;
    const [channels = 1] = w;
    const inputs = [
      m.x(x, bytes),
      m.w(w, { dtype: type, low: -most, high: most }),
      byte(m, 101),
      m.w([channels], { dtype: "int32", low: -9999, high: 9999 }),
      ...multiplier(m, ...reals(channels)),
      ...limits(m),
      left ? integers(m, ...Array.from({ length: channels }, (_, i) => 1 + (i % 2))) : undefined,
    ];
    return m.op("fixedPointConv", inputs, { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], group: 1, ...attrs });
  },
});

const summands = (m: Maker): readonly Value[] => [byte(m, 7), ...multiplier(m, 0.5), byte(m, 200), ...multiplier(m, 0.31)];

export const FIXED_POINT_CASES: readonly OpCase[] = [
  conv("dense", [1, 13, 7, 9], [11, 13, 3, 3], "int8", { pads: [1, 1, 1, 1] }),
  conv("of wide weights", [1, 20, 7, 9], [17, 20, 1, 1], "int16", {}),
  conv("strided, of few channels", [2, 3, 9, 11], [16, 3, 3, 3], "int16", { strides: [2, 2] }),
  conv("depthwise", [1, 19, 7, 9], [19, 1, 3, 3], "int16", { group: 19, pads: [1, 0, 1, 2] }),
  conv("in groups", [1, 6, 7, 9], [12, 2, 3, 3], "int8", { group: 3 }),
  conv("with multipliers above one", [1, 16, 5, 9], [16, 16, 1, 1], "int8", {}, true),
  ...[false, true].map((subtract): OpCase => ({
    name: `fixedPointAdd${subtract ? " of the negative" : ""}`,
    build: (m) =>
      m.op("fixedPointAdd", [m.x([2, 5, 3, 17], bytes), m.x([5, 1, 1], bytes), ...summands(m), ...multiplier(m, 2 ** -19), ...limits(m)], {
        subtract,
      }),
  })),
  {
    name: "fixedPointMul",
    build: (m) =>
      m.op("fixedPointMul", [
        m.x([2, 5, 3, 17], bytes),
        m.x([2, 5, 3, 17], bytes),
        byte(m, 100),
        byte(m, 9),
        ...multiplier(m, 0.01),
        ...limits(m),
        integers(m, 2),
      ]),
  },
  {
    name: "fixedPointScale",
    build: (m) =>
      m.op("fixedPointScale", [m.x([3, 37], { dtype: "int32", low: -(2 ** 30), high: 2 ** 30 }), ...multiplier(m, 1e-7), ...limits(m)]),
  },
  {
    name: "fixedPointQuantize",
    build: (m) => m.op("fixedPointQuantize", [m.x([3, 37], { low: -9, high: 9 }), m.f32([0.0625]), byte(m, 100)]),
  },
  {
    name: "fixedPointQuantize of no numbers and halves",
    build: (m) =>
      m.op("fixedPointQuantize", [m.f32([NaN, Infinity, -Infinity, 0.5, -0.5, 1.5, -1.5, 0.49999997, -0]), m.f32([1]), byte(m, 100)]),
  },
  {
    name: "fixedPointAveragePool",
    build: (m) =>
      m.op("fixedPointAveragePool", [m.x([1, 19, 7, 9], bytes)], {
        kernel: [3, 3],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [1, 1, 1, 1],
        centre: 128,
        low: 20,
        high: 240,
      }),
  },
  ...[{}, { halfPixel: true }, { alignCorners: true }].map((attrs): OpCase => ({
    name: `fixedPointResize ${Object.keys(attrs).join("")}`,
    build: (m) => m.op("fixedPointResize", [m.x([1, 19, 4, 5], bytes)], { height: 9, width: 11, ...attrs }),
  })),
  {
    name: "fixedPointSoftmax",
    build: (m) => {
      const tables = exponentialTables(1, 0.07);
      return m.op("fixedPointSoftmax", [
        m.x([2, 5, 33], bytes),
        m.constant(tensor("int32", [256], tables.exponentials)),
        m.constant(tensor("int32", [256], tables.summands)),
      ]);
    },
  },
];
