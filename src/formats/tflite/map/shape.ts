import type { Value } from "../../../ir/graph.ts";
import { productDim } from "../../../tensor/dim.ts";
import { HoneError } from "../../../util/errors.ts";
import { tfliteDType } from "../types.ts";
import type { Mapper, OperatorView } from "./node.ts";

/** The shape is an input, or in old files an option. */
const reshape: Mapper = (n) => {
  const dims = n.inputs[1] === undefined ? n.options("ReshapeOptions").newShape : n.known(1);
  if (dims === undefined) return n.emit("reshape", [n.input(0), n.input(1)], { allowZero: false });
  return n.emit("reshape", [n.input(0), n.ints64(dims)], { allowZero: dims.includes(0) });
};

const concatenation: Mapper = (n) => {
  const o = n.options("ConcatenationOptions");
  return n.emitFused("concat", n.inputs, { axis: n.axis(n.input(0), o.axis) }, o.activation);
};

/** Paddings are [rank, 2]: begin and end of each axis. */
function padsOf(n: OperatorView): Value {
  const pairs = n.fixed(1, "paddings");
  const begin = pairs.filter((_, i) => i % 2 === 0);
  const end = pairs.filter((_, i) => i % 2 === 1);
  return n.ints64([...begin, ...end]);
}

const pad: Mapper = (n) => n.emit("pad", [n.input(0), padsOf(n), n.inputs[2]], { mode: "constant" });

const mirrorPad: Mapper = (n) => {
  if (n.options("MirrorPadOptions").mode !== 0) throw n.unsupported("the symmetric mode");
  return n.emit("pad", [n.input(0), padsOf(n)], { mode: "reflect" });
};

const squeeze: Mapper = (n) => n.emit("squeeze", [n.input(0)], { axes: n.options("SqueezeOptions").squeezeDims });

const expandDims: Mapper = (n) => {
  const x = n.input(0);
  const [axis = 0] = n.fixed(1, "axes");
  return n.emit("unsqueeze", [x], { axes: [n.axis(x, axis, x.shape.length + 1)] });
};

const transpose: Mapper = (n) => n.emit("transpose", [n.input(0)], { perm: n.fixed(1, "permutations") });

const END = Number.MAX_SAFE_INTEGER;
const bit = (mask: number, i: number): boolean => ((mask >> i) & 1) === 1;

/** A mask's bit stands for "from the start", "to the end", or "this one, and drop the axis". */
const stridedSlice: Mapper = (n) => {
  const o = n.options("StridedSliceOptions");
  if (o.ellipsisMask !== 0 || o.newAxisMask !== 0 || o.offset) throw n.unsupported("ellipses, new axes or offsets");
  const begin = n.fixed(1, "starts");
  const end = n.fixed(2, "ends");
  const strides = n.fixed(3, "strides");
  const starts = begin.map((at, i) => (bit(o.beginMask, i) ? (step(strides, i) < 0 ? END : 0) : at));
  const ends = end.map((at, i) => {
    if (bit(o.shrinkAxisMask, i)) return begin[i] === -1 ? END : (begin[i] ?? 0) + 1;
    return bit(o.endMask, i) ? (step(strides, i) < 0 ? -END : END) : at;
  });
  const steps = strides.map((by, i) => (bit(o.shrinkAxisMask, i) ? 1 : by));
  const inputs = [n.input(0), n.ints64(starts), n.ints64(ends), n.ints64(starts.map((_, i) => i)), n.ints64(steps)];
  const drop = starts.map((_, i) => i).filter((i) => bit(o.shrinkAxisMask, i));
  return drop.length === 0 ? n.emit("slice", inputs) : n.emit("squeeze", [n.step("slice", inputs)], { axes: drop });
};

const step = (strides: readonly number[], i: number): number => strides[i] ?? 1;

