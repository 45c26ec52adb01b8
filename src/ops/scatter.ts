/** Ops that place elements where data says (ONNX operator specification: ScatterElements, ScatterND, MaxUnpool, TensorScatter). */
import { compare, constant, int } from "../loop/expr.ts";
import type { AnyNest, Operand, Read } from "../loop/nest.ts";
import { ifThen, letVar } from "../loop/stmt.ts";
import { indexVar } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import type { Shape } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import * as a from "./arith.ts";
import { windowIndex, windowOf, type Window } from "./conv.ts";
import { axisOf, defineOp, misfit, sameAs, type Op } from "./define.ts";
import { flatIndex, gather, loops, unflatten, wrapped } from "./nests.ts";

/** How an update meets what is there. */
const JOINS: Readonly<Record<string, (x: Expr, y: Expr) => Expr>> = {
  none: (_, y) => y,
  add: a.add,
  mul: a.mul,
  min: a.min,
  max: a.max,
};

interface Scatter {
  readonly out: Operand;
  /** What the updates fall on. */
  readonly start: AnyNest;
  readonly extents: readonly number[];
  readonly join: (x: Expr, y: Expr) => Expr;
  /** Where update u goes; outside of the result it goes nowhere. */
  readonly target: (u: readonly Expr[], read: Read) => readonly Expr[];
  readonly update: (u: readonly Expr[], read: Read) => Expr;
}

/** The updates one after the other, so that of several for one element the last wins, and sums do not depend on the machine. */
function scatterNests(s: Scatter): readonly AnyNest[] {
  const { out, start, extents, join, target, update } = s;
  return [
    start,
    {
      kind: "serial",
      result: out,
      steps: elementCount(extents),
      statements: ({ read, write, name }) =>
        loops(extents, name, (u) => {
          const at = out.dims.map((_, i) => indexVar(name(`at${i}`)));
          const inside = at.flatMap((v, i) => [compare("ge", v, int(0)), compare("lt", v, int(out.dims[i] ?? 1))]);
          const all = inside.reduce((x, y) => a.and(x, y), constant(1, "bool"));
          return [
            ...target(u, read).map((e, i) => letVar(at[i] ?? indexVar(name("at")), e)),
            ifThen(all, [write(out, at, join(read(out, at), update(u, read)))]),
          ];
        }),
    },
  ];
}

const fits = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => typeof d !== "number" || typeof b[i] !== "number" || d === b[i]);

const copied = (out: Operand, x: Operand): AnyNest => gather(out, ({ p, read }) => read(x, p));

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
    if (indices.shape.some((d, i) => typeof d === "number" && typeof updates.shape[i] === "number" && updates.shape[i] < d))
      throw misfit("scatterElements", "there are fewer updates than indices", [x, indices, updates]);
    return [sameAs(x)];
  },
  compute: ({ out }, { x, indices, updates }, { axis: given, reduction: how }) => {
    const axis = axisOf("scatterElements", given, x.dims.length);
    return scatterNests({
      out,
      start: copied(out, x),
      join: joinOf("scatterElements", how),
      extents: indices.dims,
      target: (u, read) => u.map((i, k) => (k === axis ? wrapped(read(indices, u), x.dims[axis] ?? 1) : i)),
      update: (u, read) => read(updates, u),
    });
  },
});

function joinOf(op: string, how: string): (x: Expr, y: Expr) => Expr {
  const join = Object.hasOwn(JOINS, how) ? JOINS[how] : undefined;
  if (!join) throw misfit(op, `there is no reduction ${how}`, []);
  return join;
}

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
    if (!fits([...indices.shape.slice(0, -1), ...x.shape.slice(depth)], updates.shape))
      throw misfit("scatterND", "the updates do not fit the indices", [x, indices, updates]);
    return [sameAs(x)];
  },
  compute: ({ out }, { x, indices, updates }, { reduction: how }) => {
    const depth = indices.dims.at(-1) ?? 0;
    const outer = indices.dims.length - 1;
    return scatterNests({
      out,
      start: copied(out, x),
      join: joinOf("scatterND", how),
      extents: [...indices.dims.slice(0, -1), ...x.dims.slice(depth)],
      target: (u, read) => [
        ...Array.from({ length: depth }, (_, k) => wrapped(read(indices, [...u.slice(0, outer), int(k)]), x.dims[k] ?? 1)),
        ...u.slice(outer),
      ],
      update: (u, read) => read(updates, u),
    });
  },
});

