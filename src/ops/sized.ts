/**
 * Ops whose results are as long as the data make them (ONNX operator specification: NonZero, Compress, Unique,
 * NonMaxSuppression). A result has room for the most that can be; a last output, an int64 scalar, counts what is in it from the
 * front. What lies behind is 0.
 */
import { add, compare, constant, indexVar, int, sub, typeOf, variable, INDEX } from "../loop/expr.ts";
import type { AnyNest, Operand, SerialContext } from "../loop/nest.ts";
import { forLoop, ifThen, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import type { ValueType } from "../ir/graph.ts";
import type { Dim } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import * as a from "./arith.ts";
import { axisOf, constantInts, defineOp, misfit, type Computed, type Op } from "./define.ts";
import { gather, loops } from "./nests.ts";
import { orderStatements } from "./top-k.ts";

const COUNT: ValueType = { dtype: "int64", shape: [] };

/** The product of dims. Throws `graph.shape` when one is a symbol: room is made for what is known. */
function known(op: string, dims: readonly Dim[]): number {
  return dims.reduce<number>((n, d) => {
    if (typeof d !== "number") throw misfit(op, "its input has open dimensions; how long a result can be must be known", []);
    return n * d;
  }, 1);
}

const zeroed = (out: Operand): AnyNest => gather(out, () => constant(0, out.dtype));

/** Statements in which `here` counts, and becomes the count at the end. */
function counting(context: SerialContext, count: Operand, body: (here: Var) => readonly Stmt[]): readonly Stmt[] {
  const here = variable(context.name("here"), INDEX);
  return [letMutable(here, int(0)), ...body(here), context.write(count, [], a.fromIndex(here, "int64"))];
}

const next = (here: Var): Stmt => setVar(here, add(here, int(1)));

/** Indices of what is not 0, in row-major order: a column for each. */
export const nonZero: Op = defineOp({
  name: "nonZero",
  inputs: { x: "any" },
  attrs: {},
  infer: ({ x }) => [{ dtype: "int64", shape: [x.shape.length, known("nonZero", x.shape)] }, COUNT],
  compute: ({ outputs: [places, count] }, { x }) => {
    const [to, total] = [must(places, "places"), must(count, "count")];
    return [
      zeroed(to),
      {
        kind: "serial",
        result: to,
        steps: elementCount(x.dims),
        statements: (context) =>
          counting(context, total, (here) =>
            loops(x.dims, context.name, (p) => [
              ifThen(a.ne(context.read(x, p), 0), [
                ...p.map((i, axis) => context.write(to, [int(axis), here], a.fromIndex(i, "int64"))),
                next(here),
              ]),
            ]),
          ),
      },
    ];
  },
});

/** Slices of x along an axis where the condition holds; a shorter condition leaves the rest out. */
export const compress: Op = defineOp({
  name: "compress",
  inputs: { x: "any", condition: "bool" },
  attrs: { axis: 0 },
  infer: ({ x, condition }, { axis: given }) => {
    const axis = axisOf("compress", given, x.shape.length);
    const most = Math.min(known("compress", [x.shape[axis] ?? 1]), known("compress", condition.shape));
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i === axis ? most : d)) }, COUNT];
  },
  compute: ({ outputs: [kept, count] }, { x, condition }, { axis: given }) => {
    const axis = axisOf("compress", given, x.dims.length);
    const [to, total] = [must(kept, "kept"), must(count, "count")];
    const others = x.dims.filter((_, i) => i !== axis);
    const along = (p: readonly Expr[], i: Expr): readonly Expr[] => [...p.slice(0, axis), i, ...p.slice(axis)];
    return [
      zeroed(to),
      {
        kind: "serial",
        result: to,
        steps: elementCount(x.dims),
        statements: (context) =>
          counting(context, total, (here) => {
            const i = indexVar(context.name("row"));
            const copy = loops(others, context.name, (p) => [context.write(to, along(p, here), context.read(x, along(p, i)))]);
            return [forLoop(i, to.dims[axis] ?? 0, [ifThen(a.ne(context.read(condition, [i]), 0), [...copy, next(here)])])];
          }),
      },
    ];
  },
});

