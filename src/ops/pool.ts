/** The rarer windows (ONNX operator specification: LpPool, MaxPool's positions, LRN). */
import { add, constant, int, mul } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { poolAttrs, poolShape, windowIndex, windowOf } from "./conv.ts";
import { defineOp, sameAs, type Op } from "./define.ts";
import { neutral, reduction } from "./nests.ts";

/** |x|^p, its commonest powers spelled out. */
export function power(x: Expr, p: number): Expr {
  const size = a.abs(x);
  if (p === 1) return size;
  return p === 2 ? a.mul(x, x) : a.pow(size, p);
}

/** The p-th root of a sum. */
export function root(x: Expr, p: number): Expr {
  if (p === 1) return x;
  return p === 2 ? a.sqrt(x) : a.pow(x, 1 / p);
}

/** (Σ |x|^p)^(1/p) over each window. */
export const lpPool: Op = defineOp({
  name: "lpPool",
  inputs: { x: "float" },
  attrs: { ...poolAttrs, p: 2 },
  infer: ({ x }, attrs) => [{ dtype: x.dtype, shape: poolShape("lpPool", { ...x, dtype: "float32" }, attrs) }],
  compute: ({ out }, { x }, attrs) => {
    const window = windowOf(attrs.kernel.length, attrs);
    const zero = constant(0, x.dtype);
    return reduction(
      "window",
      out,
      ({ p: [n = int(0), c = int(0), ...o], r, read }) => power(read(x, [n, c, ...windowIndex(o, r, window)], zero), attrs.p),
      { extents: attrs.kernel, combine: "add", init: zero, finish: (acc) => root(acc, attrs.p) },
    );
  },
});

/** (Σ |x|^p)^(1/p) over the given axes, which stay as ones. */
export const reduceLp: Op = defineOp({
  name: "reduceLp",
  inputs: { x: "float" },
  attrs: { axes: [] as number[], p: 2 },
  infer: ({ x }, { axes }) => [
    sameAs(
      x,
      x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
    ),
  ],
  compute: ({ out }, { x }, { axes, p: exponent }) =>
    reduction(
      "reduce",
      out,
      ({ p, r, read }) =>
        power(
          read(
            x,
            p.map((i, axis) => r[axes.indexOf(axis)] ?? i),
          ),
          exponent,
        ),
      {
        extents: axes.map((axis) => x.dims[axis] ?? 1),
        combine: "add",
        init: constant(0, x.dtype),
        finish: (acc) => root(acc, exponent),
      },
    ),
});

/** Where in its plane, or over the whole tensor as ONNX counts, the first maximum of each window lies; column-major on request. */
export const maxPoolPositions: Op = defineOp({
  name: "maxPoolPositions",
  inputs: { x: "number", top: "number" },
  attrs: { ...poolAttrs, columnMajor: false },
  infer: ({ top }) => [{ dtype: "int64", shape: top.shape }],
  compute: ({ out }, { x, top }, attrs) => {
    const window = windowOf(attrs.kernel.length, attrs);
    const order = x.dims.slice(2).map((_, i) => i);
    if (attrs.columnMajor) order.reverse();
    const none = neutral("min", "int64");
    return reduction(
      "window",
      out,
      ({ p: [n = int(0), c = int(0), ...o], r, read }) => {
        const at = windowIndex(o, r, window);
        const plane = add(mul(n, int(x.dims[1] ?? 1)), c);
        const flat = order.reduce<Expr>((sum, axis) => add(mul(sum, int(x.dims[axis + 2] ?? 1)), at[axis] ?? int(0)), plane);
        const value = read(x, [n, c, ...at], neutral("max", x.dtype));
        return a.select(a.eq(value, read(top, [n, c, ...o])), a.fromIndex(flat, "int64"), none);
      },
      { extents: attrs.kernel, combine: "min", init: none },
    );
  },
});

/** x / (bias + alpha / size · Σ x² over `size` neighbouring channels)^beta (Krizhevsky 2012, section 3.3). */
export const lrn: Op = defineOp({
  name: "lrn",
  inputs: { x: "float" },
  attrs: { size: 1, alpha: 1e-4, beta: 0.75, bias: 1 },
  infer: ({ x }) => [sameAs(x)],
  compute: ({ out }, { x }, { size, alpha, beta, bias }) => {
    const before = Math.floor((size - 1) / 2);
    return reduction(
      "reduce",
      out,
      ({ p: [n = int(0), c = int(0), ...rest], r: [k = int(0)], read }) => {
        const v = read(x, [n, add(add(c, k), int(-before)), ...rest], constant(0, x.dtype));
        return a.mul(v, v);
      },
      {
        extents: [size],
        combine: "add",
        init: constant(0, x.dtype),
        finish: (acc, { p, read }) => a.div(read(x, p), a.pow(a.add(a.mul(acc, alpha / size), bias), beta)),
      },
    );
  },
});
