/** Operators whose results are as long as the data make them, and what may be done with such results. */
import type { Value } from "../../../ir/graph.ts";
import { must } from "../../../util/errors.ts";
import { countedOf, markCounted, refuseCounted, type Counted } from "../counted.ts";
import type { Mapper, NodeView } from "./node.ts";

/** The values with their count; as they are where the count is known already. */
function counted(n: NodeView, values: readonly (Value | undefined)[], axes: readonly number[], count: Value): readonly Value[] {
  const [known] = n.knownOf(count) ?? [];
  return values.map((value, i) => {
    const v = must(value, "a result");
    const axis = axes[i] ?? 0;
    if (known === undefined || axis < 0) return axis < 0 ? v : markCounted(v, { count, axis });
    return n.step("slice", [v, n.ints64([0]), n.ints64([known]), n.ints64([axis])]);
  });
}

const nonZero: Mapper = (n) => {
  const x = n.input(0);
  if (x.shape.length === 0) throw n.unsupported("a scalar", "Unsqueeze it first.");
  const [places, count] = n.emitAll("nonZero", [x], {}, 2);
  return counted(n, [places], [1], must(count, "count"));
};

/** Without an axis, of the elements in row-major order. */
const flat = (n: NodeView, x: Value): Value => (n.has("axis") ? x : n.step("reshape", [x, n.ints64([-1])], { allowZero: false }));

const axisIn = (n: NodeView, x: Value): number => {
  const axis = n.int("axis", 0);
  return axis < 0 ? axis + x.shape.length : axis;
};

const compress: Mapper = (n) => {
  const x = flat(n, n.input(0));
  const axis = axisIn(n, x);
  const [kept, count] = n.emitAll("compress", [x, n.input(1)], { axis }, 2);
  return counted(n, [kept], [axis], must(count, "count"));
};

const unique: Mapper = (n) => {
  const x = flat(n, n.input(0));
  const axis = axisIn(n, x);
  const [y, first, inverse, counts, count] = n.emitAll("unique", [x], { axis, sorted: n.flag("sorted", true) }, 5);
  return counted(n, [y, first, inverse, counts], [axis, 0, -1, 0], must(count, "count"));
};

const nonMaxSuppression: Mapper = (n) => {
  const most = n.fixed(2, "the most boxes of a class") ?? [0];
  const inputs = [n.input(0), n.input(1), n.ints64(most, []), n.inputs[3], n.inputs[4]];
  const [picked, count] = n.emitAll("nonMaxSuppression", inputs, { centred: n.flag("center_point_box") }, 2);
  return counted(n, [picked], [0], must(count, "count"));
};

export const SIZED: Readonly<Record<string, Mapper>> = {
  Compress: compress,
  NonMaxSuppression: nonMaxSuppression,
  NonZero: nonZero,
  Unique: unique,
};

type Carry = (n: NodeView, at: Counted, input: number, made: Value) => number | undefined;

/** Where the counted axis of an elementwise operator's operand is in its result; undefined when the others do not fit it. */
const elementwise: Carry = (n, { count, axis }, input, made) => {
  const fromEnd = (n.inputs[input]?.shape.length ?? 0) - axis;
  const fits = n.inputs.every((v) => {
    const other = countedOf(v);
    if (other) return other.count === count && (v?.shape.length ?? 0) - other.axis === fromEnd;
    return v === undefined || (v.shape.at(-fromEnd) ?? 1) === 1 || v.shape.length < fromEnd;
  });
  return fits ? made.shape.length - fromEnd : undefined;
};

const axesOf = (n: NodeView, rank: number): readonly number[] => (n.axes(1) ?? []).map((axis) => (axis < 0 ? axis + rank : axis));

const squeeze: Carry = (n, { axis }) => {
  const x = n.input(0);
  const axes = axesOf(n, x.shape.length);
  if (axes.length === 0 || axes.includes(axis)) return undefined;
  return axis - axes.filter((a) => a < axis).length;
};

const unsqueeze: Carry = (n, { axis }, _, made) => {
  const axes = new Set(axesOf(n, made.shape.length));
  const kept = made.shape.map((_d, i) => i).filter((i) => !axes.has(i));
  return kept[axis];
};

const transpose: Carry = (n, { axis }) => {
  const rank = n.input(0).shape.length;
  const at = (n.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)).indexOf(axis);
  return at < 0 ? undefined : at;
};

/** By counted indices, or of something counted along another axis. */
const gather: Carry = (n, { axis }, input) => {
  const [x, indices] = [n.input(0), n.input(1)];
  const given = n.int("axis", 0);
  const along = given < 0 ? given + x.shape.length : given;
  if (input === 1) return countedOf(x) ? undefined : along + axis;
  if (along === axis || countedOf(indices)) return undefined;
  return axis < along ? axis : axis - 1 + indices.shape.length;
};

const gatherND: Carry = (n, { axis }, input) => {
  const indices = n.input(1);
  const alone = input === 1 && n.int("batch_dims", 0) === 0 && countedOf(n.input(0)) === undefined;
  return alone && axis < indices.shape.length - 1 ? axis : undefined;
};

/** Along another axis, of values that are counted alike. */
const concat: Carry = (n, { count, axis }) => {
  const given = n.int("axis", 0);
  const along = given < 0 ? given + n.input(0).shape.length : given;
  const alike = n.inputs.every((v) => {
    const other = countedOf(v);
    return other?.count === count && other.axis === axis;
  });
  return alike && along !== axis ? axis : undefined;
};

const slice: Carry = (n, { axis }) => {
  const starts = n.opset >= 10 ? n.known(1) : n.ints("starts");
  const axes = (n.opset >= 10 ? n.known(3) : n.ints("axes")) ?? starts?.map((_, i) => i);
  const rank = n.input(0).shape.length;
  return axes?.every((a) => (a < 0 ? a + rank : a) !== axis) === true ? axis : undefined;
};

const ELEMENTWISE =
  "Abs Add And Cast Ceil Clip Div Equal Exp Floor Greater GreaterOrEqual Identity Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow Relu Round Sigmoid Sqrt Sub Tanh Where Xor";

const CARRIES: Readonly<Record<string, Carry>> = {
  ...Object.fromEntries(ELEMENTWISE.split(" ").map((name) => [name, elementwise])),
  Concat: concat,
  Gather: gather,
  GatherND: gatherND,
  Slice: slice,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};

/** A mapper that does not take room for elements. */
export const sizeGuarded =
  (mapper: Mapper): Mapper =>
  (n) => {
    const input = n.inputs.findIndex((v) => countedOf(v));
    const at = countedOf(n.inputs[input]);
    if (!at) return mapper(n);
    const name = n.node.opType;
    if (name === "Shape" && !n.has("start") && !n.has("end")) return n.emit("sizedShape", [n.input(0), at.count], { axis: at.axis });
    const carry = Object.hasOwn(CARRIES, name) ? CARRIES[name] : undefined;
    const made = carry && mapper(n);
    const axis = made && "dtype" in made ? carry(n, at, input, made) : undefined;
    if (made && "dtype" in made && axis !== undefined) return markCounted(made, { count: at.count, axis });
    refuseCounted(n.inputs[input], name);
    return mapper(n);
  };