/** A size of -1 is all that is left. */
const slice: Mapper = (n) => {
  const begin = n.fixed(1, "starts");
  const ends = n.fixed(2, "sizes").map((size, i) => (size === -1 ? END : (begin[i] ?? 0) + size));
  return n.emit("slice", [n.input(0), n.ints64(begin), n.ints64(ends), n.ints64(begin.map((_, i) => i))]);
};

const pack: Mapper = (n) => {
  const { axis: given } = n.options("PackOptions");
  const axis = n.axis(n.input(0), given, n.input(0).shape.length + 1);
  const parts = n.inputs.map((_, i) => n.step("unsqueeze", [n.input(i)], { axes: [axis] }));
  return n.emit("concat", parts, { axis });
};

/** Parts of one along the axis, which each of them then loses. */
const unpack: Mapper = (n) => {
  const { axis: given } = n.options("UnpackOptions");
  const x = n.input(0);
  const axis = n.axis(x, given);
  const count = n.outputNames.length;
  const parts = n.stepAll("split", [x], { axis, sizes: new Array<number>(count).fill(1) }, count);
  return parts.map((part) => n.step("squeeze", [part], { axes: [axis] }));
};

const split: Mapper = (n) => {
  const x = n.input(1);
  const [given = 0] = n.fixed(0, "axes");
  const axis = n.axis(x, given);
  const count = n.outputNames.length;
  const each = n.size(x, axis) / count;
  if (!Number.isInteger(each)) throw new HoneError("model.damaged", `${n.size(x, axis)} do not split into ${count} equal parts`);
  return n.emitAll("split", [x], { axis, sizes: new Array<number>(count).fill(each) });
};

const splitV: Mapper = (n) => {
  const x = n.input(0);
  const [given = 0] = n.fixed(2, "axes");
  const axis = n.axis(x, given);
  const sizes = n.fixed(1, "sizes");
  const rest = n.size(x, axis) - sizes.filter((s) => s >= 0).reduce((sum, s) => sum + s, 0);
  return n.emitAll("split", [x], { axis, sizes: sizes.map((s) => (s < 0 ? rest : s)) });
};

const gather: Mapper = (n) => {
  const { axis, batchDims } = n.options("GatherOptions");
  if (batchDims !== 0) throw n.unsupported("batch dimensions");
  return n.emit("gather", [n.input(0), n.input(1)], { axis: n.axis(n.input(0), axis) });
};

const shape: Mapper = (n) => {
  const to = tfliteDType(n.options("ShapeOptions").outType === 0 ? INT32 : n.options("ShapeOptions").outType);
  const dims = to === "int64" ? n.emit("shape", [n.input(0)]) : n.step("shape", [n.input(0)]);
  return to === "int64" ? dims : n.emit("cast", [dims], { to: "int32" });
};
const INT32 = 2;

const fill: Mapper = (n) => n.emit("expand", [n.input(1), n.input(0)]);

const zerosLike: Mapper = (n) => n.emit("mul", [n.input(0), n.scalarLike(n.input(0), 0)]);

/** Blocks of space become batches: pad, cut each axis into (size / block, block), and move the blocks to the front. */
const spaceToBatch: Mapper = (n) => {
  const x = n.input(0);
  const [block0, block1] = blockOf(n, x);
  const [top = 0, bottom = 0, left = 0, right = 0] = n.fixed(2, "paddings");
  const padded = n.step("pad", [x, n.ints64([0, top, left, 0, 0, bottom, right, 0])], { mode: "constant" });
  const [batch, height, width, channels] = [n.size(x, 0), n.size(padded, 1), n.size(padded, 2), n.size(x, 3)];
  const cut = n.step("reshape", [padded, n.ints64([batch, height / block0, block0, width / block1, block1, channels])], {
    allowZero: false,
  });
  const moved = n.step("transpose", [cut], { perm: [2, 4, 0, 1, 3, 5] });
  return n.emit("reshape", [moved, n.ints64([-1, height / block0, width / block1, channels])], { allowZero: false });
};

