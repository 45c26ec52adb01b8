/** Ops that change only the shape, or tell it (ONNX operator specification). */
import { addDim, dimEquals, divDim, mulDim, productDim, type Dim, type Shape } from "../tensor/dim.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constant, int } from "../loop/expr.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { axisOf, defineOp, ints, isKnownDType, misfit, sameAs, type Known, type Op, unknownDim } from "./define.ts";
import { broadcastIndex, flatIndex, gather } from "./nests.ts";
import { add, div, mod, mul, sub } from "../loop/expr.ts";

/** Dims from a tensor of them, or unknown ones, as many as its length says. */
function dimsFrom(op: string, shape: Known): Shape {
  if (shape.data) return ints(shape.data);
  const [rank] = shape.shape;
  if (typeof rank !== "number") throw misfit(op, "the rank of the result is not known", [shape]);
  return Array.from({ length: rank }, (_, i) => unknownDim(shape, i));
}

/** The same elements in row-major order under other dims. */
function copyFlat(out: Operand, x: Operand): Nest {
  return gather(out, ({ p, read }) => {
    let rest = flatIndex(out.dims, p);
    const index: Expr[] = [];
    for (let axis = x.dims.length - 1; axis >= 0; axis--) {
      const d = int(x.dims[axis] ?? 1);
      index.unshift(axis === 0 ? rest : mod(rest, d));
      rest = div(rest, d);
    }
    return read(x, index);
  });
}

function reshapedDims(x: Known, wanted: Shape, allowZero: boolean): Shape {
  const dims = wanted.map((d, i): Dim => (d === 0 && !allowZero ? (x.shape[i] ?? 1) : d));
  const holes = dims.filter((d) => d === -1).length;
  if (holes > 1) throw misfit("reshape", "more than one dimension is -1", [x]);
  const known = productDim(dims.filter((d) => d !== -1));
  const total = productDim(x.shape);
  const result = dims.map((d): Dim => (d === -1 ? divDim(total, known) : d));
  const product = productDim(result);
  if (typeof product === "number" && typeof total === "number" && product !== total)
    throw misfit("reshape", `[${wanted.map(String).join(",")}] holds another number of elements`, [x]);
  return result;
}

export const reshape: Op = defineOp({
  name: "reshape",
  inputs: { x: "any", shape: "integer" },
  attrs: { allowZero: false },
  traits: { view: true },
  infer: ({ x, shape }, { allowZero }) => [
    sameAs(x, shape.data ? reshapedDims(x, ints(shape.data), allowZero) : dimsFrom("reshape", shape)),
  ],
  compute: ({ out }, { x }) => copyFlat(out, x),
});

export const flatten: Op = defineOp({
  name: "flatten",
  inputs: { x: "any" },
  attrs: { axis: 1 },
  traits: { view: true },
  infer: ({ x }, { axis }) => {
    const at = axis < 0 ? axis + x.shape.length : axis;
    return [sameAs(x, [productDim(x.shape.slice(0, at)), productDim(x.shape.slice(at))])];
  },
  compute: ({ out }, { x }) => copyFlat(out, x),
});

export const squeeze: Op = defineOp({
  name: "squeeze",
  inputs: { x: "any" },
  attrs: { axes: [] as number[] },
  traits: { view: true },
  infer: ({ x }, { axes }) => {
    const drop = axes.map((axis) => axisOf("squeeze", axis, x.shape.length));
    if (drop.some((axis) => typeof x.shape[axis] === "number" && x.shape[axis] !== 1))
      throw misfit("squeeze", `axes [${axes.join(",")}] are not all 1`, [x]);
    return [
      sameAs(
        x,
        x.shape.filter((d, i) => (axes.length > 0 ? !drop.includes(i) : d !== 1)),
      ),
    ];
  },
  compute: ({ out }, { x }) => copyFlat(out, x),
});

export const unsqueeze: Op = defineOp({
  name: "unsqueeze",
  inputs: { x: "any" },
  attrs: { axes: [] as number[] },
  traits: { view: true },
  infer: ({ x }, { axes }) => {
    const rank = x.shape.length + axes.length;
    const at = axes.map((axis) => axisOf("unsqueeze", axis, rank));
    const rest = [...x.shape];
    return [
      sameAs(
        x,
        Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : (rest.shift() ?? 1))),
      ),
    ];
  },
  compute: ({ out }, { x }) => copyFlat(out, x),
});

