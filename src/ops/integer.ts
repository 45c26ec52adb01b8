/**
 * Quantised ops. Their rule: sums in int32, then y = clamp(roundEven(f32(acc + bias) · m) + zeroPoint), m being a float32. A
 * product is always rounded to an integer before anything is added to it, so that no compiler's contraction to fma can change a result.
 * Scales, zero points and multipliers are operands of one element, not attributes: layers that differ in nothing else share their kernel.
 */
import { cast, constant, int, unary } from "../loop/expr.ts";
import type { BodyContext, Operand, Read } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { isStatic } from "../tensor/dim.ts";
import { parseDType } from "../tensor/dtype.ts";
import * as a from "./arith.ts";
import { convChannels, convShape, windowIndex, windowOf } from "./conv.ts";
import { defineOp, misfit, sameAs, type Op } from "./define.ts";
import { reduction } from "./nests.ts";

const FIRST: readonly Expr[] = [int(0)];
const scalar = (read: Read, operand: Operand): Expr => read(operand, FIRST);

/** A rounded number plus a zero point, as uint8. NaN, which only a float input can bring, gives 0. */
function clampToByte(rounded: Expr, zeroPoint: Expr): Expr {
  const shifted = a.add(rounded, cast(zeroPoint, "float32"));
  return cast(cast(a.min(a.max(0, shifted), 255), "int32"), "uint8");
}

/** clamp(roundEven(f32(sum) · m) + zeroPoint) as uint8. */
const requantize = (sum: Expr, m: Expr, zeroPoint: Expr): Expr =>
  clampToByte(unary("roundEven", a.mul(cast(sum, "float32"), m)), zeroPoint);

/** clamp(roundEven(x / scale) + zeroPoint) as uint8: float32 to a scaled integer as ONNX defines it, whose halves a multiplication by 1 / scale could move. */
export const quantize: Op = defineOp({
  name: "quantize",
  inputs: { x: "float", scale: "float", zeroPoint: "integer" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "uint8", shape: x.shape }],
  compute: ({ out }, { x, scale, zeroPoint }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => clampToByte(unary("roundEven", a.div(read(x, p), scalar(read, scale))), scalar(read, zeroPoint)),
  }),
});

/** (x - zeroPoint) · scale as float32. */
export const dequantize: Op = defineOp({
  name: "dequantize",
  inputs: { x: "integer", scale: "float", zeroPoint: "integer" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "float32", shape: x.shape }],
  compute: ({ out }, { x, scale, zeroPoint }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) =>
      a.mul(cast(a.sub(cast(read(x, p), "int32"), cast(scalar(read, zeroPoint), "int32")), "float32"), scalar(read, scale)),
  }),
});

/**
 * Convolution of uint8 x with w over one or more spatial axes: Σ (x - xZero)·w + bias, then by the rule to uint8, or with `to` float32
 * just times m. w is int8, or int16 where the zero point of its bytes was taken away. m has one element an output channel; `negative`,
 * when given, is the multiplier of sums below zero, which makes a leaky or parametric ReLU. Padding counts as xZero.
 */
