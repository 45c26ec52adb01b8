/** Small floating-point types as bits. */
import { NARROW_TYPES } from "../../../src/formats/onnx/narrow.ts";
import type { OpCase } from "../maker.ts";

const floats = Object.values(NARROW_TYPES).flatMap(({ name, float }) =>
  float === undefined || float === "exponent"
    ? []
    : [true, false].map((saturate): OpCase => ({
        name: `encodeFloat ${name}${saturate ? "" : ", overflowing"}`,
        build: (m) => {
          const wide = m.op("pow", [m.f32([2], []), m.x([5, 31], { low: -14, high: 18 })]);
          return m.op("encodeFloat", [m.op("mul", [wide, m.x([5, 31])])], { ...float, saturate });
        },
      })),
);

export const NARROW_CASES: readonly OpCase[] = [
  ...floats,
  { name: "encodeFloat of no numbers", build: (m) => m.op("encodeFloat", [m.f32([NaN, Infinity, -Infinity, 0, -0, 1e-30, -1e-30, 3e38])]) },
  {
    name: "gather by bytes, rows that are no whole number of vectors",
    build: (m) => m.op("gather", [m.w([16]), m.x([3, 5], { dtype: "uint8", low: 0, high: 15 })]),
  },
  ...["up", "down", "nearest"].map((round): OpCase => ({
    name: `encodeExponent ${round}`,
    build: (m) => m.op("encodeExponent", [m.x([5, 31], { low: -40, high: 40 })], { round }),
  })),
];
