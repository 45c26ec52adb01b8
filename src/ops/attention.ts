/** Scaled dot-product attention (Vaswani and others, 2017). */
import type { Dim, Shape } from "../tensor/dim.ts";
import { dimEquals } from "../tensor/dim.ts";
import { constant, int } from "../loop/expr.ts";
import type { Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { defineOp, misfit, type Known, type Op } from "./define.ts";
import { broadcastIndex, gather, neutral, reduction } from "./nests.ts";

const batchOf = (x: Known): Known => ({ dtype: x.dtype, shape: x.shape.slice(0, -2) });
const fits = (x: Dim | undefined, y: Dim | undefined): boolean =>
  x !== undefined && y !== undefined && (dimEquals(x, y) || typeof x !== "number" || typeof y !== "number");

/** Checks the operands; gives the shape of the scores, [batch…, queries, keys]. */
function scoresShape(q: Known, k: Known, v: Known, mask: Known | undefined): Shape {
  const all = [q, k, v, mask];
  const rank = q.shape.length;
  if (rank < 2 || k.shape.length !== rank || v.shape.length !== rank)
    throw misfit("attention", "q, k and v have one rank, of at least 2", all);
  if (!fits(q.shape.at(-1), k.shape.at(-1))) throw misfit("attention", "q and k have rows of one size", all);
  if (!fits(k.shape.at(-2), v.shape.at(-2))) throw misfit("attention", "there is a value for each key", all);
  const shape: Shape = [...broadcastShapes("attention", [q, k, v].map(batchOf)), q.shape.at(-2) ?? 1, k.shape.at(-2) ?? 1];
  const masked = mask ? broadcastShapes("attention", [{ dtype: q.dtype, shape }, mask]) : shape;
  if (masked.length !== rank || !masked.every((d, i) => fits(d, shape[i])))
    throw misfit("attention", "the mask has more than the scores", all);
  return shape;
}

/** Below every score that is a number: e to the power of -∞ less this is 0. */
const LOWEST = -3e38;

/** The index into an operand whose last two axes are given; the batch axes broadcast. */
const indexOf = (x: Operand, p: readonly Expr[], row: Expr, column: Expr): readonly Expr[] => [
  ...broadcastIndex({ ...x, dims: x.dims.slice(0, -2) }, p.slice(0, -2)),
  row,
  column,
];

/**
 * softmax(q·kᵀ·scale + mask)·v with q [batch…, queries, size], k [batch…, keys, size], v [batch…, keys, values]; the mask is broadcast
 * to [batch…, queries, keys]. The sums of e^score divide the result rather than every share. With `emptyRows` queries that may look at
 * nothing, as all their scores are -∞, give zeros rather than no numbers.
 */
export const attention: Op = defineOp({
  name: "attention",
  inputs: { q: "float", k: "float", v: "float", mask: "float?" },
  attrs: { scale: 1, emptyRows: false },
  traits: { alike: ["q", "k", "v", "mask"] },
  infer: ({ q, k, v, mask }) => [{ dtype: q.dtype, shape: [...scoresShape(q, k, v, mask).slice(0, -1), v.shape.at(-1) ?? 1] }],
  compute: ({ out, temp }, { q, k, v, mask }, { scale, emptyRows }) => {
    const { dtype } = q;
    const [size = 1, keys = 1] = [q.dims.at(-1), k.dims.at(-2)];
    const rows = out.dims.slice(0, -1);
    const turned = temp("turned", dtype, [...out.dims.slice(0, -2), size, keys]);
    const shares = temp("shares", dtype, [...rows, keys]);
    const [top, sum] = [temp("max", dtype, [...rows, 1]), temp("sum", dtype, [...rows, 1])];
    const row = (p: readonly Expr[]): Expr => p.at(-2) ?? int(0);
    const column = (p: readonly Expr[]): Expr => p.at(-1) ?? int(0);
    const ofRow = (p: readonly Expr[]): readonly Expr[] => [...p.slice(0, -1), int(0)];
    const along = (result: Operand, combine: "max" | "add") =>
      reduction("reduce", result, ({ p, r: [i = int(0)], read }) => read(shares, [...p.slice(0, -1), i]), {
        extents: [keys],
        combine,
        init: neutral(combine, dtype),
      });
    // The sum is at least 1 where the row has a largest score.
    const peak = (x: Expr): Expr => (emptyRows ? a.max(x, LOWEST) : x);
    const total = (x: Expr): Expr => (emptyRows ? a.max(x, 1) : x);
    return [
      gather(turned, ({ p, read }) => read(k, indexOf(k, p, column(p), row(p)))),
      reduction(
        "contraction",
        shares,
        ({ p, r: [i = int(0)], read }) => a.mul(read(q, indexOf(q, p, row(p), i)), read(turned, [...p.slice(0, -2), i, column(p)])),
        {
          extents: [size],
          combine: "add",
          init: constant(0, dtype),
          finish: (acc, { p, read }) => {
            const score = scale === 1 ? acc : a.mul(acc, scale);
            return mask ? a.add(score, read(mask, broadcastIndex(mask, p))) : score;
          },
        },
      ),
      along(top, "max"),
      { kind: "map", result: shares, body: ({ p, read }) => a.exp(a.sub(read(shares, p), peak(read(top, ofRow(p))))) },
      along(sum, "add"),
      reduction(
        "contraction",
        out,
        ({ p, r: [i = int(0)], read }) => a.mul(read(shares, [...p.slice(0, -1), i]), read(v, indexOf(v, p, i, column(p)))),
        {
          extents: [keys],
          combine: "add",
          init: constant(0, dtype),
          finish: (acc, { p, read }) => a.div(acc, total(read(sum, ofRow(p)))),
        },
      ),
    ];
  },
});
