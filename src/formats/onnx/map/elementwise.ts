import type { Attrs, Value } from "../../../ir/graph.ts";
import { axisOf } from "../../../ops/define.ts";
import { tensor } from "../../../tensor/tensor.ts";
import type { Mapper, NodeView } from "./node.ts";

/** An operator that is one op of ours, with all its inputs in the same order. */
const direct =
  (op: string, attrs: (n: NodeView) => Attrs = () => ({})): Mapper =>
  (n) =>
    n.emit(op, n.inputs, attrs(n));

/** Up to operator set 6 the second input broadcasts only when asked, from `axis` on. */
const legacy =
  (op: string): Mapper =>
  (n) => {
    const [x, y] = [n.input(0), n.input(1)];
    if (n.opset >= 7 || !n.flag("broadcast") || !n.has("axis")) return n.emit(op, [x, y]);
    const after = x.shape.length - axisOf(op, n.int("axis", 0), x.shape.length) - y.shape.length;
    const axes = Array.from({ length: Math.max(0, after) }, (_, i) => y.shape.length + i);
    return n.emit(op, [x, axes.length > 0 ? n.step("unsqueeze", [y], { axes }) : y]);
  };

/** An operator over any number of inputs, as a chain of one over two. */
const chain =
  (op: string): Mapper =>
  (n) => {
    const last = n.inputs.length - 1;
    if (last < 1) return n.emit("identity", [n.input(0)]);
    let sum = n.input(0);
    for (let i = 1; i < last; i++) sum = n.step(op, [sum, n.input(i)]);
    return n.emit(op, [sum, n.input(last)]);
  };

/** Sum, then a division by how many there are. */
const mean: Mapper = (n) => {
  const sum = n.inputs.slice(1).reduce<Value>((total, _, i) => n.step("add", [total, n.input(i + 1)]), n.input(0));
  return n.emit("div", [sum, n.scalarLike(sum, n.inputs.length)]);
};

/** Bounds are attributes up to operator set 10, and optional inputs since. */
const clip: Mapper = (n) => {
  const x = n.input(0);
  const [, low, high] = n.inputs;
  if ((low && !low.data) || (high && !high.data)) {
    const above = low ? n.step("max", [x, low]) : x;
    return n.emit(high ? "min" : "identity", high ? [above, high] : [above]);
  }
  const min = n.known(1)?.[0] ?? n.float("min", -Infinity);
  const max = n.known(2)?.[0] ?? n.float("max", Infinity);
  return n.emit("clip", [x], { min, max });
};

/** The exponent may be of another type than the base. */
const pow: Mapper = (n) => {
  const x = n.input(0);
  const exponent = n.input(1);
  return n.emit("pow", [x, exponent.dtype === x.dtype ? exponent : n.step("cast", [exponent], { to: x.dtype })]);
};

const dropout: Mapper = (n) => {
  const training = n.inputs[2] !== undefined && n.known(2)?.[0] !== 0;
  if (training && n.known(1)?.[0] !== 0) throw n.unsupported("the training mode", "Export the model for inference.");
  return withMask(n);
};

/** The second output is the mask of what was kept: everything. */
function withMask(n: NodeView): Value | readonly Value[] {
  const x = n.input(0);
  const y = n.emit("identity", [x]);
  if ((n.node.output[1] ?? "") === "") return y;
  const yes = n.constant(tensor("bool", [], Uint8Array.of(1)));
  return [y, n.step("expand", [yes, n.step("shape", [x])])];
}

const identity: Mapper = (n) => n.emit("identity", [n.input(0)]);

/** x where x > alpha, else 0. */
const thresholdedRelu: Mapper = (n) => {
  const x = n.input(0);
  const above = n.step("greater", [x, n.scalarLike(x, n.float("alpha", 1))]);
  return n.emit("where", [above, x, n.scalarLike(x, 0)]);
};

/** max(0, x) + min(0, alpha · (exp(x / alpha) − 1)): elu of x / alpha, times alpha. */
const celu: Mapper = (n) => {
  const x = n.input(0);
  const alpha = n.scalarLike(x, n.float("alpha", 1));
  return n.emit("mul", [n.step("elu", [n.step("div", [x, alpha])], { alpha: 1 }), alpha]);
};

/** x · tanh(softplus(x)) */
const mish: Mapper = (n) => n.emit("mul", [n.input(0), n.step("tanh", [n.step("softplus", [n.input(0)])])]);

/** x · sigmoid(alpha · x) */
const swish: Mapper = (n) => {
  const x = n.input(0);
  const alpha = n.float("alpha", 1);
  return alpha === 1 ? n.emit("silu", [x]) : n.emit("mul", [x, n.step("sigmoid", [n.step("mul", [x, n.scalarLike(x, alpha)])])]);
};

