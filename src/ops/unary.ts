/** Elementwise ops of one input (ONNX operator specification). */
import type { Attrs } from "../ir/graph.ts";
import type { Expr } from "../loop/types.ts";
import { unary as unaryExpr } from "../loop/expr.ts";
import { parseDType, type DType } from "../tensor/dtype.ts";
import * as a from "./arith.ts";
import { defineOp, sameAs, type InputClass, type Op } from "./define.ts";
import { map } from "./nests.ts";

type Body<A> = (x: Expr, attrs: { readonly [K in keyof A]: A[K] extends number ? number : A[K] extends string ? string : A[K] }) => Expr;

/** An op whose result has the input's type. Integer inputs take only bodies that say so by their class. */
function unary<A extends Attrs>(name: string, cls: InputClass, attrs: A, body: Body<A>): Op {
  return defineOp({
    name,
    inputs: { x: cls },
    attrs,
    traits: { elementwise: true },
    infer: ({ x }) => [sameAs(x)],
    compute: ({ out }, { x }, values) => map(out, [x], (v) => body(v, values as Parameters<Body<A>>[1])),
  });
}

const direct = (op: "exp" | "log" | "sqrt" | "tanh" | "erf" | "floor" | "ceil" | "roundEven" | "sin" | "cos"): Op =>
  unary(op, "float", {}, (x) => unaryExpr(op, x));

/** max(x, 0) + min(x, 0)·slope, which has no branch. */
const leaky = (x: Expr, slope: number): Expr => a.select(a.lt(x, 0), a.mul(x, slope), x);
const geluTanh = (x: Expr): Expr => {
  const inner = a.mul(Math.sqrt(2 / Math.PI), a.add(x, a.mul(0.044715, a.mul(x, a.mul(x, x)))));
  return a.mul(a.mul(0.5, x), a.add(1, a.tanh(inner)));
};
const geluErf = (x: Expr): Expr => a.mul(a.mul(0.5, x), a.add(1, a.erf(a.mul(x, Math.SQRT1_2))));
const castTo = (x: Expr, to: DType): Expr => (to === "bool" ? a.ne(x, 0) : a.cast(x, to));

export const relu: Op = unary("relu", "number", {}, (x) => a.max(x, 0));
export const sigmoid: Op = unary("sigmoid", "float", {}, a.sigmoid);
export const hardSigmoid: Op = unary("hardSigmoid", "float", { alpha: 0.2, beta: 0.5 }, (x, { alpha, beta }) =>
  a.clamp(a.add(a.mul(x, alpha), beta), 0, 1),
);
export const hardSwish: Op = unary("hardSwish", "float", {}, (x) => a.mul(x, a.clamp(a.add(a.mul(x, 1 / 6), 0.5), 0, 1)));
export const silu: Op = unary("silu", "float", {}, (x) => a.mul(x, a.sigmoid(x)));
export const leakyRelu: Op = unary("leakyRelu", "float", { alpha: 0.01 }, (x, { alpha }) => leaky(x, alpha));
export const elu: Op = unary("elu", "float", { alpha: 1 }, (x, { alpha }) => a.select(a.lt(x, 0), a.mul(alpha, a.sub(a.exp(x), 1)), x));
export const selu: Op = unary(
  "selu",
  "float",
  { alpha: 1.67326319217681884765625, gamma: 1.05070102214813232421875 },
  (x, { alpha, gamma }) => a.mul(gamma, a.select(a.le(x, 0), a.sub(a.mul(alpha, a.exp(x)), alpha), x)),
);
export const softplus: Op = unary("softplus", "float", {}, (x) => a.add(a.max(x, 0), a.log(a.add(a.exp(a.neg(a.abs(x))), 1))));
export const softsign: Op = unary("softsign", "float", {}, (x) => a.div(x, a.add(a.abs(x), 1)));
export const gelu: Op = unary("gelu", "float", { approximate: "none" }, (x, { approximate }) =>
  approximate === "tanh" ? geluTanh(x) : geluErf(x),
);
export const clip: Op = unary("clip", "number", { min: -Infinity, max: Infinity }, (x, { min, max }) => {
  const low = min === -Infinity ? x : a.max(x, min);
  return max === Infinity ? low : a.min(low, max);
});
export const neg: Op = unary("neg", "number", {}, a.neg);
export const abs: Op = unary("abs", "number", {}, a.abs);
export const sign: Op = unary("sign", "number", {}, (x) =>
  a.select(a.gt(x, 0), a.constantLike(x, 1), a.select(a.lt(x, 0), a.constantLike(x, -1), x)),
);
export const reciprocal: Op = unary("reciprocal", "float", {}, (x) => a.div(1, x));
export const not: Op = unary("not", "bool", {}, a.not);
export const exp: Op = direct("exp");
export const log: Op = direct("log");
export const sqrt: Op = direct("sqrt");
export const tanh: Op = direct("tanh");
export const erf: Op = direct("erf");
export const floor: Op = direct("floor");
export const ceil: Op = direct("ceil");
export const roundEven: Op = direct("roundEven");
export const sin: Op = direct("sin");
export const cos: Op = direct("cos");

export const identity: Op = defineOp({
  name: "identity",
  inputs: { x: "any" },
  attrs: {},
  traits: { elementwise: true, view: true },
  infer: ({ x }) => [sameAs(x)],
  compute: ({ out }, { x }) => map(out, [x], (v) => v),
});

export const cast: Op = defineOp({
  name: "cast",
  inputs: { x: "any" },
  attrs: { to: "float32" },
  traits: { elementwise: true },
  infer: ({ x }, { to }) => [{ dtype: parseDType(to), shape: x.shape }],
  compute: ({ out }, { x }) => map(out, [x], (v) => castTo(v, out.dtype)),
});

export const isNaN: Op = defineOp({
  name: "isNaN",
  inputs: { x: "float" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "bool", shape: x.shape }],
  compute: ({ out }, { x }) => map(out, [x], (v) => a.ne(v, v)),
});
