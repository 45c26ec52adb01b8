/** The first elements of a row in order (ONNX operator specification: TopK). */
import type { Dim } from "../tensor/dim.ts";
import { add, compare, indexVar, int, mul, sub, variable, INDEX } from "../loop/expr.ts";
import type { Operand, Read, SerialContext } from "../loop/nest.ts";
import { forLoop, ifThen, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import * as a from "./arith.ts";
import { axisOf, constantInts, defineOp, misfit, type Op } from "./define.ts";
import { gather, loops } from "./nests.ts";

/** A heap of positions in a row, with the element that comes last in order on top. */
interface Heap {
  /** The position at a place of the heap. */
  readonly at: (place: Expr) => Expr;
  readonly put: (place: Expr, position: Expr) => Stmt;
  /** Whether the element at position i comes after the one at j. */
  readonly after: (i: Expr, j: Expr) => Expr;
  readonly name: (base: string) => string;
}

/** Moves what is at `from` down until nothing below it comes later in order; the heap ends before `end`. */
function siftDown(heap: Heap, from: Expr, end: Expr, tag: string): readonly Stmt[] {
  const here: Var = variable(heap.name(`${tag}here`), INDEX);
  const child: Var = variable(heap.name(`${tag}child`), INDEX);
  const moved = indexVar(heap.name(`${tag}moved`));
  const below = indexVar(heap.name(`${tag}below`));
  const first = add(mul(here, int(2)), int(1));
  return [
    letMutable(here, from),
    {
      kind: "while",
      cond: compare("lt", first, end),
      body: [
        letMutable(child, first),
        ifThen(compare("lt", add(child, int(1)), end), [
          ifThen(heap.after(heap.at(add(child, int(1))), heap.at(child)), [setVar(child, add(child, int(1)))]),
        ]),
        letVar(below, heap.at(child)),
        letVar(moved, heap.at(here)),
        ifThen(heap.after(below, moved), [heap.put(here, below), heap.put(child, moved), setVar(here, child)], [setVar(here, end)]),
      ],
    },
  ];
}

/** The first `count` of `size` positions in order: a heap of the best so far, then a heap sort (Williams, 1964). */
function firstInOrder(heap: Heap, size: number, count: number): readonly Stmt[] {
  const { name } = heap;
  const [fill, build, next, end, last] = [name("fill"), name("build"), name("next"), name("end"), name("last")].map(indexVar);
  if (!fill || !build || !next || !end || !last || count === 0) return [];
  const ends = sub(int(count - 1), end);
  return [
    forLoop(fill, count, [heap.put(fill, fill)]),
    forLoop(build, Math.floor(count / 2), siftDown(heap, sub(int(Math.floor(count / 2) - 1), build), int(count), "b")),
    forLoop(next, size, [ifThen(heap.after(heap.at(int(0)), next), [heap.put(int(0), next), ...siftDown(heap, int(0), int(count), "n")])], {
      from: int(count),
    }),
    forLoop(end, count - 1, [
      letVar(last, heap.at(ends)),
      heap.put(ends, heap.at(int(0))),
      heap.put(int(0), last),
      ...siftDown(heap, int(0), ends, "s"),
    ]),
  ];
}

/** Whether element i of a row comes after j: it is smaller (larger), or equal and later. */
function comesAfter(x: Expr, i: Expr, y: Expr, j: Expr, largest: boolean): Expr {
  const worse = largest ? a.lt(x, y) : a.gt(x, y);
  return a.or(worse, a.and(a.eq(x, y), compare("gt", i, j)));
}

/** The order of rows of x along an axis, its first places, into a temporary of positions. */
export function orderStatements(
  { read, write, name }: SerialContext,
  x: Operand,
  order: Operand,
  axis: number,
  largest: boolean,
): readonly Stmt[] {
  const others = x.dims.filter((_, i) => i !== axis);
  return loops(others, name, (outer) => {
    const along = (i: Expr): readonly Expr[] => [...outer.slice(0, axis), i, ...outer.slice(axis)];
    const heap: Heap = {
      at: (place) => a.cast(read(order, along(place)), "index"),
      put: (place, position) => write(order, along(place), a.cast(position, order.dtype)),
      after: (i, j) => comesAfter(read(x, along(i)), i, read(x, along(j)), j, largest),
      name,
    };
    return firstInOrder(heap, x.dims[axis] ?? 1, order.dims[axis] ?? 0);
  });
}

/** The k largest or smallest elements along an axis, in order, and their positions as int64: n log k steps a row. */
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
  compute: ({ outputs, out, temp }, { x }, { axis: given, largest }) => {
    const axis = axisOf("topK", given, x.dims.length);
    const order = temp("order", "int32", out.dims);
    const position = (p: readonly Expr[], read: Read): Expr => a.cast(read(order, p), "index");
    const [values, positions] = outputs;
    const count = Math.max(2, out.dims[axis] ?? 1);
    return [
      {
        kind: "serial",
        result: order,
        steps: elementCount(x.dims) * Math.ceil(Math.log2(count)),
        statements: (context) => orderStatements(context, x, order, axis, largest),
      },
      ...(values
        ? [
            gather(values, ({ p, read }) =>
              read(
                x,
                p.map((i, at) => (at === axis ? position(p, read) : i)),
              ),
            ),
          ]
        : []),
      ...(positions ? [gather(positions, ({ p, read }) => a.cast(read(order, p), "int64"))] : []),
    ];
  },
});