/** Up to operator set 6 a slope for each channel is a vector. */
const prelu: Mapper = (n) => {
  const [x, slope] = [n.input(0), n.input(1)];
  const perChannel = n.opset < 7 && slope.shape.length === 1 && slope.shape[0] !== 1 && x.shape.length > 2;
  const axes = x.shape.slice(2).map((_, i) => i + 1);
  return n.emit("prelu", [x, perChannel ? n.step("unsqueeze", [slope], { axes }) : slope]);
};

/** Towards 0 by bias outside of ±lambd, 0 inside. */
const shrink: Mapper = (n) => {
  const x = n.input(0);
  const [lambda, bias] = [n.float("lambd", 0.5), n.scalarLike(x, n.float("bias", 0))];
  const high = n.step("where", [n.step("greater", [x, n.scalarLike(x, lambda)]), n.step("sub", [x, bias]), n.scalarLike(x, 0)]);
  return n.emit("where", [n.step("less", [x, n.scalarLike(x, -lambda)]), n.step("add", [x, bias]), high]);
};

const isInf: Mapper = (n) =>
  n.emit("isInf", [n.input(0)], { negative: n.flag("detect_negative", true), positive: n.flag("detect_positive", true) });

/** Operators that keep the shape, or broadcast. */
export const ELEMENTWISE: Readonly<Record<string, Mapper>> = {
  Abs: direct("abs"),
  Acos: direct("acos"),
  Acosh: direct("acosh"),
  Add: legacy("add"),
  And: legacy("and"),
  Asin: direct("asin"),
  Asinh: direct("asinh"),
  Atan: direct("atan"),
  Atanh: direct("atanh"),
  BitCast: (n) => n.emit("bitCast", [n.input(0)], { to: n.dtype("to", 1) }),
  BitShift: (n) => n.emit(n.text("direction", "LEFT") === "LEFT" ? "shiftLeft" : "shiftRight", [n.input(0), n.input(1)]),
  BitwiseAnd: direct("bitwiseAnd"),
  BitwiseNot: direct("bitwiseNot"),
  BitwiseOr: direct("bitwiseOr"),
  BitwiseXor: direct("bitwiseXor"),
  Ceil: direct("ceil"),
  Celu: celu,
  Clip: clip,
  Cos: direct("cos"),
  Cosh: direct("cosh"),
  Div: legacy("div"),
  Dropout: dropout,
  Elu: direct("elu", (n) => ({ alpha: n.float("alpha", 1) })),
  Equal: legacy("equal"),
  Erf: direct("erf"),
  Exp: direct("exp"),
  Floor: direct("floor"),
  Gelu: direct("gelu", (n) => ({ approximate: n.text("approximate", "none") })),
  Greater: legacy("greater"),
  GreaterOrEqual: direct("greaterOrEqual"),
  HardSigmoid: direct("hardSigmoid", (n) => ({ alpha: n.float("alpha", 0.2), beta: n.float("beta", 0.5) })),
  HardSwish: direct("hardSwish"),
  Identity: identity,
  IsInf: isInf,
  IsNaN: direct("isNaN"),
  LeakyRelu: direct("leakyRelu", (n) => ({ alpha: n.float("alpha", 0.01) })),
  Less: legacy("less"),
  LessOrEqual: direct("lessOrEqual"),
  Log: direct("log"),
  Max: chain("max"),
  Mean: mean,
  Min: chain("min"),
  Mish: mish,
  Mod: direct("mod", (n) => ({ fmod: n.flag("fmod") })),
  Mul: legacy("mul"),
  Neg: direct("neg"),
  Not: direct("not"),
  Or: legacy("or"),
  PRelu: prelu,
  Pow: pow,
  Reciprocal: direct("reciprocal"),
  Relu: direct("relu"),
  Round: direct("roundEven"),
  Selu: direct("selu", (n) => ({ alpha: n.float("alpha", 1.67326319217681884765625), gamma: n.float("gamma", 1.05070102214813232421875) })),
  Sigmoid: direct("sigmoid"),
  Sign: direct("sign"),
  Shrink: shrink,
  Sin: direct("sin"),
  Sinh: direct("sinh"),
  Softplus: direct("softplus"),
  Softsign: direct("softsign"),
  Sqrt: direct("sqrt"),
  Sub: legacy("sub"),
  Sum: chain("add"),
  Swish: swish,
  Tan: direct("tan"),
  Tanh: direct("tanh"),
  ThresholdedRelu: thresholdedRelu,
  Where: direct("where"),
  Xor: legacy("xor"),
};
