/** Reductions and what is built from them (ONNX operator specification: Reduce*, ArgMax, ArgMin, Softmax, LogSoftmax). */
import type { Dim, Shape } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { DType } from "../tensor/dtype.ts";
import { int } from "../loop/expr.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import type { Expr, ReduceOp } from "../loop/types.ts";
import * as a from "./arith.ts";
import { axisOf, defineOp, type InputClass, type Op } from "./define.ts";
import { broadcastIndex, map, neutral, reduction } from "./nests.ts";

/** The reduced axes, counted from the front; none given means all. */
function reducedAxes(op: string, axes: readonly number[], rank: number): readonly number[] {
  return axes.length > 0 ? axes.map((axis) => axisOf(op, axis, rank)) : Array.from({ length: rank }, (_, i) => i);
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  return shape.flatMap((d, i): Dim[] => (axes.includes(i) ? (keepDims ? [1] : []) : [d]));
}

/** The index into x of a result index p and reduction index r. */
function fullIndex(rank: number, axes: readonly number[], keepDims: boolean, p: readonly Expr[], r: readonly Expr[]): readonly Expr[] {
  const kept = keepDims ? p.filter((_, i) => !axes.includes(i)) : [...p];
  let next = 0;
  return Array.from({ length: rank }, (_, i) => {
    const at = axes.indexOf(i);
    return (at >= 0 ? r[at] : kept[next++]) ?? int(0);
  });
}

interface Reducer {
  readonly combine: ReduceOp;
  readonly each?: (x: Expr) => Expr;
  readonly finish?: (acc: Expr, count: number) => Expr;
}

function reduceNest(result: Operand, x: Operand, axes: readonly number[], keepDims: boolean, how: Reducer): Nest {
  const extents = axes.map((axis) => x.dims[axis] ?? 1);
  const { each = (v: Expr) => v, finish } = how;
  return reduction("reduce", result, ({ p, r, read }) => each(read(x, fullIndex(x.dims.length, axes, keepDims, p, r))), {
    extents,
    combine: how.combine,
    init: neutral(how.combine, x.dtype),
    ...(finish ? { finish: (acc: Expr) => finish(acc, elementCount(extents)) } : {}),
  });
}

function reduce(name: string, how: Reducer, cls: InputClass = "number"): Op {
  return defineOp({
    name,
    inputs: { x: cls },
    attrs: { axes: [] as number[], keepDims: true },
    traits: { channels: "same" },
    infer: ({ x }, { axes, keepDims }) => [
      { dtype: x.dtype, shape: reducedShape(x.shape, reducedAxes(name, axes, x.shape.length), keepDims) },
    ],
    compute: ({ out }, { x }, { axes, keepDims }) => reduceNest(out, x, reducedAxes(name, axes, x.dims.length), keepDims, how),
  });
}

const square = (x: Expr): Expr => a.mul(x, x);

export const reduceSum: Op = reduce("reduceSum", { combine: "add" });
export const reduceMean: Op = reduce("reduceMean", { combine: "add", finish: (acc, n) => a.div(acc, n) });
export const reduceMax: Op = reduce("reduceMax", { combine: "max" }, "any");
export const reduceMin: Op = reduce("reduceMin", { combine: "min" }, "any");
export const reduceProd: Op = reduce("reduceProd", { combine: "mul" });
export const reduceL1: Op = reduce("reduceL1", { combine: "add", each: a.abs });
export const reduceL2: Op = reduce("reduceL2", { combine: "add", each: square, finish: a.sqrt });
export const reduceSumSquare: Op = reduce("reduceSumSquare", { combine: "add", each: square });
export const reduceLogSum: Op = reduce("reduceLogSum", { combine: "add", finish: a.log });

/** log Σ e^x, shifted by the maximum so that nothing overflows. */
export const reduceLogSumExp: Op = defineOp({
  name: "reduceLogSumExp",
  inputs: { x: "float" },
  attrs: { axes: [] as number[], keepDims: true },
  infer: ({ x }, { axes, keepDims }) => [
    { dtype: x.dtype, shape: reducedShape(x.shape, reducedAxes("reduceLogSumExp", axes, x.shape.length), keepDims) },
  ],
  compute: ({ out, temp }, { x }, { axes: given, keepDims }) => {
    const axes = reducedAxes("reduceLogSumExp", given, x.dims.length);
    const top = temp("max", x.dtype, out.dims);
    const sum = reduceNest(out, x, axes, keepDims, { combine: "add" });
    const shifted: Nest = {
      ...sum,
      body: ({ p, r, read }) => a.exp(a.sub(sum.body({ p, r, read }), read(top, p))),
      reduction: {
        extents: axes.map((axis) => x.dims[axis] ?? 1),
        combine: "add",
        init: neutral("add", x.dtype),
        finish: (acc, { p, read }) => a.add(a.log(acc), read(top, p)),
      },
    };
    return [reduceNest(top, x, axes, keepDims, { combine: "max" }), shifted];
  },
});

