import type { Value } from "../../../ir/graph.ts";
import { isStatic } from "../../../tensor/dim.ts";
import { tensor } from "../../../tensor/tensor.ts";
import type { Mapper, NodeView } from "./node.ts";
import { mark, narrowOf, type NarrowType } from "../narrow.ts";
import { narrowed, numbers } from "./cast.ts";
import { convAttrs } from "./window.ts";

const blocks = (n: NodeView): { readonly axis: number; readonly blockSize: number } => ({
  axis: n.int("axis", 1),
  blockSize: n.int("block_size", 0),
});

/** Scales of an axis, or of blocks of it, one for each element; a single one as it is. */
function perElement(n: NodeView, scale: Value, x: Value): Value {
  const { axis: given, blockSize } = blocks(n);
  const rank = x.shape.length;
  const axis = given < 0 ? given + rank : given;
  if (scale.shape.length === 0 || (scale.shape.length === 1 && scale.shape[0] === 1)) return scale;
  if (blockSize === 0) return n.step("unsqueeze", [scale], { axes: x.shape.slice(axis + 1).map((_, i) => i + 1) });
  const { shape } = x;
  if (!isStatic(shape)) throw n.unsupported("blocks of an axis of unknown size");
  const blocked = shape.flatMap((d, i) => (i === axis ? [Math.ceil(d / blockSize), blockSize] : [d]));
  const full = n.step("expand", [n.step("unsqueeze", [scale], { axes: [axis + 1] }), n.ints64(blocked)]);
  const whole = shape.map((d, i) => (i === axis ? Math.ceil(d / blockSize) * blockSize : d));
  const flat = n.step("reshape", [full, n.ints64(whole)], { allowZero: true });
  return n.step("slice", [flat, n.ints64([0]), n.ints64([shape[axis] ?? 0]), n.ints64([axis])]);
}

/** To a small float: x / scale, and a zero point, which is 0, but makes 0 of -0 in the types that have no other use for it. */
function quantizedFloat(n: NodeView, type: NarrowType): Value {
  const x = n.input(0);
  const scale = numbers(n, n.input(1));
  const steps = n.step("div", [single(n, x), single(n, perElement(n, scale, x))]);
  const zero = type.bits === 4 ? n.inputs[2] : undefined;
  return narrowed(n, zero ? n.step("add", [steps, perElement(n, numbers(n, zero), x)]) : steps, type);
}

/** To an integer of less than 8 bits: as to one of 8, and then within its range. */
function quantizedInteger(n: NodeView, { bits, dtype }: NarrowType): Value {
  const y = n.step("quantizeLinear", [n.input(0), numbers(n, n.input(1)), n.inputs[2]], { ...blocks(n), to: dtype });
  const min = dtype === "int8" ? -(2 ** (bits - 1)) : 0;
  return n.emit("clip", [y], { min, max: min + 2 ** bits - 1 });
}

const quantizeLinear: Mapper = (n) => {
  const to = n.int("output_dtype", 0) === 0 ? undefined : n.type("output_dtype", 2);
  const narrow = narrowOf(n.inputs[2]) ?? to?.narrow;
  if (narrow) return mark(narrow.float === undefined ? quantizedInteger(n, narrow) : quantizedFloat(n, narrow), narrow);
  const attrs = { ...blocks(n), ...(to ? { to: to.dtype } : {}) };
  return n.emit("quantizeLinear", [n.input(0), numbers(n, n.input(1)), n.inputs[2]], attrs);
};

const dequantizeLinear: Mapper = (n) => {
  const [x, scale] = [n.input(0), numbers(n, n.input(1))];
  const to = n.int("output_dtype", 0) === 0 ? n.input(1).dtype : n.dtype("output_dtype", 1);
  if (narrowOf(x)?.float === undefined && to === scale.dtype) return n.emit("dequantizeLinear", [x, scale, n.inputs[2]], blocks(n));
  if (narrowOf(x)?.float === undefined)
    return n.emit("cast", [n.step("dequantizeLinear", [x, single(n, scale), n.inputs[2]], blocks(n))], { to });
  const y = n.step("mul", [numbers(n, x), single(n, perElement(n, scale, x))]);
  return to === "float32" ? n.emit("identity", [y]) : n.emit("cast", [y], { to });
};

