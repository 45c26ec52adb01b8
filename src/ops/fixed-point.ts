/**
 * Quantised ops by TFLite's rule: a sum in int32 is multiplied by a number in [0.5, 1) that is kept as 31 bits, and the product rounded
 * twice, first to an integer with halves up (gemmlowp's saturating rounding doubling high multiply), then divided by a power of two with
 * halves away from zero (its rounding divide by a power of two). Values are uint8; int8 values are those plus 128. As in integer.ts,
 * multipliers and zero points are operands of one element.
 */
import { binary, cast, constant, int, unary } from "../loop/expr.ts";
import type { BodyContext, Operand, Read } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { isStatic } from "../tensor/dim.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { convChannels, convShape, poolAttrs, poolShape, validCount, windowIndex, windowOf } from "./conv.ts";
import { defineOp, misfit, sameAs, type Op } from "./define.ts";
import { broadcastIndex, reduction } from "./nests.ts";

const FIRST: readonly Expr[] = [int(0)];
const scalar = (read: Read, operand: Operand): Expr => read(operand, FIRST);
export const int32 = (e: Expr): Expr => cast(e, "int32");

/** (x · y + 2^30) >> 31 of two int32, the upper half of the doubled product, rounded. */
export function highProduct(x: Expr, y: Expr): Expr {
  const product = a.mul(cast(x, "int64"), cast(y, "int64"));
  const rounded = a.add(product, 2 ** 30);
  return int32(binary("shr", rounded, a.constantLike(rounded, 31)));
}

/** Moves halves away from zero, and nothing else that is a multiple of 2^-31 below 2^31 past one. */
const AWAY = 1 + 2 ** -40;

/**
 * x · scale to the nearest integer, halves away from zero; scale is a power of two of at most one. Each operand stands in an expression
 * once: expressions are trees, and a long chain of roundings would double with each.
 */
function scaledDown(x: Expr, scale: Expr): Expr {
  const factor = a.mul(cast(scale, "float64"), AWAY);
  return int32(unary("roundEven", a.mul(cast(x, "float64"), factor)));
}

/** A multiplier as three operands of one element, or one a channel: 31 bits, a power of two below one, and one above where there is. */
interface Multiplier {
  readonly multiplier: Operand;
  readonly scale: Operand;
  readonly left?: Operand | undefined;
}

function multiplied(x: Expr, { multiplier, scale, left }: Multiplier, get: (operand: Operand) => Expr): Expr {
  const shifted = left ? a.mul(x, get(left)) : x;
  return scaledDown(highProduct(shifted, get(multiplier)), get(scale));
}

interface Limits {
  readonly zero: Operand;
  readonly low: Operand;
  readonly high: Operand;
}

/** clamp(x + zero, low, high) as uint8. */
function limited(x: Expr, { zero, low, high }: Limits, read: Read): Expr {
  const shifted = a.add(x, scalar(read, zero));
  return cast(a.min(a.max(shifted, scalar(read, low)), scalar(read, high)), "uint8");
}

const LIMITS = { zero: "integer", low: "integer", high: "integer" } as const;
const MULTIPLIER = { multiplier: "integer", scale: "float" } as const;

/** (x - zero) in int32. */
const centred = (x: Expr, zero: Expr): Expr => a.sub(int32(x), int32(zero));

/**
 * Convolution of uint8 x with w of int8, or of int16 where x's zero point was taken from asymmetric weights: Σ (x - xZero)·w + bias, then by
 * the rule to uint8. Multiplier and scale have one element an output channel. Padding counts as xZero.
 */
export const fixedPointConv: Op = defineOp({
  name: "fixedPointConv",
  inputs: { x: "integer", w: "integer", xZero: "integer", bias: "integer", ...MULTIPLIER, ...LIMITS, left: "integer?" },
  attrs: { strides: [] as number[], dilations: [] as number[], pads: [] as number[], group: 1 },
  traits: { channels: "conv" },
  infer: ({ x, w, bias }, attrs) => {
    const fits = x.dtype === "uint8" && (w.dtype === "int8" || w.dtype === "int16") && bias.dtype === "int32" && isStatic(w.shape);
    if (!fits) throw misfit("fixedPointConv", "x is uint8, w int8 or int16, bias int32", [x, w, bias]);
    return [{ dtype: "uint8", shape: convShape("fixedPointConv", x, w, bias, attrs) }];
  },
  compute: ({ out }, { x, w, xZero, bias, left, multiplier, scale, zero, low, high }, attrs) => {
    const [, perGroup = 1, ...kernel] = w.dims;
    const window = windowOf(kernel.length, attrs);
    const padded = window.pads.some((p) => p !== 0);
    const finish = (acc: Expr, { p: [, oc = int(0)], read }: BodyContext): Expr => {
      const sum = a.add(acc, read(bias, [oc]));
      return limited(
        multiplied(sum, { multiplier, scale, left }, (operand) => read(operand, [oc])),
        { zero, low, high },
        read,
      );
    };
    return reduction(
      "contraction",
      out,
      ({ p: [n = int(0), oc = int(0), ...o], r: [ic = int(0), ...k], read }) => {
        const xz = scalar(read, xZero);
        const channel = convChannels(x, w, attrs.group, oc, ic);
        const value = read(x, [n, channel, ...windowIndex(o, k, window)], padded ? xz : undefined);
        return a.mul(centred(value, xz), int32(read(w, [oc, ic, ...k])));
      },
      { extents: [perGroup, ...kernel], combine: "add", init: constant(0, "int32"), finish },
    );
  },
});