/** The first (or last) position of the extreme along an axis, as int64. */
function argExtreme(name: string, combine: "max" | "min"): Op {
  return defineOp({
    name,
    inputs: { x: "number" },
    attrs: { axis: 0, keepDims: true, selectLast: false },
    infer: ({ x }, { axis, keepDims }) => [
      { dtype: "int64", shape: reducedShape(x.shape, [axisOf(name, axis, x.shape.length)], keepDims) },
    ],
    compute: ({ out, temp }, { x }, { axis: given, keepDims, selectLast }) => {
      const axis = axisOf(name, given, x.dims.length);
      const extreme = temp("extreme", x.dtype, out.dims);
      const position: DType = "int64";
      const pick: ReduceOp = selectLast ? "max" : "min";
      const none = selectLast ? -1 : (x.dims[axis] ?? 1);
      return [
        reduceNest(extreme, x, [axis], keepDims, { combine }),
        reduction(
          "reduce",
          out,
          ({ p, r, read }) => {
            const at = a.fromIndex(r[0] ?? int(0), position);
            return a.select(
              a.eq(read(x, fullIndex(x.dims.length, [axis], keepDims, p, r)), read(extreme, p)),
              at,
              a.constantLike(at, none),
            );
          },
          { extents: [x.dims[axis] ?? 1], combine: pick, init: neutral(pick, position) },
        ),
      ];
    },
  });
}

export const argMax: Op = argExtreme("argMax", "max");
export const argMin: Op = argExtreme("argMin", "min");

/** The parts of softmax that it shares with its logarithm: dims with the axis reduced to 1, and the maximum along it. */
function alongAxis(
  name: string,
  x: Operand,
  given: number,
): { readonly axis: number; readonly dims: readonly number[]; readonly full: (p: readonly Expr[], r: readonly Expr[]) => readonly Expr[] } {
  const axis = axisOf(name, given, x.dims.length);
  return { axis, dims: x.dims.map((d, i) => (i === axis ? 1 : d)), full: (p, r) => fullIndex(x.dims.length, [axis], true, p, r) };
}

/** e^(x - max) / Σ e^(x - max): the exponentials are computed once, in the result, and then scaled. */
export const softmax: Op = defineOp({
  name: "softmax",
  inputs: { x: "float" },
  attrs: { axis: -1 },
  infer: ({ x }) => [{ dtype: x.dtype, shape: x.shape }],
  compute: ({ out, temp }, { x }, attrs) => {
    const { axis, dims } = alongAxis("softmax", x, attrs.axis);
    const top = temp("max", x.dtype, dims);
    const sum = temp("sum", x.dtype, dims);
    return [
      reduceNest(top, x, [axis], true, { combine: "max" }),
      map(out, [x, top], (v, t) => a.exp(a.sub(v, t))),
      reduceNest(sum, out, [axis], true, { combine: "add" }),
      map(out, [out, sum], a.div),
    ];
  },
});

export const logSoftmax: Op = defineOp({
  name: "logSoftmax",
  inputs: { x: "float" },
  attrs: { axis: -1 },
  infer: ({ x }) => [{ dtype: x.dtype, shape: x.shape }],
  compute: ({ out, temp }, { x }, attrs) => {
    const { axis, dims, full } = alongAxis("logSoftmax", x, attrs.axis);
    const top = temp("max", x.dtype, dims);
    const sum = temp("sum", x.dtype, dims);
    return [
      reduceNest(top, x, [axis], true, { combine: "max" }),
      reduction("reduce", sum, ({ p, r, read }) => a.exp(a.sub(read(x, full(p, r)), read(top, broadcastIndex(top, p)))), {
        extents: [x.dims[axis] ?? 1],
        combine: "add",
        init: neutral("add", x.dtype),
      }),
      map(out, [x, top, sum], (v, t, total) => a.sub(a.sub(v, t), a.log(total))),
    ];
  },
});