/** Whether slice i of x along the axis is equal to slice j (`equal`), and whether it is smaller, element by element (`less`). */
function compareSlices({ read, name }: SerialContext, x: Operand, axis: number, i: Expr, j: Expr, equal: Var, less: Var): readonly Stmt[] {
  const others = x.dims.filter((_, k) => k !== axis);
  const along = (p: readonly Expr[], at: Expr): readonly Expr[] => [...p.slice(0, axis), at, ...p.slice(axis)];
  return [
    letMutable(equal, constant(1, "bool")),
    letMutable(less, constant(0, "bool")),
    ...loops(
      others,
      (base) => name(`c${base}`),
      (p) => {
        const [u, v] = [read(x, along(p, i)), read(x, along(p, j))];
        return [ifThen(a.and(equal, a.ne(u, v)), [setVar(less, a.lt(u, v)), setVar(equal, constant(0, "bool"))])];
      },
    ),
  ];
}

/** Positions of slices in ascending order, equal ones in theirs: by a heap where slices are elements, else by counting. */
function ascending(context: SerialContext, x: Operand, axis: number, order: Operand): readonly Stmt[] {
  if (x.dims.length === 1) return orderStatements(context, x, order, 0, false);
  const { name, write } = context;
  const size = order.dims[0] ?? 0;
  const [i, j] = [indexVar(name("i")), indexVar(name("j"))];
  const [equal, less, before] = [
    variable(name("equal"), typeOf("bool")),
    variable(name("less"), typeOf("bool")),
    variable(name("before"), INDEX),
  ];
  return [
    forLoop(i, size, [
      letMutable(before, int(0)),
      forLoop(j, size, [
        ...compareSlices(context, x, axis, j, i, equal, less),
        ifThen(a.or(less, a.and(equal, compare("lt", j, i))), [setVar(before, add(before, int(1)))]),
      ]),
      write(order, [before], a.fromIndex(i, "int32")),
    ]),
  ];
}

/**
 * Distinct slices along an axis, sorted or in the order in which they first appear; where each first appears, which of them each
 * slice is, and how often each appears. Slices of one element take n log n steps, longer ones n².
 */
export const unique: Op = defineOp({
  name: "unique",
  inputs: { x: "number" },
  attrs: { axis: 0, sorted: true },
  infer: ({ x }, { axis: given }) => {
    const axis = axisOf("unique", given, x.shape.length);
    known("unique", x.shape);
    const each: ValueType = { dtype: "int64", shape: [x.shape[axis] ?? 1] };
    return [{ dtype: x.dtype, shape: x.shape }, each, each, each, COUNT];
  },
  compute: ({ outputs, temp }, { x }, { axis: given, sorted }) => {
    const axis = axisOf("unique", given, x.dims.length);
    const size = x.dims[axis] ?? 1;
    const [y, first, inverse, counts, count] = [0, 1, 2, 3, 4].map((i) => must(outputs[i], "output"));
    const [order, group, place, start] = ["order", "group", "place", "start"].map((label) => temp(label, "int32", [size]));
    if (!y || !first || !inverse || !counts || !count || !order || !group || !place || !start) return [];
    const slices = elementCount(x.dims.filter((_, i) => i !== axis));
    const at = (read: SerialContext["read"], from: Operand, i: Expr): Expr => a.cast(read(from, [i]), "index");
    return [
      ...[y, first, counts].map(zeroed),
      {
        kind: "serial",
        result: y,
        steps: x.dims.length === 1 ? size * Math.ceil(Math.log2(size + 2)) : size * size * slices,
        statements: (context) => {
          const { read, write, name } = context;
          const [k, i, f] = [indexVar(name("k")), indexVar(name("at")), indexVar(name("f"))];
          const [equal, less] = [variable(name("same"), typeOf("bool")), variable(name("lower"), typeOf("bool"))];
          const before = at(read, order, a.select(compare("gt", k, int(0)), sub(k, int(1)), int(0)));
          const to = indexVar(name("to"));
          const along = (p: readonly Expr[], j: Expr): readonly Expr[] => [...p.slice(0, axis), j, ...p.slice(axis)];
          const others = x.dims.filter((_, j) => j !== axis);
          return [
            ...ascending(context, x, axis, order),
            ...counting(context, count, (here) => [
              // Groups of equal ones, each with where it first appears: equal ones are in the order of their positions.
              forLoop(k, size, [
                letVar(i, at(read, order, k)),
                ...compareSlices(context, x, axis, i, before, equal, less),
                ifThen(a.or(compare("eq", k, int(0)), a.not(equal)), [write(start, [here], a.fromIndex(i, "int32")), next(here)]),
                write(group, [i], a.fromIndex(sub(here, int(1)), "int32")),
              ]),
              ...placesOf(context, size, sorted, group, place, start),
            ]),
            forLoop(f, size, [
              letVar(to, at(read, place, at(read, group, f))),
              write(inverse, [f], a.fromIndex(to, "int64")),
              write(counts, [to], a.add(read(counts, [to]), a.constantLike(read(counts, [to]), 1))),
              ifThen(compare("eq", at(read, start, at(read, group, f)), f), [
                write(first, [to], a.fromIndex(f, "int64")),
                ...loops(
                  others,
                  (base) => name(`w${base}`),
                  (p) => [write(y, along(p, to), read(x, along(p, f)))],
                ),
              ]),
            ]),
          ];
        },
      },
    ];
  },
});