/** Bits that summands gain before they are brought to one scale. */
const SUM_BITS = 20;

/** x + y, or x - y, of uint8 values that broadcast: each brought to one scale, then their sum by the rule to uint8. */
export const fixedPointAdd: Op = defineOp({
  name: "fixedPointAdd",
  inputs: {
    x: "integer",
    y: "integer",
    xZero: "integer",
    xMultiplier: "integer",
    xScale: "float",
    yZero: "integer",
    yMultiplier: "integer",
    yScale: "float",
    ...MULTIPLIER,
    ...LIMITS,
  },
  attrs: { subtract: false },
  traits: { elementwise: true },
  infer: ({ x, y }) => {
    if (x.dtype !== "uint8" || y.dtype !== "uint8") throw misfit("fixedPointAdd", "the operands are uint8", [x, y]);
    return [{ dtype: "uint8", shape: broadcastShapes("fixedPointAdd", [x, y]) }];
  },
  compute: (
    { out },
    { x, y, xZero, xMultiplier, xScale, yZero, yMultiplier, yScale, multiplier, scale, zero, low, high },
    { subtract },
  ) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const get = (operand: Operand): Expr => scalar(read, operand);
      const term = (operand: Operand, z: Operand, m: Multiplier): Expr =>
        multiplied(a.mul(centred(read(operand, broadcastIndex(operand, p)), get(z)), 2 ** SUM_BITS), m, get);
      const first = term(x, xZero, { multiplier: xMultiplier, scale: xScale });
      const second = term(y, yZero, { multiplier: yMultiplier, scale: yScale });
      return limited(multiplied((subtract ? a.sub : a.add)(first, second), { multiplier, scale }, get), { zero, low, high }, read);
    },
  }),
});

/** (x - xZero)·(y - yZero) of uint8 values that broadcast, by the rule to uint8. */
export const fixedPointMul: Op = defineOp({
  name: "fixedPointMul",
  inputs: { x: "integer", y: "integer", xZero: "integer", yZero: "integer", ...MULTIPLIER, ...LIMITS, left: "integer?" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x, y }) => {
    if (x.dtype !== "uint8" || y.dtype !== "uint8") throw misfit("fixedPointMul", "the operands are uint8", [x, y]);
    return [{ dtype: "uint8", shape: broadcastShapes("fixedPointMul", [x, y]) }];
  },
  compute: ({ out }, { x, y, xZero, yZero, multiplier, scale, left, zero, low, high }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const get = (operand: Operand): Expr => scalar(read, operand);
      const value = (operand: Operand, z: Operand): Expr => centred(read(operand, broadcastIndex(operand, p)), get(z));
      const product = a.mul(value(x, xZero), value(y, yZero));
      return limited(multiplied(product, { multiplier, scale, left }, get), { zero, low, high }, read);
    },
  }),
});

/** A sum in int32 by the rule to uint8. */
export const fixedPointScale: Op = defineOp({
  name: "fixedPointScale",
  inputs: { x: "integer", ...MULTIPLIER, ...LIMITS, left: "integer?" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => {
    if (x.dtype !== "int32") throw misfit("fixedPointScale", "the operand is int32", [x]);
    return [{ dtype: "uint8", shape: x.shape }];
  },
  compute: ({ out }, { x, multiplier, scale, left, zero, low, high }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const get = (operand: Operand): Expr => scalar(read, operand);
      return limited(multiplied(read(x, p), { multiplier, scale, left }, get), { zero, low, high }, read);
    },
  }),
});

/** x / scale to the nearest integer, halves away from zero, plus the zero point, as uint8. NaN gives the zero point. */
export const fixedPointQuantize: Op = defineOp({
  name: "fixedPointQuantize",
  inputs: { x: "float", scale: "float", zero: "integer" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "uint8", shape: x.shape }],
  compute: ({ out }, { x, scale, zero }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const ratio = a.div(read(x, p), scalar(read, scale));
      const steps = a.clamp(a.select(a.eq(ratio, ratio), ratio, 0), -512, 512);
      const whole = int32(steps);
      const rest = a.sub(steps, cast(whole, "float32"));
      const up = a.select(a.ge(rest, 0.5), constant(1, "int32"), a.select(a.le(rest, -0.5), constant(-1, "int32"), constant(0, "int32")));
      return cast(a.clamp(a.add(a.add(whole, up), int32(scalar(read, zero))), 0, 255), "uint8");
    },
  }),
});

/** Half of a whole number, cut. */
export const half = (n: Expr): Expr => binary("shr", n, a.constantLike(n, 1));