export const quantizedConv: Op = defineOp({
  name: "quantizedConv",
  inputs: { x: "integer", w: "integer", xZero: "integer", bias: "integer", m: "float", yZero: "integer", negative: "float?" },
  attrs: { strides: [] as number[], dilations: [] as number[], pads: [] as number[], group: 1, to: "uint8" },
  traits: { channels: "conv" },
  infer: ({ x, w, bias }, attrs) => {
    const fits = x.dtype === "uint8" && (w.dtype === "int8" || w.dtype === "int16") && bias.dtype === "int32" && isStatic(w.shape);
    if (!fits) throw misfit("quantizedConv", "x is uint8, w int8 or int16, bias int32", [x, w, bias]);
    if (attrs.to !== "uint8" && attrs.to !== "float32") throw misfit("quantizedConv", `the result cannot be ${attrs.to}`, [x, w, bias]);
    return [{ dtype: parseDType(attrs.to), shape: convShape("quantizedConv", x, w, bias, attrs) }];
  },
  compute: ({ out }, { x, w, xZero, bias, m, yZero, negative }, attrs) => {
    const [, perGroup = 1, ...kernel] = w.dims;
    const window = windowOf(kernel.length, attrs);
    const padded = window.pads.some((p) => p !== 0);
    const finish = (acc: Expr, { p: [, oc = int(0)], read }: BodyContext): Expr => {
      const sum = a.add(acc, read(bias, [oc]));
      const factor = negative ? a.select(a.lt(sum, 0), read(negative, [oc]), read(m, [oc])) : read(m, [oc]);
      return attrs.to === "float32" ? a.mul(cast(sum, "float32"), factor) : requantize(sum, factor, scalar(read, yZero));
    };
    return reduction(
      "contraction",
      out,
      ({ p: [n = int(0), oc = int(0), ...o], r: [ic = int(0), ...k], read }) => {
        const zero = scalar(read, xZero);
        const channel = convChannels(x, w, attrs.group, oc, ic);
        const value = read(x, [n, channel, ...windowIndex(o, k, window)], padded ? zero : undefined);
        return a.mul(a.sub(cast(value, "int32"), cast(zero, "int32")), cast(read(w, [oc, ic, ...k]), "int32"));
      },
      { extents: [perGroup, ...kernel], combine: "add", init: constant(0, "int32"), finish },
    );
  },
});

/**
 * Sum of two uint8 values of one shape: (x - xZero)·xFactor + (y - yZero)·yFactor in int32, then by the rule. The factors are integers
 * of at most 15 bits in the ratio of the scales, so that the sum is exact as a float32.
 */
export const quantizedAdd: Op = defineOp({
  name: "quantizedAdd",
  inputs: {
    x: "integer",
    y: "integer",
    xZero: "integer",
    xFactor: "integer",
    yZero: "integer",
    yFactor: "integer",
    m: "float",
    zeroPoint: "integer",
  },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x, y }) => {
    const same =
      x.dtype === "uint8" && y.dtype === "uint8" && x.shape.length === y.shape.length && x.shape.every((d, i) => d === y.shape[i]);
    if (!same) throw misfit("quantizedAdd", "the operands are uint8 of one shape", [x, y]);
    return [sameAs(x)];
  },
  compute: ({ out }, { x, y, xZero, xFactor, yZero, yFactor, m, zeroPoint }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const term = (operand: Operand, zero: Operand, factor: Operand): Expr =>
        a.mul(a.sub(cast(read(operand, p), "int32"), cast(scalar(read, zero), "int32")), scalar(read, factor));
      return requantize(a.add(term(x, xZero, xFactor), term(y, yZero, yFactor)), scalar(read, m), scalar(read, zeroPoint));
    },
  }),
});

/** clamp(roundEven(f32(x - xZero) · m) + zeroPoint): the same numbers in another scale. What lies below the zero point 0 is cut: a ReLU. */
export const rescale: Op = defineOp({
  name: "rescale",
  inputs: { x: "integer", xZero: "integer", m: "float", zeroPoint: "integer" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => {
    if (x.dtype !== "uint8") throw misfit("rescale", "the operand is uint8", [x]);
    return [sameAs(x)];
  },
  compute: ({ out }, { x, xZero, m, zeroPoint }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) =>
      requantize(a.sub(cast(read(x, p), "int32"), cast(scalar(read, xZero), "int32")), scalar(read, m), scalar(read, zeroPoint)),
  }),
});

/** table[x]: any function of one uint8 value, as 256 results. */
export const quantizedTable: Op = defineOp({
  name: "quantizedTable",
  inputs: { x: "integer", table: "any" },
  attrs: {},
  traits: { channels: "same" },
  infer: ({ x, table }) => {
    if (x.dtype !== "uint8" || table.shape.length !== 1 || table.shape[0] !== 256)
      throw misfit("quantizedTable", "uint8 and a table of 256", [x, table]);
    return [{ dtype: table.dtype, shape: x.shape }];
  },
  compute: ({ out }, { x, table }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => read(table, [cast(read(x, p), "index")]),
  }),
});
