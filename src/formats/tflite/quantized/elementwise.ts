import type { Value } from "../../../ir/graph.ts";
import { elementCount, tensor } from "../../../tensor/tensor.ts";
import type { OptionName } from "../options.ts";
import { exponentialTables, fixedPoint, meanMultiplier, multiplied, roundAway } from "./fixed-point.ts";
import type { QuantizedMapper, QuantizedView } from "./view.ts";

type Fused = Extract<OptionName, "AddOptions" | "SubOptions">;

/** Both brought to twice the larger scale, with 20 more bits; then to the output's. */
const sum =
  (table: Fused, subtract: boolean): QuantizedMapper =>
  (n) => {
    const [x, y, z] = [n.scale(0), n.scale(1), n.outputScale];
    const twice = 2 * Math.max(x.scale, y.scale);
    const inputs = [
      n.bytes(0),
      n.bytes(1),
      n.byte(x.zero),
      ...n.multiplier(x.scale / twice).operands,
      n.byte(y.zero),
      ...n.multiplier(y.scale / twice).operands,
    ];
    const { operands, left } = n.multiplier(twice / (2 ** 20 * z.scale));
    if (left) throw n.unsupported("an output in far smaller steps than the inputs");
    return n.emit("fixedPointAdd", [...inputs, ...operands, ...n.limits(n.options(table).activation)], { subtract });
  };

/** TFLite multiplies and divides these scales in float32. */
const productScale = (x: number, y: number, z: number): number => Math.fround(Math.fround(x * y) / z);

const mul: QuantizedMapper = (n) => {
  const [x, y] = [n.scale(0), n.scale(1)];
  const { operands, left } = n.multiplier(productScale(x.scale, y.scale, n.outputScale.scale));
  const limits = n.limits(n.options("MulOptions").activation);
  return n.emit("fixedPointMul", [n.bytes(0), n.bytes(1), n.byte(x.zero), n.byte(y.zero), ...operands, ...limits, left]);
};

/** Below zero by the slope's bytes, else by one. */
const prelu: QuantizedMapper = (n) => {
  const [x, slope, y] = [n.scale(0), n.scale(1), n.outputScale];
  const positive = fixedPoint(Math.fround(x.scale / y.scale));
  const table = Uint8Array.from({ length: 256 }, (_, b) => Math.max(0, Math.min(255, multiplied(b - x.zero, positive) + y.zero)));
  const { operands, left } = n.multiplier(productScale(x.scale, slope.scale, y.scale));
  const bytes = n.bytes(0);
  const limits = n.limits();
  const below = n.step("fixedPointMul", [bytes, n.bytes(1), n.byte(x.zero), n.byte(slope.zero), ...operands, ...limits, left]);
  const above = n.step("quantizedTable", [bytes, n.constant(tensor("uint8", [256], table))]);
  return n.emit("where", [n.step("greaterOrEqual", [bytes, n.byte(x.zero)]), above, below]);
};

const leakyRelu: QuantizedMapper = (n) => {
  const [x, y] = [n.scale(0), n.outputScale];
  const { alpha } = n.options("LeakyReluOptions");
  const [negative, positive] = [Math.fround(Math.fround(x.scale * alpha) / y.scale), Math.fround(x.scale / y.scale)].map(fixedPoint);
  return n.emitTable(0, (v) => (positive && negative ? multiplied(v, v >= 0 ? positive : negative) : 0) + y.zero);
};

/** In other steps, between the bytes of two numbers. */
const relu =
  (low: number, high: number): QuantizedMapper =>
  (n) => {
    const [x, y] = [n.scale(0), n.outputScale];
    const m = fixedPoint(Math.fround(x.scale / y.scale));
    const at = (real: number): number => y.zero + roundAway(Math.fround(real / y.scale));
    const top = high === Infinity ? 255 : at(high);
    return n.emitTable(0, (v) => Math.min(Math.max(multiplied(v, m) + y.zero, at(low)), top));
  };

const requantize: QuantizedMapper = (n) => {
  if (!n.isQuantized(0)) {
    if (n.input(0).dtype !== "float32") throw n.unsupported(`the type ${n.input(0).dtype}`);
    const { scale, zero } = n.outputScale;
    return n.emit("fixedPointQuantize", [n.input(0), n.reals([scale]), n.byte(zero)]);
  }
  const [x, y] = [n.scale(0), n.outputScale];
  const m = fixedPoint(x.scale / y.scale);
  return n.emitTable(0, (v) => multiplied(v, m) + y.zero);
};

const dequantize: QuantizedMapper = (n) => {
  const { scale, zero } = n.scale(0);
  return n.emit("dequantize", [n.bytes(0), n.reals([scale]), n.byte(zero)]);
};

