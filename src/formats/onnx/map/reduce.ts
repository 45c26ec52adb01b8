import type { Value } from "../../../ir/graph.ts";
import type { Mapper, NodeView } from "./node.ts";
import { flattenAround } from "./shape.ts";

/** What is left of an operator that reduces over nothing: of a sum of squares the squares. */
const REST: Readonly<Record<string, (n: NodeView, x: Value) => Value>> = {
  ReduceL1: (n, x) => n.emit("abs", [x]),
  ReduceL2: (n, x) => n.emit("abs", [x]),
  ReduceLogSum: (n, x) => n.emit("log", [x]),
  ReduceSumSquare: (n, x) => n.emit("mul", [x, x]),
};

/** Axes are an attribute in old operator sets and an input since; without any, all axes, or with a flag none. */
function reduceWith(n: NodeView, make: (axes: readonly number[], keepDims: boolean) => Value): Value {
  const axes = n.axes(1) ?? [];
  if (axes.length === 0 && n.flag("noop_with_empty_axes")) return REST[n.node.opType]?.(n, n.input(0)) ?? n.emit("identity", [n.input(0)]);
  return make(axes, n.flag("keepdims", true));
}

const reduce =
  (op: string): Mapper =>
  (n) =>
    reduceWith(n, (axes, keepDims) => n.emit(op, [n.input(0)], { axes, keepDims }));

const reduceLogSum: Mapper = (n) =>
  reduceWith(n, (axes, keepDims) => n.emit("log", [n.step("reduceSum", [n.input(0)], { axes, keepDims })]));

const argument =
  (op: string): Mapper =>
  (n) =>
    n.emit(op, [n.input(0)], { axis: n.int("axis", 0), keepDims: n.flag("keepdims", true), selectLast: n.flag("select_last_index") });

/** Up to operator set 12 over all axes from `axis` on, taken as one; since 13 over one axis. */
const softmax =
  (op: string): Mapper =>
  (n) => {
    const x = n.input(0);
    const rank = x.shape.length;
    const axis = n.int("axis", n.opset >= 13 ? -1 : 1);
    const at = axis < 0 ? axis + rank : axis;
    if (n.opset >= 13 || at === rank - 1) return n.emit(op, [x], { axis: at });
    return flattenAround(n, x, at, (flat) => n.step(op, [flat], { axis: 1 }));
  };

/** Operators that reduce along axes. */
export const REDUCTIONS: Readonly<Record<string, Mapper>> = {
  ArgMax: argument("argMax"),
  ArgMin: argument("argMin"),
  LogSoftmax: softmax("logSoftmax"),
  ReduceL1: reduce("reduceL1"),
  ReduceL2: reduce("reduceL2"),
  ReduceLogSum: reduceLogSum,
  ReduceLogSumExp: reduce("reduceLogSumExp"),
  ReduceMax: reduce("reduceMax"),
  ReduceMean: reduce("reduceMean"),
  ReduceMin: reduce("reduceMin"),
  ReduceProd: reduce("reduceProd"),
  ReduceSum: reduce("reduceSum"),
  ReduceSumSquare: reduce("reduceSumSquare"),
  Softmax: softmax("softmax"),
};
