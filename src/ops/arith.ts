/**
 * Arithmetic for op bodies. Operands may be JavaScript numbers, which take the other operand's dtype, and a scalar meets a
 * vector by broadcasting, so that one body serves scalar and vectorised schedules.
 */
import type { DType } from "../tensor/dtype.ts";
import * as e from "../loop/expr.ts";
import type { BinaryOp, CompareOp, Expr, UnaryOp } from "../loop/types.ts";

export type Term = Expr | number;

/** A constant of the same type as `like`. */
export const constantLike = (like: Expr, value: number): Expr => e.constant(value, like.type.dtype, like.type.lanes);

function meet(a: Term, b: Term): [Expr, Expr] {
  if (typeof a === "number") return typeof b === "number" ? [e.constant(a, "float32"), e.constant(b, "float32")] : [constantLike(b, a), b];
  if (typeof b === "number") return [a, constantLike(a, b)];
  const lanes = Math.max(a.type.lanes, b.type.lanes);
  return [e.broadcast(a, lanes), e.broadcast(b, lanes)];
}

const lift =
  (op: BinaryOp) =>
  (a: Term, b: Term): Expr =>
    e.binary(op, ...meet(a, b));
const liftCompare =
  (op: CompareOp) =>
  (a: Term, b: Term): Expr =>
    e.compare(op, ...meet(a, b));
const liftUnary =
  (op: UnaryOp) =>
  (a: Expr): Expr =>
    e.unary(op, a);

export const add: (a: Term, b: Term) => Expr = lift("add");
export const sub: (a: Term, b: Term) => Expr = lift("sub");
export const mul: (a: Term, b: Term) => Expr = lift("mul");
export const div: (a: Term, b: Term) => Expr = lift("div");
export const mod: (a: Term, b: Term) => Expr = lift("mod");
export const min: (a: Term, b: Term) => Expr = lift("min");
export const max: (a: Term, b: Term) => Expr = lift("max");
export const pow: (a: Term, b: Term) => Expr = lift("pow");
export const and: (a: Term, b: Term) => Expr = lift("and");
export const or: (a: Term, b: Term) => Expr = lift("or");
export const xor: (a: Term, b: Term) => Expr = lift("xor");
export const eq: (a: Term, b: Term) => Expr = liftCompare("eq");
export const ne: (a: Term, b: Term) => Expr = liftCompare("ne");
export const lt: (a: Term, b: Term) => Expr = liftCompare("lt");
export const le: (a: Term, b: Term) => Expr = liftCompare("le");
export const gt: (a: Term, b: Term) => Expr = liftCompare("gt");
export const ge: (a: Term, b: Term) => Expr = liftCompare("ge");
export const neg: (a: Expr) => Expr = liftUnary("neg");
export const abs: (a: Expr) => Expr = liftUnary("abs");
export const exp: (a: Expr) => Expr = liftUnary("exp");
export const log: (a: Expr) => Expr = liftUnary("log");
export const sqrt: (a: Expr) => Expr = liftUnary("sqrt");
export const tanh: (a: Expr) => Expr = liftUnary("tanh");
export const erf: (a: Expr) => Expr = liftUnary("erf");
export const floor: (a: Expr) => Expr = liftUnary("floor");
export const ceil: (a: Expr) => Expr = liftUnary("ceil");
export const not: (a: Expr) => Expr = liftUnary("not");

export function select(cond: Expr, a: Term, b: Term): Expr {
  const [x, y] = meet(a, b);
  const lanes = Math.max(x.type.lanes, cond.type.lanes);
  return e.select(cond, e.broadcast(x, lanes), e.broadcast(y, lanes));
}

export const clamp = (x: Term, lo: Term, hi: Term): Expr => min(max(x, lo), hi);

/** Beyond this the logistic function is 0 or 1 to within half a unit of float32. */
const LOGISTIC_RANGE = 18;
/** Odd coefficients of the numerator from x^9 down, and even ones of the denominator from x^10 down. */
const LOGISTIC_P = [4.37031012579801e-11, 1.15627324459942e-7, 6.08574864600143e-5, 8.51377133304701e-3, 2.48287947061529e-1];
const LOGISTIC_Q = [
  6.10247389755681e-13, 5.76102136993427e-9, 6.2910678501704e-6, 1.70198817374094e-3, 1.16817656904453e-1, 9.9315192102318e-1,
];

function horner(x: Expr, [first = 0, ...rest]: readonly number[]): Expr {
  return rest.reduce<Expr>((sum, c) => e.fma(x, sum, constantLike(x, c)), constantLike(x, first));
}

/**
 * The logistic function 1 / (1 + e^-x). In float32 it is 1/2 + x·P(x²)/Q(x²), the minimax rational approximation on [-18, 18]
 * that Eigen and ONNX Runtime evaluate: absolute error below 1.5e-7, no exponential, and scores that compare with theirs even
 * where they are tiny.
 */
export function sigmoid(x: Expr): Expr {
  if (x.type.dtype !== "float32") return div(1, add(exp(neg(x)), 1));
  const v = clamp(x, -LOGISTIC_RANGE, LOGISTIC_RANGE);
  const square = mul(v, v);
  const ratio = div(mul(horner(square, LOGISTIC_P), v), horner(square, LOGISTIC_Q));
  return max(add(ratio, 0.5), 0);
}

export const cast = (x: Expr, dtype: DType | "index"): Expr => e.cast(x, dtype);
/** An index as a number of the given dtype. */
export const fromIndex = (i: Expr, dtype: DType): Expr => e.cast(i, dtype);