/** Mean over each window of what lies inside of uint8 x, halves away from the byte `centre`; then clamped. */
export const fixedPointAveragePool: Op = defineOp({
  name: "fixedPointAveragePool",
  inputs: { x: "integer" },
  attrs: { ...poolAttrs, centre: 0, low: 0, high: 255 },
  traits: { channels: "same" },
  infer: ({ x }, attrs) => {
    if (x.dtype !== "uint8") throw misfit("fixedPointAveragePool", "the operand is uint8", [x]);
    return [{ dtype: "uint8", shape: poolShape("fixedPointAveragePool", { ...x, dtype: "float32" }, attrs) }];
  },
  compute: ({ out }, { x }, { centre, low, high, ...attrs }) => {
    const rank = attrs.kernel.length;
    const window = windowOf(rank, attrs);
    return reduction(
      "window",
      out,
      ({ p: [n = int(0), c = int(0), ...o], r, read }) =>
        a.sub(int32(read(x, [n, c, ...windowIndex(o, r, window)], constant(centre, "uint8"))), centre),
      {
        extents: attrs.kernel,
        combine: "add",
        init: constant(0, "int32"),
        finish: (acc, { p: [, , ...o] }) => {
          const counts = o.map((at, i) => validCount(at, i, attrs.kernel[i] ?? 1, x.dims[i + 2] ?? 1, window, false, rank));
          const count = int32(counts.reduce((all, one) => binary("mul", all, one)));
          const rounded = a.select(a.gt(acc, 0), a.add(acc, half(count)), a.sub(acc, half(count)));
          return cast(a.clamp(a.add(a.div(rounded, count), centre), low, high), "uint8");
        },
      },
    );
  },
});

/** Bits after the point of an interpolation's coordinates. */
const PLACE_BITS = 10;
const ONE_PLACE = 2 ** PLACE_BITS;

interface ResizeAxis {
  readonly from: number;
  readonly to: number;
  readonly alignCorners: boolean;
  readonly halfPixel: boolean;
}

/** The neighbours of an output position and the second one's weight in units of 2^-10. */
function placeOf(at: Expr, { from, to, alignCorners, halfPixel }: ResizeAxis): { near: Expr; far: Expr; weight: Expr } {
  const corners = alignCorners && to > 1;
  const [span, steps] = corners ? [from - 1, to - 1] : [from, to];
  const step = Math.floor((ONE_PLACE * span + Math.floor(steps / 2)) / steps);
  const shift = halfPixel ? Math.floor(step / 2) - ONE_PLACE / 2 : 0;
  const place = binary("add", binary("mul", at, int(step)), int(shift));
  const whole = (e: Expr): Expr => binary("div", e, int(ONE_PLACE));
  const near = binary("max", whole(place), int(0));
  const far = binary("min", whole(binary("add", place, int(ONE_PLACE - 1))), int(from - 1));
  return { near, far, weight: int32(binary("sub", place, binary("mul", near, int(ONE_PLACE)))) };
}

/** Bilinear interpolation of the planes of uint8 x in integers of 2^-20, halves away from the byte 128. */
export const fixedPointResize: Op = defineOp({
  name: "fixedPointResize",
  inputs: { x: "integer" },
  attrs: { height: 1, width: 1, alignCorners: false, halfPixel: false },
  traits: { channels: "same" },
  infer: ({ x }, { height, width }) => {
    const spatial = x.shape.slice(2);
    if (x.dtype !== "uint8" || x.shape.length !== 4 || !isStatic(spatial))
      throw misfit("fixedPointResize", "the operand is uint8 of four axes", [x]);
    return [sameAs(x, [...x.shape.slice(0, 2), height, width])];
  },
  compute: ({ out }, { x }, { height, width, alignCorners, halfPixel }) => ({
    kind: "gather",
    result: out,
    body: ({ p: [n = int(0), c = int(0), oh = int(0), ow = int(0)], read }) => {
      const [, , rows = 1, columns = 1] = x.dims;
      const y = placeOf(oh, { from: rows, to: height, alignCorners, halfPixel });
      const z = placeOf(ow, { from: columns, to: width, alignCorners, halfPixel });
      const corner = (h: Expr, w: Expr, wh: Expr, ww: Expr): Expr => a.mul(a.mul(a.sub(int32(read(x, [n, c, h, w])), 128), wh), ww);
      const [up, left] = [a.sub(ONE_PLACE, y.weight), a.sub(ONE_PLACE, z.weight)];
      const top = a.add(corner(y.near, z.near, up, left), corner(y.near, z.far, up, z.weight));
      const bottom = a.add(corner(y.far, z.near, y.weight, left), corner(y.far, z.far, y.weight, z.weight));
      const sum = a.add(top, bottom);
      const size = a.add(a.select(a.lt(sum, 0), a.sub(0, sum), sum), 2 ** (2 * PLACE_BITS - 1));
      const rounded = binary("shr", size, a.constantLike(size, 2 * PLACE_BITS));
      return cast(a.add(a.select(a.lt(sum, 0), a.sub(0, rounded), rounded), 128), "uint8");
    },
  }),
});