/** A function of float32 by a table, as TFLite fills it. */
const lookup =
  (of: (x: number) => number): QuantizedMapper =>
  (n) => {
    const [x, y] = [n.scale(0), n.outputScale];
    const inverse = Math.fround(1 / y.scale);
    return n.emitTable(0, (v) => roundAway(Math.fround(Math.fround(of(Math.fround(x.scale * v))) * inverse)) + y.zero);
  };

const logistic = (x: number): number => 1 / Math.fround(1 + Math.fround(Math.exp(-x)));

/** A multiplier of 31 bits cut to 15. */
const short = (multiplier: number): number => (multiplier >= 32767 * 2 ** 16 ? 32767 : (multiplier + 2 ** 15) >> 16);
const short16 = (x: number): number => Math.max(-32768, Math.min(32767, x));
const highProduct16 = (x: number, y: number): number => Math.floor((x * y + 2 ** 14) / 2 ** 15);

/** In 16 bits: x with 7 more bits, by a number in [0, 1] that is (x + 3) / 6 as 15 bits. */
const hardSwish: QuantizedMapper = (n) => {
  const [x, y] = [n.scale(0), n.outputScale];
  const fine = Math.fround(Math.fround(1 / 128) * x.scale);
  const output = fixedPoint(Math.fround(fine / y.scale));
  const part = fixedPoint(Math.fround(fine / Math.fround(3 / 32768)));
  if (output.left !== 1) throw n.unsupported("an output in smaller steps than the input");
  const partOf = (v: number): number => {
    const first = part.left > 1 ? short16(v * (part.left / 2)) : v;
    const product = highProduct16(first, short(part.multiplier));
    const last = part.left > 1 ? short16(product * 2) : roundAway(product * part.scale);
    return (last + 2 ** 15) >> 1;
  };
  return n.emitTable(0, (v) => {
    const wide = v * 128;
    const scaled = Math.trunc((partOf(wide) * highProduct16(wide, short(output.multiplier))) / 2 ** 15);
    return roundAway(scaled * output.scale) + y.zero;
  });
};

const softmax: QuantizedMapper = (n) => {
  const { beta } = n.options("SoftmaxOptions");
  const { exponentials, summands } = exponentialTables(beta, n.scale(0).scale);
  const table = (data: Int32Array<ArrayBuffer>): Value => n.constant(tensor("int32", [256], data));
  return n.emit("fixedPointSoftmax", [n.bytes(0), table(exponentials), table(summands)]);
};

/** x less its zero point, in int32. */
function centred(n: QuantizedView, i: number): Value {
  return n.step("sub", [n.step("cast", [n.bytes(i)], { to: "int32" }), n.integer(n.scale(i).zero)]);
}

const total =
  (mean: boolean): QuantizedMapper =>
  (n) => {
    const x = n.input(0);
    const axes = [...new Set(n.fixed(1, "axes").map((axis) => n.axis(x, axis)))];
    const count = elementCount(axes.map((axis) => n.size(x, axis)));
    const m = fixedPoint(n.scale(0).scale / n.outputScale.scale);
    const { operands, left } = n.multipliers([mean ? meanMultiplier(m, count) : m]);
    const sums = n.step("reduceSum", [centred(n, 0)], { axes, keepDims: n.options("ReducerOptions").keepDims });
    return n.emit("fixedPointScale", [sums, ...operands, ...n.limits(), left]);
  };

const batchMatMul: QuantizedMapper = (n) => {
  const { adjX, adjY } = n.options("BatchMatMulOptions");
  const turned = (i: number, adjoint: boolean): Value => {
    const x = centred(n, i);
    const rank = x.shape.length;
    return adjoint ? n.step("transpose", [x], { perm: x.shape.map((_, at) => (at < rank - 2 ? at : 2 * rank - 3 - at)) }) : x;
  };
  const { operands, left } = n.multiplier((n.scale(0).scale * n.scale(1).scale) / n.outputScale.scale);
  const sums = n.step("matMul", [turned(0, adjX), turned(1, adjY)]);
  return n.emit("fixedPointScale", [sums, ...operands, ...n.limits(), left]);
};

/** Operators that keep the shape or broadcast, sums and products of bytes. */
export const ELEMENTWISE: Readonly<Record<string, QuantizedMapper>> = {
  ADD: sum("AddOptions", false),
  BATCH_MATMUL: batchMatMul,
  DEQUANTIZE: dequantize,
  HARD_SWISH: hardSwish,
  LEAKY_RELU: leakyRelu,
  LOGISTIC: lookup(logistic),
  MEAN: total(true),
  MUL: mul,
  PRELU: prelu,
  QUANTIZE: requantize,
  RELU: relu(0, Infinity),
  RELU6: relu(0, 6),
  RELU_0_TO_1: relu(0, 1),
  RELU_N1_TO_1: relu(-1, 1),
  SOFTMAX: softmax,
  SUB: sum("SubOptions", true),
  SUM: total(false),
  TANH: lookup((x) => Math.tanh(x)),
};
