import type { Value } from "../../../ir/graph.ts";
import { axisOf } from "../../../ops/define.ts";
import { isFloat } from "../../../tensor/dtype.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import type { Mapper, NodeView } from "./node.ts";

const constant: Mapper = (n) => {
  const value = n.tensor("value") ?? numbersOf(n);
  if (value === undefined) throw n.unsupported("constants that are text or sparse");
  return n.constant(value);
};

function numbersOf(n: NodeView): Tensor | undefined {
  const floats = n.floats("value_floats");
  if (floats !== undefined) return tensor("float32", [floats.length], floats);
  const ints = n.ints("value_ints");
  if (ints !== undefined) return tensor("int64", [ints.length], BigInt64Array.from(ints, BigInt));
  if (n.has("value_float")) return tensor("float32", [], Float32Array.of(n.float("value_float", 0)));
  if (n.has("value_int")) return tensor("int64", [], BigInt64Array.of(BigInt(n.int("value_int", 0))));
  return undefined;
}

const constantOfShape: Mapper = (n) => {
  const fill = n.tensor("value") ?? tensor("float32", [1], Float32Array.of(0));
  const [value] = fill.data;
  if (value === undefined || fill.data.length !== 1) throw new HoneError("model.damaged", "the attribute value does not hold one element");
  if (fill.type === "float16" || fill.type === "bfloat16") {
    const shape = n.input(0);
    const one = n.constant(tensor(fill.type, [], fill.data));
    return n.emit("expand", [one, shape]);
  }
  return n.emit("constantOfShape", [n.input(0)], { value: Number(value), dtype: fill.type });
};

/** Attributes up to operator set 9, inputs since. */
const slice: Mapper = (n) => {
  if (n.opset >= 10) return n.emit("slice", n.inputs);
  const [starts, ends] = [n.ints("starts"), n.ints("ends")];
  if (starts === undefined || ends === undefined) throw new HoneError("model.damaged", "starts or ends is missing");
  const axes = n.ints("axes");
  return n.emit("slice", [n.input(0), n.ints64(starts), n.ints64(ends), axes && n.ints64(axes)]);
};

const split: Mapper = (n) => {
  const x = n.input(0);
  const axis = n.int("axis", 0);
  const outputs = n.node.output.length;
  const sizes = n.ints("split") ?? n.fixed(1, "part sizes") ?? equalParts(n, x, axis, outputs);
  if (sizes.length !== outputs) throw new HoneError("model.damaged", `${sizes.length} parts for ${outputs} outputs`);
  return n.emitAll("split", [x], { axis, sizes }, outputs);
};

function equalParts(n: NodeView, x: Value, axis: number, parts: number): number[] {
  const size = x.shape[axis < 0 ? axis + x.shape.length : axis];
  if (typeof size !== "number")
    throw n.unsupported(`parts of the unknown size ${size?.text ?? "?"}`, "Give the input's shape, for example --shape input=1x3x640x640.");
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => (i < parts - 1 ? each : size - each * (parts - 1)));
}

const squeeze: Mapper = (n) => n.emit("squeeze", [n.input(0)], { axes: n.axes(1) ?? [] });

const unsqueeze: Mapper = (n) => {
  const axes = n.axes(1);
  if (axes === undefined) throw new HoneError("model.damaged", "axes is missing");
  return n.emit("unsqueeze", [n.input(0)], { axes });
};

/** Attributes up to operator set 10, inputs since, for some axes only since 18. */
const pad: Mapper = (n) => {
  const x = n.input(0);
  const mode = n.text("mode", "constant");
  if (!["constant", "reflect", "edge", "wrap"].includes(mode)) throw n.unsupported(`the mode "${mode}"`);
  if (n.opset < 11) {
    const pads = n.ints("pads");
    if (pads === undefined) throw new HoneError("model.damaged", "pads is missing");
    return n.emit("pad", [x, n.ints64(pads), n.scalarLike(x, n.float("value", 0))], { mode });
  }
  const axes = n.fixed(3, "axes");
  return n.emit("pad", [x, axes === undefined ? n.input(1) : spreadPads(n, x, axes), mode === "constant" ? n.inputs[2] : undefined], {
    mode,
  });
};

function spreadPads(n: NodeView, x: Value, axes: readonly number[]): Value {
  const rank = x.shape.length;
  const given = n.fixed(1, "pads of some axes") ?? [];
  const all = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    const at = axisOf("pad", axis, rank);
    all[at] = given[i] ?? 0;
    all[at + rank] = given[i + axes.length] ?? 0;
  });
  return n.ints64(all);
}