export const transpose: Op = defineOp({
  name: "transpose",
  inputs: { x: "any" },
  attrs: { perm: [] as number[] },
  infer: ({ x }, { perm }) => {
    const order = permutation(x.shape.length, perm);
    if ([...order].sort((i, j) => i - j).some((axis, i) => axis !== i) || order.length !== x.shape.length)
      throw misfit("transpose", `[${perm.join(",")}] is not a permutation of the axes`, [x]);
    return [
      sameAs(
        x,
        order.map((axis) => x.shape[axis] ?? 1),
      ),
    ];
  },
  compute: ({ out }, { x }, { perm }) => {
    const order = permutation(x.dims.length, perm);
    return gather(out, ({ p, read }) =>
      read(
        x,
        x.dims.map((_, axis) => p[order.indexOf(axis)] ?? int(0)),
      ),
    );
  },
});

/** The permutation, reversed axes when none is given. */
export function permutation(rank: number, perm: readonly number[]): readonly number[] {
  return perm.length > 0 ? perm : Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

export const concat: Op = defineOp({
  name: "concat",
  inputs: { xs: "any*" },
  attrs: { axis: 0 },
  traits: { alike: ["xs"], channels: "join" },
  infer: ({ xs }, { axis: given }) => {
    const [first] = xs;
    if (!first) throw misfit("concat", "there is nothing to join", xs);
    const axis = axisOf("concat", given, first.shape.length);
    const fits = (x: Known): boolean =>
      x.dtype === first.dtype &&
      x.shape.length === first.shape.length &&
      x.shape.every(
        (d, i) => i === axis || typeof d !== "number" || typeof first.shape[i] !== "number" || dimEquals(d, first.shape[i] ?? 1),
      );
    if (!xs.every(fits)) throw misfit("concat", `shapes differ outside axis ${axis}`, xs);
    return [
      sameAs(
        first,
        first.shape.map((d, i) => (i === axis ? xs.reduce<Dim>((sum, x) => addDim(sum, x.shape[axis] ?? 1), 0) : d)),
      ),
    ];
  },
  compute: ({ out }, { xs }, { axis: given }) => {
    const axis = axisOf("concat", given, out.dims.length);
    let at = 0;
    return xs.map((x): Nest => {
      const origin = out.dims.map((_, i) => (i === axis ? at : 0));
      at += x.dims[axis] ?? 1;
      return { kind: "gather", result: out, region: { origin, extents: x.dims }, body: ({ p, read }) => read(x, p) };
    });
  },
});

/** From where on a run of channels is taken, and how far apart they lie. */
interface ChannelRun {
  readonly first: number;
  readonly from: number;
  readonly step: number;
}

/** Cuts a list of channels into runs of equal steps. */
function runsOf(channels: readonly number[]): readonly ChannelRun[] {
  const runs: ChannelRun[] = [];
  channels.forEach((c, i) => {
    const last = runs.at(-1);
    if (last && i === last.first + 1) runs[runs.length - 1] = { ...last, step: c - last.from };
    else if (!last || c !== last.from + (i - last.first) * last.step) runs.push({ first: i, from: c, step: 0 });
  });
  return runs;
}

/** Channels (axis 1) of the inputs, which are counted through all of them in their order. */
export const takeChannels: Op = defineOp({
  name: "takeChannels",
  inputs: { xs: "any*" },
  attrs: { channels: [] as number[] },
  traits: { channels: "take", alike: ["xs"] },
  infer: ({ xs }, { channels }) => {
    const [first] = xs;
    if (!first || first.shape.length < 2) throw misfit("takeChannels", "there are no channels to take", xs);
    const fits = (x: Known): boolean =>
      x.dtype === first.dtype &&
      x.shape.length === first.shape.length &&
      x.shape.every((d, i) => i === 1 || dimEquals(d, first.shape[i] ?? 1));
    const total = xs.reduce((sum, x) => sum + Number(x.shape[1]), 0);
    if (!xs.every(fits) || !channels.every((c) => Number.isInteger(c) && c >= 0 && c < total))
      throw misfit("takeChannels", `the inputs do not have the channels [${channels.join(",")}] in common`, xs);
    return [
      sameAs(
        first,
        first.shape.map((d, i) => (i === 1 ? channels.length : d)),
      ),
    ];
  },
  compute: ({ out }, { xs }, { channels }) => {
    const runs = runsOf(channels);
    return gather(out, ({ p: [n = int(0), c = int(0), ...rest], read }) => {
      const inRun = ({ first, from, step }: ChannelRun): Expr => add(mul(sub(c, int(first)), int(step)), int(from));
      const at = runs.slice(1).reduce<Expr>((sum, run) => a.select(a.lt(c, int(run.first)), sum, inRun(run)), inRun(runs[0] ?? NO_RUN));
      const starts = xs.map((_, i) => xs.slice(0, i).reduce((sum, x) => sum + (x.dims[1] ?? 1), 0));
      return xs
        .map((x, i) => (): Expr => read(x, [n, sub(at, int(starts[i] ?? 0)), ...rest]))
        .reduce((before, after, i) => () => a.select(a.lt(at, int(starts[i] ?? 0)), before(), after()))();
    });
  },
});

const NO_RUN: ChannelRun = { first: 0, from: 0, step: 0 };

export const expand: Op = defineOp({
  name: "expand",
  inputs: { x: "any", shape: "integer" },
  attrs: {},
  infer: ({ x, shape }) => [sameAs(x, broadcastShapes("expand", [x, { dtype: "int64", shape: dimsFrom("expand", shape) }]))],
  compute: ({ out }, { x }) => gather(out, ({ p, read }) => read(x, broadcastIndex(x, p))),
});

export const tile: Op = defineOp({
  name: "tile",
  inputs: { x: "any", repeats: "integer" },
  attrs: {},
  infer: ({ x, repeats }) => {
    const times = dimsFrom("tile", repeats);
    return [
      sameAs(
        x,
        x.shape.map((d, i) => mulDim(d, times[i] ?? 1)),
      ),
    ];
  },
  compute: ({ out }, { x }) =>
    gather(out, ({ p, read }) =>
      read(
        x,
        p.map((i, axis) => mod(i, int(x.dims[axis] ?? 1))),
      ),
    ),
});

function shapeRange(rank: number, start: number, end: number): readonly [number, number] {
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  return [clamp(start), clamp(end)];
}

/** The dims as an int64 vector. */
export const shape: Op = defineOp({
  name: "shape",
  inputs: { x: "any" },
  attrs: { start: 0, end: Number.MAX_SAFE_INTEGER },
  infer: ({ x }, { start, end }) => {
    const [from, to] = shapeRange(x.shape.length, start, end);
    return [{ dtype: "int64", shape: [Math.max(0, to - from)] }];
  },
  compute: ({ out }, { x }, { start, end }) => {
    const dims = x.dims.slice(...shapeRange(x.dims.length, start, end));
    return gather(out, ({ p: [i = int(0)] }) =>
      dims.reduceRight<Expr>((rest, d, at) => a.select(a.eq(i, int(at)), constant(d, "int64"), rest), constant(0, "int64")),
    );
  },
});

export const constantOfShape: Op = defineOp({
  name: "constantOfShape",
  inputs: { shape: "integer" },
  attrs: { value: 0, dtype: "float32" },
  infer: ({ shape: dims }, { dtype }) => {
    if (!isKnownDType(dtype)) throw misfit("constantOfShape", `unknown dtype ${dtype}`, [dims]);
    return [{ dtype, shape: dimsFrom("constantOfShape", dims) }];
  },
  compute: ({ out }, _inputs, { value }) => gather(out, () => constant(value, out.dtype)),
});

function scalarOf(t: Tensor): number {
  const first = Number(t.data[0] ?? 0);
  if (t.type === "float16") return fromFloat16(first);
  return t.type === "bfloat16" ? fromBFloat16(first) : first;
}

/** start, start + delta, … up to but without limit. */
export const range: Op = defineOp({
  name: "range",
  inputs: { start: "number", limit: "number", delta: "number" },
  attrs: {},
  traits: { alike: ["start", "limit", "delta"] },
  infer: ({ start, limit, delta }) => {
    const known = start.data && limit.data && delta.data;
    const n = known ? Math.max(0, Math.ceil((scalarOf(limit.data) - scalarOf(start.data)) / scalarOf(delta.data))) : unknownDim(limit, 0);
    return [{ dtype: start.dtype, shape: [n] }];
  },
  compute: ({ out }, { start, delta }) =>
    gather(out, ({ p: [i = int(0)], read }) => a.add(read(start, []), a.mul(a.fromIndex(i, out.dtype), read(delta, [])))),
});