/** The range of x with 0 in it, cut into 255 steps. */
const dynamicQuantizeLinear: Mapper = (n) => {
  const x = n.input(0);
  const zero = n.scalarLike(x, 0);
  const low = n.step("min", [n.step("reduceMin", [x], { axes: [], keepDims: false }), zero]);
  const high = n.step("max", [n.step("reduceMax", [x], { axes: [], keepDims: false }), zero]);
  const scale = n.step("div", [n.step("sub", [high, low]), n.scalarLike(x, 255)]);
  const raw = n.step("roundEven", [n.step("neg", [n.step("div", [low, scale])])]);
  const zeroPoint = n.step("cast", [n.step("clip", [raw], { min: 0, max: 255 })], { to: "uint8" });
  return [n.emit("quantizeLinear", [x, scale, zeroPoint], {}), scale, zeroPoint];
};

/** x - zeroPoint in a type that holds it exactly; `vector` makes one zero point a row fit. */
function centred(n: NodeView, x: Value, zeroPoint: Value | undefined, to: "int32" | "float64", vector: (v: Value) => Value): Value {
  const whole = n.step("cast", [x], { to });
  return zeroPoint === undefined ? whole : n.step("sub", [whole, vector(n.step("cast", [zeroPoint], { to }))]);
}

const column = (n: NodeView, v: Value): Value => (v.shape.length === 1 ? n.step("unsqueeze", [v], { axes: [1] }) : v);

const matMulInteger: Mapper = (n) =>
  n.emit("matMul", [
    centred(n, n.input(0), n.inputs[2], "int32", (v) => column(n, v)),
    centred(n, n.input(1), n.inputs[3], "int32", (v) => v),
  ]);

/** In float64, whose sums of products of bytes are exact. */
const convInteger: Mapper = (n) => {
  const [x, w] = [n.input(0), n.input(1)];
  const perOutput = (v: Value): Value =>
    v.shape.length === 1 ? n.step("unsqueeze", [v], { axes: w.shape.slice(1).map((_, i) => i + 1) }) : v;
  const sums = n.step(
    "conv",
    [centred(n, x, n.inputs[2], "float64", (v) => v), centred(n, w, n.inputs[3], "float64", perOutput)],
    convAttrs(n, x, w),
  );
  return n.emit("cast", [sums], { to: "int32" });
};

/** A scale in float32, whatever the model has, so that products are summed in it. */
export const single = (n: NodeView, scale: Value): Value =>
  scale.dtype === "float32" ? scale : n.step("cast", [scale], { to: "float32" });

/** The operand at i, whose scale and zero point follow it. */
export const dequantized = (n: NodeView, i: number, axis: number): Value =>
  n.step("dequantizeLinear", [n.input(i), single(n, n.input(i + 1)), n.inputs[i + 2]], { axis });

const qLinearMatMul: Mapper = (n) => {
  const left = dequantized(n, 0, n.input(0).shape.length - 2);
  const right = dequantized(n, 3, n.input(3).shape.length - 1);
  return n.emit("quantizeLinear", [n.step("matMul", [left, right]), single(n, n.input(6)), n.inputs[7]]);
};

/** The scales of products; constant where both factors are. */
export function productScale(n: NodeView, x: Value, w: Value): Value {
  const [xs, ws] = [x, w].map((v) => n.knownOf(v));
  if (xs?.length !== 1 || !ws) return n.step("mul", [x, w]);
  return n.constant(
    tensor(
      "float32",
      w.shape.map(Number),
      Float32Array.from(ws, (s) => s * (xs[0] ?? 0)),
    ),
  );
}

/** The bias has the scale of the products. */
const qLinearConv: Mapper = (n) => {
  const [x, w] = [n.input(0), n.input(3)];
  const biasScale = productScale(n, single(n, n.input(1)), single(n, n.input(4)));
  const bias = n.inputs[8] && n.step("dequantizeLinear", [n.inputs[8], biasScale], { axis: 0 });
  const y = n.step("conv", [dequantized(n, 0, 0), dequantized(n, 3, 0), bias], convAttrs(n, x, w));
  return n.emit("quantizeLinear", [y, single(n, n.input(6)), n.inputs[7]]);
};

/** Operators on scaled integers, as what they mean. */
export const QUANTIZED: Readonly<Record<string, Mapper>> = {
  ConvInteger: convInteger,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matMulInteger,
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
  QuantizeLinear: quantizeLinear,
};