const shape: Mapper = (n) => n.emit("shape", [n.input(0)], { start: n.int("start", 0), ...(n.has("end") ? { end: n.int("end", 0) } : {}) });

const size: Mapper = (n) => n.emit("reduceProd", [n.step("shape", [n.input(0)])], { axes: [0], keepDims: false });

const gather: Mapper = (n) => n.emit("gather", [n.input(0), n.input(1)], { axis: n.int("axis", 0) });

const range: Mapper = (n) => n.emit("range", [n.input(0), n.input(1), n.input(2)]);

/** Equal to flatten at the axis, reversed or not: the shape is data, so that symbols stay symbols. */
export function flattenAround(n: NodeView, x: Value, axis: number, inner: (flat: Value) => Value): Value {
  const flat = n.step("flatten", [x], { axis });
  return n.emit("reshape", [inner(flat), n.step("shape", [x])], { allowZero: false });
}

const depthToSpace: Mapper = (n) => n.emit("depthToSpace", [n.input(0)], { blockSize: n.int("blocksize", 1), mode: n.text("mode", "DCR") });

/** Nearest is what operator set 7 and 9 know; they count from the corner. */
const upsample: Mapper = (n) => {
  const x = n.input(0);
  const scales = n.floats("scales");
  const value = scales === undefined ? n.input(1) : n.constant(tensor("float32", [scales.length], scales));
  return n.emit("resize", [x, value], { mode: n.text("mode", "nearest"), coordinates: "asymmetric", nearestMode: "floor" });
};

/** Expands in both directions, as numpy does. */
const expand: Mapper = (n) => n.emit("expand", [n.input(0), n.input(1)]);

/** More classes than any model tells apart. */
const MAX_DEPTH = 1 << 20;

/** 0 or 1 for the index, by comparing with 0, 1, …; the new axis is the last unless `axis` says another. */
const oneHot: Mapper = (n) => {
  const depth = n.fixed(1, "depths")?.[0];
  if (depth === undefined || !(depth >= 1 && depth <= MAX_DEPTH)) throw new HoneError("model.damaged", `depth is ${depth ?? "missing"}`);
  const indices = n.input(0);
  const values = n.input(2);
  const rank = indices.shape.length + 1;
  const given = n.int("axis", -1);
  const axis = given < 0 ? given + rank : given;
  const steps = n.ints64(
    Array.from({ length: depth }, (_, i) => i),
    Array.from({ length: rank }, (_, i) => (i === axis ? depth : 1)),
  );
  const whole = isFloat(indices.dtype) || indices.dtype !== "int64" ? n.step("cast", [indices], { to: "int64" }) : indices;
  const wrapped = n.step("where", [n.step("less", [whole, n.ints64([0], [])]), n.step("add", [whole, n.ints64([depth], [])]), whole]);
  const hit = n.step("equal", [n.step("unsqueeze", [wrapped], { axes: [axis] }), steps]);
  const pick = (i: number): Value => n.step("gather", [values, n.ints64([i], [])], { axis: 0 });
  return n.emit("where", [hit, pick(1), pick(0)]);
};

/** Operators that move elements, and those that tell shapes. */
export const SHAPES: Readonly<Record<string, Mapper>> = {
  Concat: (n) => n.emit("concat", n.inputs, { axis: n.int("axis", 1) }),
  Constant: constant,
  ConstantOfShape: constantOfShape,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: (n) => n.emit("flatten", [n.input(0)], { axis: n.int("axis", 1) }),
  Gather: gather,
  OneHot: oneHot,
  Pad: pad,
  Range: range,
  Reshape: (n) => n.emit("reshape", [n.input(0), n.input(1)], { allowZero: n.flag("allowzero") }),
  Shape: shape,
  Size: size,
  Slice: slice,
  SpaceToDepth: (n) => n.emit("spaceToDepth", [n.input(0)], { blockSize: n.int("blocksize", 1) }),
  Split: split,
  Squeeze: squeeze,
  Tile: (n) => n.emit("tile", [n.input(0), n.input(1)]),
  Transpose: (n) => n.emit("transpose", [n.input(0)], { perm: n.ints("perm") ?? n.input(0).shape.map((_, i, all) => all.length - 1 - i) }),
  Unsqueeze: unsqueeze,
  Upsample: upsample,
};
