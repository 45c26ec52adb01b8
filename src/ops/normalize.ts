/** Rows normalised by their own statistics (ONNX operator specification: LayerNormalization, RMSNormalization). */
import { dimEquals } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import { int } from "../loop/expr.ts";
import type { Nest, Operand, Read } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { axisOf, defineOp, misfit, sameAs, type Known, type Op } from "./define.ts";
import { broadcastIndex, neutral, reduction } from "./nests.ts";

/** Rows of x run along the axes from `axis` on. */
interface Rows {
  readonly x: Operand;
  readonly axis: number;
}

/** The sum over each row of what `each` makes of an element at row p. */
function overRows(result: Operand, { x, axis }: Rows, each: (v: Expr, statistic: (o: Operand) => Expr) => Expr, finish: Finish): Nest {
  const extents = x.dims.slice(axis);
  return reduction("reduce", result, ({ p, r, read }) => each(read(x, [...p.slice(0, axis), ...r]), (o) => read(o, p)), {
    extents,
    combine: "add",
    init: neutral("add", x.dtype),
    finish: (acc) => finish(a.div(acc, elementCount(extents))),
  });
}

type Finish = (mean: Expr) => Expr;

/** y = normalised · scale + bias; scale and bias are broadcast to x. */
function scaled(y: Expr, p: readonly Expr[], read: Read, scale: Operand | undefined, bias: Operand | undefined): Expr {
  const at = (o: Operand): Expr => read(o, broadcastIndex(o, p));
  const product = scale ? a.mul(y, at(scale)) : y;
  return bias ? a.add(product, at(bias)) : product;
}

const statisticIndex = (p: readonly Expr[], axis: number): readonly Expr[] => p.map((e, i) => (i < axis ? e : int(0)));

function inferRows(op: string, x: Known, others: readonly (Known | undefined)[], axis: number): ReturnType<typeof sameAs> {
  axisOf(op, axis, x.shape.length);
  for (const o of others) {
    const shape = o ? broadcastShapes(op, [x, o]) : x.shape;
    if (shape.length !== x.shape.length || !shape.every((d, i) => dimEquals(d, x.shape[i] ?? 1)))
      throw misfit(op, "scale and bias must be of the size of a row", [x, ...others]);
  }
  return sameAs(x);
}

const inverseRoot =
  (epsilon: number): Finish =>
  (mean) =>
    a.div(1, a.sqrt(a.add(mean, epsilon)));

/** (x − mean) / √(variance + epsilon) · scale + bias, mean and variance over the axes from `axis` on (Ba, Kiros, Hinton, 2016). */
export const layerNorm: Op = defineOp({
  name: "layerNorm",
  inputs: { x: "float", scale: "float?", bias: "float?" },
  attrs: { axis: -1, epsilon: 1e-5 },
  infer: ({ x, scale, bias }, { axis }) => [inferRows("layerNorm", x, [scale, bias], axis)],
  compute: ({ out, temp }, { x, scale, bias }, { axis: given, epsilon }) => {
    const axis = axisOf("layerNorm", given, x.dims.length);
    const dims = x.dims.map((d, i) => (i < axis ? d : 1));
    const [mean, inverse] = [temp("mean", x.dtype, dims), temp("inverse", x.dtype, dims)];
    const centred = (v: Expr, m: Expr): Expr => a.sub(v, m);
    return [
      overRows(
        mean,
        { x, axis },
        (v) => v,
        (m) => m,
      ),
      overRows(
        inverse,
        { x, axis },
        (v, statistic) => a.mul(centred(v, statistic(mean)), centred(v, statistic(mean))),
        inverseRoot(epsilon),
      ),
      {
        kind: "map",
        result: out,
        body: ({ p, read }) => {
          const [m, i] = [read(mean, statisticIndex(p, axis)), read(inverse, statisticIndex(p, axis))];
          return scaled(a.mul(centred(read(x, p), m), i), p, read, scale, bias);
        },
      },
    ];
  },
});

/** x / √(mean of x² + epsilon) · scale, the mean over the axes from `axis` on (Zhang, Sennrich, 2019). */
export const rmsNorm: Op = defineOp({
  name: "rmsNorm",
  inputs: { x: "float", scale: "float?" },
  attrs: { axis: -1, epsilon: 1e-5 },
  infer: ({ x, scale }, { axis }) => [inferRows("rmsNorm", x, [scale], axis)],
  compute: ({ out, temp }, { x, scale }, { axis: given, epsilon }) => {
    const axis = axisOf("rmsNorm", given, x.dims.length);
    const dims = x.dims.map((d, i) => (i < axis ? d : 1));
    const inverse = temp("inverse", x.dtype, dims);
    return [
      overRows(inverse, { x, axis }, (v) => a.mul(v, v), inverseRoot(epsilon)),
      {
        kind: "map",
        result: out,
        body: ({ p, read }) => scaled(a.mul(read(x, p), read(inverse, statisticIndex(p, axis))), p, read, scale, undefined),
      },
    ];
  },
});
