/** Matrix products (ONNX operator specification: Gemm, MatMul). */
import { dimEquals, type Dim, type Shape } from "../tensor/dim.ts";
import type { ValueType } from "../ir/graph.ts";
import { constant, int } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { broadcastIndex, reduction } from "./nests.ts";

/** alpha · A'·B' + beta · C, where A' is A or its transpose. */
export const gemm: Op = defineOp({
  name: "gemm",
  inputs: { a: "float", b: "float", c: "float?" },
  attrs: { alpha: 1, beta: 1, transA: false, transB: false },
  traits: { alike: ["a", "b", "c"] },
  infer: ({ a: x, b: y, c }, { transA, transB }) => {
    if (x.shape.length !== 2 || y.shape.length !== 2) throw misfit("gemm", "A and B are matrices", [x, y, c]);
    const at = (shape: readonly Dim[], i: number, t: boolean): Dim => shape[t ? 1 - i : i] ?? 1;
    if (!dimEquals(at(x.shape, 1, transA), at(y.shape, 0, transB)) && typeof at(x.shape, 1, transA) === "number")
      throw misfit("gemm", "the inner dimensions differ", [x, y, c]);
    return [{ dtype: x.dtype, shape: [at(x.shape, 0, transA), at(y.shape, 1, transB)] }];
  },
  compute: ({ out }, { a: x, b: y, c }, { alpha, beta, transA, transB }) => {
    const inner = x.dims[transA ? 0 : 1] ?? 1;
    const pair = (i: Expr, k: Expr, t: boolean): Expr[] => (t ? [k, i] : [i, k]);
    return reduction(
      "contraction",
      out,
      ({ p: [m = int(0), n = int(0)], r: [k = int(0)], read }) => a.mul(read(x, pair(m, k, transA)), read(y, pair(k, n, transB))),
      {
        extents: [inner],
        combine: "add",
        init: constant(0, x.dtype),
        finish: (acc, { p, read }) => {
          const product = alpha === 1 ? acc : a.mul(acc, alpha);
          if (!c) return product;
          const added = read(c, broadcastIndex(c, p));
          return a.add(product, beta === 1 ? added : a.mul(added, beta));
        },
      },
    );
  },
});

function matMulShape(x: ValueType, y: ValueType): Shape {
  if (x.shape.length === 0 || y.shape.length === 0) throw misfit("matMul", "operands are at least vectors", [x, y]);
  const left: Shape = x.shape.length === 1 ? [1, ...x.shape] : x.shape;
  const right: Shape = y.shape.length === 1 ? [...y.shape, 1] : y.shape;
  const inner = [left.at(-1), right.at(-2)].filter((d) => typeof d === "number");
  if (inner.length === 2 && inner[0] !== inner[1]) throw misfit("matMul", "the inner dimensions differ", [x, y]);
  const batchOf = (shape: Shape): ValueType => ({ dtype: x.dtype, shape: shape.slice(0, -2) });
  const rows = x.shape.length === 1 ? [] : left.slice(-2, -1);
  const columns = y.shape.length === 1 ? [] : right.slice(-1);
  return [...broadcastShapes("matMul", [batchOf(left), batchOf(right)]), ...rows, ...columns];
}

/** Batched matrix product by numpy's rule: vectors gain an axis, batch axes broadcast. */
export const matMul: Op = defineOp({
  name: "matMul",
  inputs: { a: "number", b: "number" },
  attrs: {},
  traits: { alike: ["a", "b"] },
  infer: ({ a: x, b: y }) => [{ dtype: x.dtype, shape: matMulShape(x, y) }],
  compute: ({ out }, { a: x, b: y }) => {
    const vectorA = x.dims.length === 1;
    const vectorB = y.dims.length === 1;
    const batchRank = out.dims.length - (vectorA ? 0 : 1) - (vectorB ? 0 : 1);
    return reduction(
      "contraction",
      out,
      ({ p, r: [k = int(0)], read }) => {
        const batch = p.slice(0, batchRank);
        const m = vectorA ? [] : [p[batchRank] ?? int(0)];
        const n = vectorB ? [] : [p.at(-1) ?? int(0)];
        const outer = (dims: readonly number[]): readonly Expr[] =>
          broadcastIndex({ name: "", dtype: x.dtype, dims: dims.slice(0, -2) }, batch);
        return a.mul(read(x, [...(vectorA ? [] : outer(x.dims)), ...m, k]), read(y, [...(vectorB ? [] : outer(y.dims)), k, ...n]));
      },
      { extents: [x.dims.at(-1) ?? 1], combine: "add", init: constant(0, x.dtype) },
    );
  },
});