/** Where each group goes: as it is when sorted, else in the order of where they first appear. */
function placesOf(
  { read, write, name }: SerialContext,
  size: number,
  sorted: boolean,
  group: Operand,
  place: Operand,
  start: Operand,
): readonly Stmt[] {
  const g = indexVar(name("g"));
  if (sorted) return [forLoop(g, size, [write(place, [g], a.fromIndex(g, "int32"))])];
  const at = a.cast(read(group, [g]), "index");
  const seen = variable(name("seen"), INDEX);
  return [
    letMutable(seen, int(0)),
    forLoop(g, size, [
      ifThen(compare("eq", a.cast(read(start, [at]), "index"), g), [
        write(place, [at], a.fromIndex(seen, "int32")),
        setVar(seen, add(seen, int(1))),
      ]),
    ]),
  ];
}

/** Lower and upper ends along both axes of box i: [low, high] of y, then of x. */
function ends(read: SerialContext["read"], boxes: Operand, batch: Expr, i: Expr, centred: boolean): readonly (readonly [Expr, Expr])[] {
  const part = (k: number): Expr => read(boxes, [batch, i, int(k)]);
  const half = (size: Expr): Expr => a.div(size, 2);
  if (centred)
    return [
      [a.sub(part(1), half(part(3))), a.add(part(1), half(part(3)))],
      [a.sub(part(0), half(part(2))), a.add(part(0), half(part(2)))],
    ];
  return [0, 1].map((axis) => [a.min(part(axis), part(axis + 2)), a.max(part(axis), part(axis + 2))]);
}

/**
 * Indices [batch, class, box] of boxes that no better one of their class covers: for each class of each batch in the order of
 * scores, of equal ones the first box first. Two boxes are one when their intersection over union is above the threshold.
 */
export const nonMaxSuppression: Op = defineOp({
  name: "nonMaxSuppression",
  inputs: { boxes: "float", scores: "float", most: "integer", iou: "float?", score: "float?" },
  attrs: { centred: false },
  traits: { alike: ["boxes", "scores"] },
  infer: ({ boxes, scores, most }) => {
    const [batches = 1, classes = 1, count = 1] = scores.shape;
    if (boxes.shape.length !== 3 || scores.shape.length !== 3 || boxes.shape[2] !== 4)
      throw misfit("nonMaxSuppression", "boxes are [batch, box, 4] and scores [batch, class, box]", [boxes, scores]);
    const [each = 0] = constantInts("nonMaxSuppression", "max_output_boxes_per_class", most);
    const rows = known("nonMaxSuppression", [batches, classes]) * Math.min(known("nonMaxSuppression", [count]), Math.max(0, each));
    return [{ dtype: "int64", shape: [rows, 3] }, COUNT];
  },
  compute: ({ outputs: [picked, count], temp }, { boxes, scores, most, iou, score }, { centred }) => {
    const [to, total] = [must(picked, "picked"), must(count, "count")];
    const [batches = 1, classes = 1, size = 1] = scores.dims;
    const [each = 0] = constantInts("nonMaxSuppression", "max_output_boxes_per_class", most);
    const limit = Math.min(size, Math.max(0, each));
    if (limit === 0) return [zeroed(to), gather(total, () => constant(0, "int64"))];
    const order = temp("order", "int32", [batches, classes, size]);
    const kept = temp("kept", "int32", [limit]);
    return [
      zeroed(to),
      {
        kind: "serial",
        result: to,
        steps: batches * classes * size * (limit + Math.ceil(Math.log2(size + 2))),
        statements: (context) => [
          ...orderStatements(context, scores, order, 2, true),
          ...counting(context, total, (here) =>
            loops([batches, classes], context.name, ([batch = int(0), cls = int(0)]) =>
              suppressed(context, { boxes, scores, iou, score, centred, to, order, kept, limit, batch, cls, here }),
            ),
          ),
        ],
      },
    ];
  },
});