/** Puts x's elements where the flat positions say, zero elsewhere: the inverse of max pooling. */
export const maxUnpool: Op = defineOp({
  name: "maxUnpool",
  inputs: { x: "number", positions: "integer" },
  attrs: { spatial: [] as number[] },
  infer: ({ x, positions }, { spatial }) => {
    if (spatial.length + 2 !== x.shape.length) throw misfit("maxUnpool", "the size does not fit x", [x]);
    if (!fits(x.shape, positions.shape)) throw misfit("maxUnpool", "the positions do not fit x", [x, positions]);
    return [sameAs(x, [...x.shape.slice(0, 2), ...spatial])];
  },
  compute: ({ out }, { x, positions }) =>
    scatterNests({
      out,
      start: gather(out, () => constant(0, x.dtype)),
      join: a.add,
      extents: x.dims,
      target: (u, read) => unflatten(a.cast(read(positions, u), "index"), out.dims),
      update: (u, read) => read(x, u),
    }),
});

/** A cache with new entries put in, for each batch entry from its own place on; a circular one goes on at its start. */
export const cacheUpdate: Op = defineOp({
  name: "cacheUpdate",
  inputs: { cache: "any", update: "any", at: "integer?" },
  attrs: { axis: -2, circular: false },
  traits: { alike: ["cache", "update"] },
  infer: ({ cache, update, at }, { axis }) => {
    axisOf("cacheUpdate", axis, cache.shape.length);
    if (at && !fits(at.shape, update.shape.slice(0, 1)))
      throw misfit("cacheUpdate", "there is not one place for each batch entry", [update, at]);
    if (cache.shape.length !== update.shape.length) throw misfit("cacheUpdate", "ranks differ", [cache, update]);
    return [sameAs(cache)];
  },
  compute: ({ out }, { cache, update, at }, { axis: given, circular }) => {
    const axis = axisOf("cacheUpdate", given, cache.dims.length);
    const size = cache.dims[axis] ?? 1;
    const place = (u: readonly Expr[], read: Read): Expr => {
      const from = at ? a.cast(read(at, [u[0] ?? int(0)]), "index") : int(0);
      const to = a.add(from, u[axis] ?? int(0));
      return circular ? a.mod(to, int(size)) : to;
    };
    return scatterNests({
      out,
      start: copied(out, cache),
      join: (_, y) => y,
      extents: update.dims,
      target: (u, read) => u.map((i, k) => (k === axis ? place(u, read) : i)),
      update: (u, read) => read(update, u),
    });
  },
});

/** [N, C·kernel, blocks] to [N, C, sizes…]: every block where it was cut from, summed where blocks overlap. */
export const col2Im: Op = defineOp({
  name: "col2Im",
  inputs: { x: "number" },
  attrs: { kernel: [] as number[], sizes: [] as number[], strides: [] as number[], dilations: [] as number[], pads: [] as number[] },
  infer: ({ x }, { kernel, sizes, ...attrs }) => {
    const [n = 1, channels, blocks] = x.shape;
    const taps = elementCount(kernel);
    const w = windowOf(kernel.length, attrs);
    if (x.shape.length !== 3 || kernel.length !== sizes.length || taps < 1 || Number(channels) % taps !== 0)
      throw misfit("col2Im", "the blocks do not fit x", [x]);
    const wanted = elementCount(blocksOf(kernel, sizes, w));
    if (typeof blocks === "number" && wanted !== blocks) throw misfit("col2Im", `there are not ${wanted} blocks`, [x]);
    return [sameAs(x, [n, Number(channels) / taps, ...sizes])];
  },
  compute: ({ out }, { x }, { kernel, sizes, ...attrs }) => {
    const w = windowOf(kernel.length, attrs);
    const rank = kernel.length;
    const blocks = blocksOf(kernel, sizes, w);
    return scatterNests({
      out,
      start: gather(out, () => constant(0, x.dtype)),
      join: a.add,
      extents: [...out.dims.slice(0, 2), ...kernel, ...blocks],
      target: (u) => [...u.slice(0, 2), ...windowIndex(u.slice(2 + rank), u.slice(2, 2 + rank), w)],
      update: (u, read) =>
        read(x, [u[0] ?? int(0), flatIndex([out.dims[1] ?? 1, ...kernel], u.slice(1, 2 + rank)), flatIndex(blocks, u.slice(2 + rank))]),
    });
  },
});

/** How many places a window has along each axis. */
const blocksOf = (kernel: readonly number[], sizes: readonly number[], w: Window): readonly number[] =>
  kernel.map((k, i) => {
    const padded = (sizes[i] ?? 1) + (w.pads[i] ?? 0) + (w.pads[i + kernel.length] ?? 0);
    return Math.max(0, Math.floor((padded - (w.dilations[i] ?? 1) * (k - 1) - 1) / (w.strides[i] ?? 1)) + 1);
  });
