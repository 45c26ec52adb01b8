import type { Value } from "../../../ir/graph.ts";
import { isStatic } from "../../../tensor/dim.ts";
import { zeros } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import type { Mapper, NodeView } from "./node.ts";

const scatter: Mapper = (n) =>
  n.emit("scatterElements", [n.input(0), n.input(1), n.input(2)], { axis: n.int("axis", 0), reduction: n.text("reduction", "none") });

const cumulative =
  (op: string): Mapper =>
  (n) => {
    const axis = n.fixed(1, "axes");
    if (axis === undefined) throw new HoneError("model.damaged", "axis is missing");
    return n.emit(op, [n.input(0), n.ints64(axis)], { exclusive: n.flag("exclusive"), reverse: n.flag("reverse") });
  };

/** The count is an attribute up to operator set 9, an input since. */
const topK: Mapper = (n) => {
  const k = n.opset < 10 ? n.int("k", 1) : n.fixed(1, "counts")?.[0];
  if (k === undefined) throw new HoneError("model.damaged", "k is missing");
  const attrs = { axis: n.int("axis", -1), largest: n.flag("largest", true) };
  return n.emitAll("topK", [n.input(0), n.ints64([k])], attrs, 2);
};

/** Up to operator set 12 over all axes from `axis` on, taken as one; since 13 over one axis. */
const hardmax: Mapper = (n) => {
  const x = n.input(0);
  const rank = x.shape.length;
  const given = n.int("axis", n.opset >= 13 ? -1 : 1);
  const axis = given < 0 ? given + rank : given;
  if (n.opset >= 13 || axis === rank - 1) return n.emit("cast", [isFirstMaximum(n, x, axis)], { to: x.dtype });
  const flat = n.step("cast", [isFirstMaximum(n, n.step("flatten", [x], { axis }), 1)], { to: x.dtype });
  return n.emit("reshape", [flat, n.step("shape", [x])], { allowZero: false });
};

function isFirstMaximum(n: NodeView, x: Value, axis: number): Value {
  const size = x.shape[axis];
  if (typeof size !== "number") throw n.unsupported("an axis of unknown size");
  const places = n.ints64(
    Array.from({ length: size }, (_, i) => i),
    x.shape.map((_, i) => (i === axis ? size : 1)),
  );
  return n.step("equal", [n.step("argMax", [x], { axis, keepDims: true }), places]);
}

/** Ones on the k-th diagonal of a matrix as large as x. */
const eyeLike: Mapper = (n) => {
  const x = n.input(0);
  const { shape } = x;
  if (!isStatic(shape) || shape.length !== 2) throw n.unsupported("a value of unknown shape");
  const [rows = 0, columns = 0] = shape;
  const k = n.int("k", 0);
  const eye = zeros("uint8", [rows, columns]);
  for (let i = Math.max(0, -k); i < Math.min(rows, columns - k); i++) eye.data[i * columns + i + k] = 1;
  return n.emit("cast", [n.constant(eye)], { to: n.has("dtype") ? n.dtype("dtype", 1) : x.dtype });
};

/** Cut or padded to a size, evenly at both ends. */
const centerCropPad: Mapper = (n) => {
  const x = n.input(0);
  const rank = x.shape.length;
  const wanted = n.fixed(1, "sizes") ?? [];
  const axes = (n.ints("axes") ?? wanted.map((_, i) => i)).map((axis) => (axis < 0 ? axis + rank : axis));
  const starts: number[] = [];
  const ends: number[] = [];
  const pads = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    const size = x.shape[axis];
    const target = wanted[i] ?? 0;
    if (typeof size !== "number") throw n.unsupported("an axis of unknown size");
    const cut = Math.max(0, size - target);
    starts.push(Math.floor(cut / 2));
    ends.push(Math.floor(cut / 2) + Math.min(size, target));
    const more = Math.max(0, target - size);
    pads[axis] = Math.floor(more / 2);
    pads[axis + rank] = more - Math.floor(more / 2);
  });
  const cropped = n.step("slice", [x, n.ints64(starts), n.ints64(ends), n.ints64(axes)]);
  return n.emit("pad", [cropped, n.ints64(pads)], { mode: "constant" });
};

/** Operators that pick and place single elements. */
export const ELEMENTS: Readonly<Record<string, Mapper>> = {
  CenterCropPad: centerCropPad,
  CumProd: cumulative("cumProd"),
  CumSum: cumulative("cumSum"),
  Det: (n) => n.emit("det", [n.input(0)]),
  Einsum: (n) => n.emit("einsum", n.inputs, { equation: n.text("equation", "") }),
  EyeLike: eyeLike,
  GatherElements: (n) => n.emit("gatherElements", [n.input(0), n.input(1)], { axis: n.int("axis", 0) }),
  GatherND: (n) => n.emit("gatherND", [n.input(0), n.input(1)], { batchDims: n.int("batch_dims", 0) }),
  Hardmax: hardmax,
  ReverseSequence: (n) =>
    n.emit("reverseSequence", [n.input(0), n.input(1)], { batchAxis: n.int("batch_axis", 1), timeAxis: n.int("time_axis", 0) }),
  Scatter: scatter,
  ScatterElements: scatter,
  ScatterND: (n) => n.emit("scatterND", [n.input(0), n.input(1), n.input(2)], { reduction: n.text("reduction", "none") }),
  TensorScatter: (n) =>
    n.emit("cacheUpdate", [n.input(0), n.input(1), n.inputs[2]], {
      axis: n.int("axis", -2),
      circular: n.text("mode", "linear") === "circular",
    }),
  TopK: topK,
  Trilu: (n) => n.emit("trilu", [n.input(0), n.inputs[1]], { upper: n.flag("upper", true) }),
};
