/** Ops that pick or place single elements (ONNX operator specification: GatherElements, GatherND, ScatterElements, …). */
import { elementCount } from "../tensor/tensor.ts";
import type { Dim } from "../tensor/dim.ts";
import { add, binary, compare, constant, int, mul, sub } from "../loop/expr.ts";
import type { Nest, Operand, Read } from "../loop/nest.ts";
import type { Expr, ReduceOp } from "../loop/types.ts";
import * as a from "./arith.ts";
import { axisOf, constantInts, defineOp, misfit, sameAs, type Computed, type Op } from "./define.ts";
import { gather, neutral, reduction } from "./nests.ts";

/** Indices that count from the end wrap; those out of range are clamped, so that no data can make a kernel read outside. */
export function safeIndex(i: Expr, size: number): Expr {
  const at = a.cast(i, "index");
  const wrapped = a.select(a.lt(at, int(0)), add(at, int(size)), at);
  return binary("min", binary("max", wrapped, int(0)), int(size - 1));
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

const REDUCTIONS: Readonly<Record<string, { readonly combine: ReduceOp; readonly join: (x: Expr, y: Expr) => Expr }>> = {
  add: { combine: "add", join: a.add },
  mul: { combine: "mul", join: a.mul },
  min: { combine: "min", join: a.min },
  max: { combine: "max", join: a.max },
};

interface Scatter {
  readonly out: Operand;
  readonly x: Operand;
  readonly position: Operand;
  readonly how: string;
  /** Extents of the updates that may meet one element of the result. */
  readonly extents: readonly number[];
  /** Whether update r goes to element p. */
  readonly hits: (p: readonly Expr[], r: readonly Expr[], read: Read) => Expr;
  readonly update: (p: readonly Expr[], r: readonly Expr[], read: Read) => Expr;
}

/**
 * Every element of the result looks for its updates: the last one wins, or all are combined. Slower than walking over the
 * updates by the length of an axis, and the same on every target whatever runs in parallel.
 */
function scatterNests(s: Scatter): readonly Nest[] {
  const { out, x, position, extents, hits, update } = s;
  const found = REDUCTIONS[s.how];
  if (found) {
    const rest = neutral(found.combine, out.dtype);
    return [
      reduction("reduce", out, ({ p, r, read }) => a.select(hits(p, r, read), update(p, r, read), rest), {
        extents,
        combine: found.combine,
        init: rest,
        finish: (acc, { p, read }) => found.join(read(x, p), acc),
      }),
    ];
  }
  const flat = (r: readonly Expr[]): Expr => r.reduce<Expr>((sum, i, k) => add(mul(sum, int(extents[k] ?? 1)), i), int(0));
  const unflat = (at: Expr): Expr[] => {
    const index: Expr[] = [];
    let rest = at;
    for (let k = extents.length - 1; k >= 0; k--) {
      index.unshift(k === 0 ? rest : binary("mod", rest, int(extents[k] ?? 1)));
      rest = binary("div", rest, int(extents[k] ?? 1));
    }
    return index;
  };
  const none = constant(-1, "int32");
  return [
    reduction("reduce", position, ({ p, r, read }) => a.select(hits(p, r, read), a.cast(flat(r), "int32"), none), {
      extents,
      combine: "max",
      init: none,
    }),
    gather(out, ({ p, read }) => {
      const at = read(position, p);
      const last = a.cast(a.max(at, 0), "index");
      return a.select(a.ge(at, 0), update(p, unflat(last), read), read(x, p));
    }),
  ];
}

/** A raw index, counted from the front. */
function wrapped(i: Expr, size: number): Expr {
  const at = a.cast(i, "index");
  return a.select(a.lt(at, int(0)), add(at, int(size)), at);
}

/** x with out[indices[i][j]][j] = updates[i][j] for axis 0, or combined with what is there. */
export const scatterElements: Op = defineOp({
  name: "scatterElements",
  inputs: { x: "any", indices: "integer", updates: "any" },
  attrs: { axis: 0, reduction: "none" },
  traits: { alike: ["x", "updates"] },
  infer: ({ x, indices, updates }, { axis }) => {
    axisOf("scatterElements", axis, x.shape.length);
    if (x.shape.length !== indices.shape.length || indices.shape.length !== updates.shape.length)
      throw misfit("scatterElements", "ranks differ", [x, indices, updates]);
    return [sameAs(x)];
  },
  compute: ({ out, temp }, { x, indices, updates }, { axis: given, reduction: how }) => {
    const axis = axisOf("scatterElements", given, x.dims.length);
    const size = x.dims[axis] ?? 1;
    const at = (p: readonly Expr[], r: readonly Expr[]): readonly Expr[] => p.map((i, k) => (k === axis ? (r[0] ?? int(0)) : i));
    if (elementCount(indices.dims) === 0) return [gather(out, ({ p, read }) => read(x, p))];
    return scatterNests({
      out,
      x,
      position: temp("position", "int32", out.dims),
      how,
      extents: [indices.dims[axis] ?? 1],
      // outside of the indices, in the axes along which they are shorter than x, nothing is hit
      hits: (p, r, read) => compare("eq", wrapped(read(indices, at(p, r), constant(-2 * size, indices.dtype)), size), p[axis] ?? int(0)),
      update: (p, r, read) => read(updates, at(p, r), constant(0, updates.dtype)),
    });
  },
});

/** x with out[indices[i…, :]] = updates[i…], or combined with what is there. */
export const scatterND: Op = defineOp({
  name: "scatterND",
  inputs: { x: "any", indices: "integer", updates: "any" },
  attrs: { reduction: "none" },
  traits: { alike: ["x", "updates"] },
  infer: ({ x, indices, updates }) => {
    const depth = indices.shape.at(-1);
    if (typeof depth !== "number" || depth > x.shape.length)
      throw misfit("scatterND", "the last dimension of indices does not fit", [x, indices, updates]);
    return [sameAs(x)];
  },
  compute: ({ out, temp }, { x, indices, updates }, { reduction: how }) => {
    const depth = indices.dims.at(-1) ?? 0;
    const extents = indices.dims.slice(0, -1);
    if (elementCount(indices.dims) === 0) return [gather(out, ({ p, read }) => read(x, p))];
    return scatterNests({
      out,
      x,
      position: temp("position", "int32", out.dims),
      how,
      extents,
      hits: (p, r, read) =>
        Array.from({ length: depth }, (_, k) =>
          compare("eq", wrapped(read(indices, [...r, int(k)]), x.dims[k] ?? 1), p[k] ?? int(0)),
        ).reduce((all, one) => a.and(all, one)),
      update: (p, r, read) => read(updates, [...r, ...p.slice(depth)]),
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

/** Whether element i comes before j: it is larger (smaller), or equal and first. */
function before(x: Expr, i: Expr, y: Expr, j: Expr, largest: boolean): Expr {
  const better = largest ? a.gt(x, y) : a.lt(x, y);
  return a.or(better, a.and(a.eq(x, y), compare("lt", i, j)));
}

/**
 * The k largest or smallest elements along an axis, in order, and their positions as int64. Each element's rank is how many come
 * before it; a result is the element whose rank is its place: n² + k·n comparisons a row, which suits the hundreds of
 * candidates of a detector.
 */
export const topK: Op = defineOp({
  name: "topK",
  inputs: { x: "number", k: "integer" },
  attrs: { axis: -1, largest: true },
  infer: ({ x, k }, { axis: given }) => {
    const axis = axisOf("topK", given, x.shape.length);
    const [count = 0] = constantInts("topK", "k", k);
    const size = x.shape[axis] ?? 1;
    if (count < 0 || (typeof size === "number" && count > size)) throw misfit("topK", `there are not ${count} elements`, [x]);
    const shape = x.shape.map((d, i): Dim => (i === axis ? count : d));
    return [
      { dtype: x.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  compute: ({ outputs, temp }, { x }, { axis: given, largest }) => {
    const axis = axisOf("topK", given, x.dims.length);
    const size = x.dims[axis] ?? 1;
    const rank = temp("rank", "int32", x.dims);
    const along = (p: readonly Expr[], i: Expr): readonly Expr[] => p.map((e, at) => (at === axis ? i : e));
    const zero = constant(0, "int32");
    const ranks = reduction(
      "reduce",
      rank,
      ({ p, r: [i = int(0)], read }) => {
        const own = p[axis] ?? int(0);
        return a.select(before(read(x, along(p, i)), i, read(x, p), own, largest), constant(1, "int32"), zero);
      },
      { extents: [size], combine: "add", init: zero },
    );
    const pick = (out: Operand, value: (p: readonly Expr[], i: Expr, read: Read) => Expr): Nest => {
      const none = neutral("max", out.dtype);
      return reduction(
        "reduce",
        out,
        ({ p, r: [i = int(0)], read }) =>
          a.select(compare("eq", a.cast(read(rank, along(p, i)), "index"), p[axis] ?? int(0)), value(p, i, read), none),
        { extents: [size], combine: "max", init: none },
      );
    };
    const [values, positions] = outputs;
    return [
      ranks,
      ...(values ? [pick(values, (p, i, read) => read(x, along(p, i)))] : []),
      ...(positions ? [pick(positions, (_, i) => a.fromIndex(i, "int64"))] : []),
    ];
  },
});

/** Puts x's elements where the flat positions say, zero elsewhere: the inverse of max pooling. */
export const maxUnpool: Op = defineOp({
  name: "maxUnpool",
  inputs: { x: "number", positions: "integer" },
  attrs: { spatial: [] as number[] },
  infer: ({ x }, { spatial }) => [sameAs(x, [...x.shape.slice(0, 2), ...spatial])],
  compute: ({ out }, { x, positions }: { x: Computed; positions: Computed }) =>
    reduction(
      "reduce",
      out,
      ({ p, r, read }) => {
        const index = [...p.slice(0, 2), ...r];
        const flat = p.reduce<Expr>((sum, i, axis) => add(mul(sum, int(out.dims[axis] ?? 1)), i), int(0));
        const hit = compare("eq", a.cast(read(positions, index), "index"), flat);
        return a.select(hit, read(x, index), constant(0, x.dtype));
      },
      { extents: x.dims.slice(2), combine: "add", init: constant(0, x.dtype) },
    ),
});
