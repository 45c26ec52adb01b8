/** Convolution and pooling windows (ONNX operator specification: Conv, MaxPool, AveragePool). */
import { addDim, dimText, divDim, isStatic, mulDim, type Dim, type Shape } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import {
  add as addIndex,
  constant,
  cast,
  div as divIndex,
  int,
  mul as mulIndex,
  max as maxIndex,
  min as minIndex,
  sub as subIndex,
} from "../loop/expr.ts";
import type { ValueType } from "../ir/graph.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { neutral, reduction } from "./nests.ts";

/** How a window moves over the spatial axes; pads are [begin…, end…]. */
export interface Window {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** Fills absent strides, dilations and pads. */
export function windowOf(rank: number, attrs: Window): Window {
  const or = (list: readonly number[], n: number, value: number): readonly number[] =>
    list.length > 0 ? list : new Array<number>(n).fill(value);
  return { strides: or(attrs.strides, rank, 1), dilations: or(attrs.dilations, rank, 1), pads: or(attrs.pads, 2 * rank, 0) };
}

/** floor or ceil((in + pads - dilation·(kernel - 1) - 1) / stride) + 1. */
function windowDim(size: Dim, kernel: number, w: Window, axis: number, rank: number, ceil: boolean): Dim {
  const stride = w.strides[axis] ?? 1;
  const begin = w.pads[axis] ?? 0;
  const span = (w.dilations[axis] ?? 1) * (kernel - 1) + 1;
  const dim = addDim(divDim(addDim(size, begin + (w.pads[axis + rank] ?? 0) - span), stride, ceil), 1);
  // With ceil, a last window that would start in the end padding is dropped.
  return ceil && typeof dim === "number" && typeof size === "number" && (dim - 1) * stride >= size + begin ? dim - 1 : dim;
}

function windowShape(spatial: Shape, kernel: readonly number[], w: Window, ceil = false): Shape {
  return spatial.map((size, i) => windowDim(size, kernel[i] ?? 1, w, i, spatial.length, ceil));
}

/** Input index of kernel position k under output position o. */
export function windowIndex(o: readonly Expr[], k: readonly Expr[], w: Window): readonly Expr[] {
  return o.map((at, i) => {
    const moved = mulIndex(at, int(w.strides[i] ?? 1));
    const spread = mulIndex(k[i] ?? int(0), int(w.dilations[i] ?? 1));
    return subIndex(addIndex(moved, spread), int(w.pads[i] ?? 0));
  });
}

/** Whether no window reaches outside the input. */
const needsPadding = (w: Window): boolean => w.pads.some((p) => p !== 0);

export function convChannels(x: Operand, w: Operand, group: number, oc: Expr, ic: Expr): Expr {
  const perGroup = w.dims[1] ?? 1;
  const outputs = (w.dims[0] ?? 1) / group;
  if (group === 1) return ic;
  if (perGroup === 1 && outputs === 1) return oc;
  return addIndex(mulIndex(divIndex(oc, int(outputs)), int(perGroup)), ic);
}

const isPositive = (shape: Shape): boolean => shape.every((d) => typeof d !== "number" || d > 0);

/** What keeps the operands from fitting together; what is not known yet fits. */
function convProblem(x: ValueType, w: ValueType, bias: ValueType | undefined, group: number): string | undefined {
  const [o = 1, perGroup = 1, ...kernel] = w.shape;
  if (!isStatic(kernel) || w.shape.length !== x.shape.length || x.shape.length < 3)
    return "x and w need the same rank of at least 3, w static";
  const channels = mulDim(perGroup, group);
  if (differ(x.shape[1], channels)) return `w expects ${dimText(channels)} input channels in ${group} groups`;
  if (typeof o === "number" && o % group !== 0) return `the output channels do not divide into ${group} groups`;
  const biased = !bias || (bias.shape.length === 1 && bias.shape[0] === o);
  return biased ? undefined : "the bias needs one element an output channel";
}

/** Whether two dimensions are known to differ. */
const differ = (a: Dim | undefined, b: Dim): boolean => typeof a === "number" && typeof b === "number" && a !== b;

/** The shape of a convolution's result. Throws `graph.shape` when the operands do not fit. */
export function convShape(
  op: string,
  x: ValueType,
  w: ValueType,
  bias: ValueType | undefined,
  attrs: Window & { readonly group: number },
): Shape {
  const wrong = convProblem(x, w, bias, attrs.group);
  if (wrong) throw misfit(op, wrong, [x, w, bias]);
  const shape = windowShape(x.shape.slice(2), w.shape.slice(2).map(Number), windowOf(x.shape.length - 2, attrs));
  if (!isPositive(shape)) throw misfit(op, "the kernel is larger than the padded input", [x, w, bias]);
  return [x.shape[0] ?? 1, w.shape[0] ?? 1, ...shape];
}

/** Cross-correlation over 1 to 3 spatial axes: x[N,C,…] * w[O,C/group,…] + bias[O]. */
export const conv: Op = defineOp({
  name: "conv",
  inputs: { x: "float", w: "float", bias: "float?" },
  attrs: { strides: [] as number[], dilations: [] as number[], pads: [] as number[], group: 1 },
  traits: { alike: ["x", "w", "bias"], channels: "conv" },
  infer: ({ x, w, bias }, attrs) => [{ dtype: x.dtype, shape: convShape("conv", x, w, bias, attrs) }],
  compute: ({ out }, { x, w, bias }, attrs) => {
    const [, perGroup = 1, ...kernel] = w.dims;
    const window = windowOf(kernel.length, attrs);
    const zero = needsPadding(window) ? constant(0, x.dtype) : undefined;
    return reduction(
      "contraction",
      out,
      ({ p: [n = int(0), oc = int(0), ...o], r: [ic = int(0), ...k], read }) =>
        a.mul(read(x, [n, convChannels(x, w, attrs.group, oc, ic), ...windowIndex(o, k, window)], zero), read(w, [oc, ic, ...k])),
      {
        extents: [perGroup, ...kernel],
        combine: "add",
        init: constant(0, x.dtype),
        ...(bias ? { finish: (acc, { p: [, oc = int(0)], read }) => a.add(acc, read(bias, [oc])) } : {}),
      },
    );
  },
});

export const poolAttrs = {
  kernel: [] as number[],
  strides: [] as number[],
  dilations: [] as number[],
  pads: [] as number[],
  ceilMode: false,
};

export function poolShape(
  op: string,
  x: { readonly shape: Shape; readonly dtype: "float32" },
  attrs: Window & { kernel: readonly number[]; ceilMode: boolean },
): Shape {
  const [n = 1, c = 1, ...spatial] = x.shape;
  if (attrs.kernel.length !== spatial.length) throw misfit(op, `kernel [${attrs.kernel.join(",")}] does not fit`, [x]);
  const shape = windowShape(spatial, attrs.kernel, windowOf(spatial.length, attrs), attrs.ceilMode);
  if (!isPositive(shape)) throw misfit(op, "the kernel is larger than the padded input", [x]);
  return [n, c, ...shape];
}

function pool(
  result: Operand,
  x: Operand,
  kernel: readonly number[],
  window: Window,
  how: Omit<NonNullable<Nest["reduction"]>, "extents">,
): Nest {
  return reduction(
    "window",
    result,
    ({ p: [n = int(0), c = int(0), ...o], r, read }) => read(x, [n, c, ...windowIndex(o, r, window)], how.init),
    { ...how, extents: kernel },
  );
}

export const maxPool: Op = defineOp({
  name: "maxPool",
  inputs: { x: "number" },
  attrs: poolAttrs,
  traits: { channels: "same" },
  infer: ({ x }, attrs) => [{ dtype: x.dtype, shape: poolShape("maxPool", { ...x, dtype: "float32" }, attrs) }],
  compute: ({ out }, { x }, attrs) =>
    pool(out, x, attrs.kernel, windowOf(attrs.kernel.length, attrs), { combine: "max", init: neutral("max", x.dtype) }),
});

/** How many positions of the window lie inside [low, size + high) along one axis. */
export function validCount(o: Expr, axis: number, kernel: number, size: number, w: Window, include: boolean, rank: number): Expr {
  const begin = w.pads[axis] ?? 0;
  const dilation = w.dilations[axis] ?? 1;
  const start = subIndex(mulIndex(o, int(w.strides[axis] ?? 1)), int(begin));
  const low = include ? -begin : 0;
  const high = size + (include ? (w.pads[axis + rank] ?? 0) : 0);
  const ceilDiv = (e: Expr): Expr => divIndex(addIndex(e, int(dilation - 1)), int(dilation));
  const first = maxIndex(int(0), ceilDiv(subIndex(int(low), start)));
  const last = minIndex(int(kernel), ceilDiv(subIndex(int(high), start)));
  return subIndex(last, first);
}

export const averagePool: Op = defineOp({
  name: "averagePool",
  inputs: { x: "float" },
  attrs: { ...poolAttrs, countIncludePad: false },
  traits: { channels: "same" },
  infer: ({ x }, attrs) => [{ dtype: x.dtype, shape: poolShape("averagePool", { ...x, dtype: "float32" }, attrs) }],
  compute: ({ out }, { x }, attrs) => {
    const rank = attrs.kernel.length;
    const window = windowOf(rank, attrs);
    const constantCount = !needsPadding(window) && !attrs.ceilMode;
    return pool(out, x, attrs.kernel, window, {
      combine: "add",
      init: constant(0, x.dtype),
      finish: (acc, { p: [, , ...o] }) => {
        if (constantCount) return a.mul(acc, 1 / elementCount(attrs.kernel));
        const counts = o.map((at, i) => validCount(at, i, attrs.kernel[i] ?? 1, x.dims[i + 2] ?? 1, window, attrs.countIncludePad, rank));
        return a.div(acc, cast(counts.reduce(mulIndex), x.dtype));
      },
    });
  },
});
