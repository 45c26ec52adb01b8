import type { Attrs, Value } from "../../../ir/graph.ts";
import type { OptionName } from "../options.ts";
import { tfliteDType, tfliteTypeName } from "../types.ts";
import type { Mapper, OperatorView } from "./node.ts";

const direct =
  (op: string, attrs: (n: OperatorView) => Attrs = () => ({})): Mapper =>
  (n) =>
    n.emit(op, n.inputs, attrs(n));

type FusedTable = Extract<OptionName, "AddOptions" | "SubOptions" | "MulOptions" | "DivOptions">;

const arithmetic =
  (op: string, table: FusedTable): Mapper =>
  (n) =>
    n.emitFused(op, [n.input(0), n.input(1)], {}, n.options(table).activation);

const clip = (min: number, max: number): Mapper => direct("clip", () => ({ min, max }));

const addN: Mapper = (n) => {
  const last = n.inputs.length - 1;
  if (last < 1) return n.emit("identity", [n.input(0)]);
  let sum = n.input(0);
  for (let i = 1; i < last; i++) sum = n.step("add", [sum, n.input(i)]);
  return n.emit("add", [sum, n.input(last)]);
};

const cast: Mapper = (n) => {
  const { outDataType } = n.options("CastOptions");
  const to = tfliteDType(outDataType);
  if (to === undefined) throw n.unsupported(`the type ${tfliteTypeName(outDataType)}`);
  return n.emit("cast", [n.input(0)], { to });
};

/** A float16 constant is widened where it is made; what is left is float16 that was computed. */
const dequantize: Mapper = (n) => {
  const x = n.input(0);
  if (x.dtype !== "float16") throw n.unsupported(`the type ${x.dtype}`, "Give hone the float32 or float16 model.");
  return n.emit("cast", [x], { to: "float32" });
};

const squaredDifference: Mapper = (n) => {
  const difference = n.step("sub", [n.input(0), n.input(1)]);
  return n.emit("mul", [difference, difference]);
};

const softmax: Mapper = (n) => {
  const x = n.input(0);
  const { beta } = n.options("SoftmaxOptions");
  return n.emit("softmax", [beta === 1 ? x : n.step("mul", [x, n.scalarLike(x, beta)])], { axis: x.shape.length - 1 });
};

/** x / sqrt(max(Σ x², 1e-6)) along the last axis. */
const l2Normalization: Mapper = (n) => {
  const x = n.input(0);
  const sum = n.step("reduceSumSquare", [x], { axes: [x.shape.length - 1], keepDims: true });
  return n.emit("div", [x, n.step("sqrt", [n.step("max", [sum, n.scalarLike(sum, 1e-6)])])]);
};

/** [batch, I] · weights[O, I]ᵀ + bias; what is before the last axis of x is the batch. */
const fullyConnected: Mapper = (n) => {
  const o = n.options("FullyConnectedOptions");
  if (o.weightsFormat !== 0) throw n.unsupported("shuffled weights");
  const [x, w] = [n.input(0), n.input(1)];
  const flat = x.shape.length === 2 ? x : n.step("reshape", [x, n.ints64([-1, n.size(w, 1)])], { allowZero: false });
  const attrs = { alpha: 1, beta: 1, transA: false, transB: true };
  if (!o.keepNumDims || x.shape.length === 2) return n.emitFused("gemm", [flat, w, n.inputs[2]], attrs, o.activation);
  const shape = [...x.shape.slice(0, -1).map((_, i) => n.size(x, i)), n.size(w, 0)];
  return n.emitFused("reshape", [n.step("gemm", [flat, w, n.inputs[2]], attrs), n.ints64(shape)], { allowZero: false }, o.activation);
};

const batchMatMul: Mapper = (n) => {
  const { adjX, adjY } = n.options("BatchMatMulOptions");
  const turned = (x: Value, adjoint: boolean): Value => {
    if (!adjoint) return x;
    const rank = x.shape.length;
    const perm = x.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
    return n.step("transpose", [x], { perm });
  };
  return n.emit("matMul", [turned(n.input(0), adjX), turned(n.input(1), adjY)]);
};

/** Operators that keep the shape or broadcast, and products of matrices. */
export const ELEMENTWISE: Readonly<Record<string, Mapper>> = {
  ABS: direct("abs"),
  ADD: arithmetic("add", "AddOptions"),
  ADD_N: addN,
  BATCH_MATMUL: batchMatMul,
  CAST: cast,
  CEIL: direct("ceil"),
  COS: direct("cos"),
  DEQUANTIZE: dequantize,
  DIV: arithmetic("div", "DivOptions"),
  ELU: direct("elu", () => ({ alpha: 1 })),
  EQUAL: direct("equal"),
  EXP: direct("exp"),
  FLOOR: direct("floor"),
  FLOOR_DIV: (n) => n.emit("floor", [n.step("div", [n.input(0), n.input(1)])]),
  FULLY_CONNECTED: fullyConnected,
  GELU: direct("gelu", (n) => ({ approximate: n.options("GeluOptions").approximate ? "tanh" : "none" })),
  GREATER: direct("greater"),
  GREATER_EQUAL: direct("greaterOrEqual"),
  HARD_SWISH: direct("hardSwish"),
  L2_NORMALIZATION: l2Normalization,
  LEAKY_RELU: direct("leakyRelu", (n) => ({ alpha: n.options("LeakyReluOptions").alpha })),
  LESS: direct("less"),
  LESS_EQUAL: direct("lessOrEqual"),
  LOG: direct("log"),
  LOGICAL_AND: direct("and"),
  LOGICAL_NOT: direct("not"),
  LOGICAL_OR: direct("or"),
  LOGISTIC: direct("sigmoid"),
  LOG_SOFTMAX: (n) => n.emit("logSoftmax", [n.input(0)], { axis: n.input(0).shape.length - 1 }),
  MAXIMUM: direct("max"),
  MINIMUM: direct("min"),
  MUL: arithmetic("mul", "MulOptions"),
  NEG: direct("neg"),
  NOT_EQUAL: (n) => n.emit("not", [n.step("equal", [n.input(0), n.input(1)])]),
  POW: direct("pow"),
  PRELU: direct("prelu"),
  RELU: direct("relu"),
  RELU6: clip(0, 6),
  RELU_0_TO_1: clip(0, 1),
  RELU_N1_TO_1: clip(-1, 1),
  ROUND: direct("roundEven"),
  RSQRT: (n) => n.emit("reciprocal", [n.step("sqrt", [n.input(0)])]),
  SELECT_V2: direct("where"),
  SIGN: direct("sign"),
  SIN: direct("sin"),
  SOFTMAX: softmax,
  SQRT: direct("sqrt"),
  SQUARE: (n) => n.emit("mul", [n.input(0), n.input(0)]),
  SQUARED_DIFFERENCE: squaredDifference,
  SUB: arithmetic("sub", "SubOptions"),
  TANH: direct("tanh"),
};
