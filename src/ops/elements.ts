/** Ops that pick single elements (ONNX operator specification: GatherElements, GatherND, Trilu, ReverseSequence). */
import { binary, compare, constant, int, sub } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { axisOf, defineOp, misfit, sameAs, type Op } from "./define.ts";
import { gather } from "./nests.ts";

/** Indices that count from the end wrap; those out of range are clamped, so that no data can make a kernel read outside. */
export function safeIndex(i: Expr, size: number): Expr {
  const at = a.cast(i, "index");
  const wrapped = a.select(a.lt(at, int(0)), a.add(at, int(size)), at);
  return a.min(a.max(wrapped, int(0)), int(size - 1));
}

/** out[i][j] = x[indices[i][j]][j] for axis 0. */
export const gatherElements: Op = defineOp({
  name: "gatherElements",
  inputs: { x: "any", indices: "integer" },
  attrs: { axis: 0 },
  infer: ({ x, indices }, { axis }) => {
    axisOf("gatherElements", axis, x.shape.length);
    if (x.shape.length !== indices.shape.length) throw misfit("gatherElements", "ranks differ", [x, indices]);
    return [sameAs(x, indices.shape)];
  },
  compute: ({ out }, { x, indices }, { axis: given }) => {
    const axis = axisOf("gatherElements", given, x.dims.length);
    return gather(out, ({ p, read }) =>
      read(
        x,
        p.map((i, at) => (at === axis ? safeIndex(read(indices, p), x.dims[axis] ?? 1) : i)),
      ),
    );
  },
});

/** out[b…, i…] = x[b…, indices[b…, i…, :]] */
export const gatherND: Op = defineOp({
  name: "gatherND",
  inputs: { x: "any", indices: "integer" },
  attrs: { batchDims: 0 },
  infer: ({ x, indices }, { batchDims }) => {
    const depth = indices.shape.at(-1);
    if (typeof depth !== "number" || depth + batchDims > x.shape.length)
      throw misfit("gatherND", "the last dimension of indices does not fit", [x, indices]);
    return [sameAs(x, [...indices.shape.slice(0, -1), ...x.shape.slice(batchDims + depth)])];
  },
  compute: ({ out }, { x, indices }, { batchDims }) => {
    const depth = indices.dims.at(-1) ?? 0;
    const outer = indices.dims.length - 1;
    return gather(out, ({ p, read }) => {
      const picked = Array.from({ length: depth }, (_, k) =>
        safeIndex(read(indices, [...p.slice(0, outer), int(k)]), x.dims[batchDims + k] ?? 1),
      );
      return read(x, [...p.slice(0, batchDims), ...picked, ...p.slice(outer)]);
    });
  },
});

/** The upper or lower triangle of matrices, zero elsewhere; k moves the diagonal up. */
export const trilu: Op = defineOp({
  name: "trilu",
  inputs: { x: "any", k: "integer?" },
  attrs: { upper: true },
  infer: ({ x }) => {
    if (x.shape.length < 2) throw misfit("trilu", "x needs at least two axes", [x]);
    return [sameAs(x)];
  },
  compute: ({ out }, { x, k }, { upper }) =>
    gather(out, ({ p, read }) => {
      const by: Expr = k
        ? a.cast(
            read(
              k,
              k.dims.map(() => int(0)),
            ),
            "index",
          )
        : int(0);
      const distance = sub(p.at(-1) ?? int(0), p.at(-2) ?? int(0));
      return a.select(compare(upper ? "ge" : "le", distance, by), read(x, p), constant(0, x.dtype));
    }),
});

/** Reverses the first lengths[b] elements along the time axis for every b. */
export const reverseSequence: Op = defineOp({
  name: "reverseSequence",
  inputs: { x: "any", lengths: "integer" },
  attrs: { batchAxis: 1, timeAxis: 0 },
  infer: ({ x }) => [sameAs(x)],
  compute: ({ out }, { x, lengths }, { batchAxis, timeAxis }) =>
    gather(out, ({ p, read }) => {
      const size = x.dims[timeAxis] ?? 1;
      const length = binary("min", a.cast(read(lengths, [p[batchAxis] ?? int(0)]), "index"), int(size));
      const t = p[timeAxis] ?? int(0);
      const back = a.select(compare("lt", t, length), sub(sub(length, t), int(1)), t);
      return read(
        x,
        p.map((i, axis) => (axis === timeAxis ? binary("max", back, int(0)) : i)),
      );
    }),
});