const batchToSpace: Mapper = (n) => {
  const x = n.input(0);
  const [block0, block1] = blockOf(n, x);
  const [top = 0, bottom = 0, left = 0, right = 0] = n.fixed(2, "crops");
  const [height, width, channels] = [n.size(x, 1), n.size(x, 2), n.size(x, 3)];
  const batch = n.size(x, 0) / (block0 * block1);
  const cut = n.step("reshape", [x, n.ints64([block0, block1, batch, height, width, channels])], { allowZero: false });
  const moved = n.step("transpose", [cut], { perm: [2, 3, 0, 4, 1, 5] });
  const whole = n.step("reshape", [moved, n.ints64([batch, height * block0, width * block1, channels])], { allowZero: false });
  const ends = [height * block0 - bottom, width * block1 - right];
  return n.emit("slice", [whole, n.ints64([top, left]), n.ints64(ends), n.ints64([1, 2])]);
};

function blockOf(n: OperatorView, x: Value): readonly [number, number] {
  const [first, second, ...more] = n.fixed(1, "block sizes");
  if (x.shape.length !== 4 || first === undefined || second === undefined || more.length > 0)
    throw n.unsupported("other than two spatial axes");
  if (first < 1 || second < 1) throw new HoneError("model.damaged", `a block is ${first}×${second}`);
  return [first, second];
}

const reduce =
  (op: string): Mapper =>
  (n) => {
    const axes = n.fixed(1, "axes").map((axis) => n.axis(n.input(0), axis));
    return n.emit(op, [n.input(0)], { axes, keepDims: n.options("ReducerOptions").keepDims });
  };

const argument =
  (op: string, table: "ArgMaxOptions" | "ArgMinOptions"): Mapper =>
  (n) => {
    const x = n.input(0);
    const [axis = 0] = n.fixed(1, "axes");
    const attrs = { axis: n.axis(x, axis), keepDims: false, selectLast: false };
    const to = tfliteDType(n.options(table).outputType);
    return to === "int32" ? n.emit("cast", [n.step(op, [x], attrs)], { to }) : n.emit(op, [x], attrs);
  };

const rank: Mapper = (n) => n.emit("cast", [n.ints64([n.input(0).shape.length], [])], { to: "int32" });

const tile: Mapper = (n) => {
  const times = n.fixed(1, "repeats");
  if (productDim(times) === 1) return n.emit("identity", [n.input(0)]);
  return n.emit("tile", [n.input(0), n.ints64(times)]);
};

/** Operators that move elements, tell shapes or reduce. */
export const SHAPES: Readonly<Record<string, Mapper>> = {
  ARG_MAX: argument("argMax", "ArgMaxOptions"),
  ARG_MIN: argument("argMin", "ArgMinOptions"),
  BATCH_TO_SPACE_ND: batchToSpace,
  BROADCAST_TO: (n) => n.emit("expand", [n.input(0), n.input(1)]),
  CONCATENATION: concatenation,
  EXPAND_DIMS: expandDims,
  FILL: fill,
  GATHER: gather,
  MEAN: reduce("reduceMean"),
  MIRROR_PAD: mirrorPad,
  PACK: pack,
  PAD: pad,
  PADV2: pad,
  RANGE: (n) => n.emit("range", [n.input(0), n.input(1), n.input(2)]),
  RANK: rank,
  REDUCE_MAX: reduce("reduceMax"),
  REDUCE_MIN: reduce("reduceMin"),
  REDUCE_PROD: reduce("reduceProd"),
  RESHAPE: reshape,
  SHAPE: shape,
  SLICE: slice,
  SPACE_TO_BATCH_ND: spaceToBatch,
  SPLIT: split,
  SPLIT_V: splitV,
  SQUEEZE: squeeze,
  STRIDED_SLICE: stridedSlice,
  SUM: reduce("reduceSum"),
  TILE: tile,
  TRANSPOSE: transpose,
  UNPACK: unpack,
  ZEROS_LIKE: zerosLike,
};