interface Suppression {
  readonly boxes: Operand;
  readonly scores: Operand;
  readonly iou: Computed | undefined;
  readonly score: Computed | undefined;
  readonly centred: boolean;
  readonly to: Operand;
  readonly order: Operand;
  /** Boxes of this class that were picked. */
  readonly kept: Operand;
  readonly limit: number;
  readonly batch: Expr;
  readonly cls: Expr;
  readonly here: Var;
}

/** Boxes of one class, the best first. */
function suppressed({ read, write, name }: SerialContext, s: Suppression): readonly Stmt[] {
  const { boxes, scores, batch, cls, here, kept, limit } = s;
  const [turn, box, other, free, had] = [
    indexVar(name("turn")),
    indexVar(name("box")),
    indexVar(name("other")),
    variable(name("free"), typeOf("bool")),
    variable(name("had"), INDEX),
  ];
  const first = (operand: Computed): Expr =>
    read(
      operand,
      operand.dims.map(() => int(0)),
    );
  const value = read(scores, [batch, cls, box]);
  const good = s.score ? a.gt(value, first(s.score)) : compare("ge", turn, int(0));
  const earlier = a.cast(read(kept, [other]), "index");
  const mine = ends(read, boxes, batch, box, s.centred);
  const theirs = ends(read, boxes, batch, earlier, s.centred);
  const area = (e: readonly (readonly [Expr, Expr])[]): Expr => e.map(([low, high]) => a.sub(high, low)).reduce((x, y) => a.mul(x, y));
  const common = mine
    .map(([low, high], i) => a.max(a.sub(a.min(high, theirs[i]?.[1] ?? high), a.max(low, theirs[i]?.[0] ?? low)), 0))
    .reduce((x, y) => a.mul(x, y));
  const union = a.sub(a.add(area(mine), area(theirs)), common);
  const ratio = a.select(a.gt(union, 0), a.div(common, union), 0);
  const overlaps = s.iou ? a.gt(ratio, first(s.iou)) : a.gt(ratio, 0);
  return [
    letMutable(had, int(0)),
    forLoop(turn, scores.dims[2] ?? 0, [
      letVar(box, a.cast(read(s.order, [batch, cls, turn]), "index")),
      ifThen(a.and(good, compare("lt", had, int(limit))), [
        letMutable(free, constant(1, "bool")),
        forLoop(other, had, [ifThen(overlaps, [setVar(free, constant(0, "bool"))])]),
        ifThen(free, [
          write(kept, [had], a.fromIndex(box, "int32")),
          setVar(had, add(had, int(1))),
          ...[batch, cls, box].map((e, k) => write(s.to, [here, int(k)], a.fromIndex(e, "int64"))),
          next(here),
        ]),
      ]),
    ]),
  ];
}

/** The shape of a value whose axis is counted: its dims, with the count in place of the room. */
export const sizedShape: Op = defineOp({
  name: "sizedShape",
  inputs: { x: "any", count: "integer" },
  attrs: { axis: 0 },
  infer: ({ x }) => [{ dtype: "int64", shape: [x.shape.length] }],
  compute: ({ out }, { x, count }, { axis }) =>
    gather(out, ({ p: [i = int(0)], read }) =>
      x.dims.reduce<Expr>(
        (rest, d, k) =>
          a.select(compare("eq", i, int(k)), k === axis ? a.cast(read(count, []), "int64") : constant(BigInt(d), "int64"), rest),
        constant(0n, "int64"),
      ),
    ),
});
