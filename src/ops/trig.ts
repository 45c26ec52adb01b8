/** Trigonometric and hyperbolic ops (ONNX operator specification), from the few functions that every target has. */
import { unary as unaryExpr } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { defineOp, sameAs, type Op } from "./define.ts";
import { map } from "./nests.ts";

function unary(name: string, body: (x: Expr) => Expr): Op {
  return defineOp({
    name,
    inputs: { x: "float" },
    attrs: {},
    traits: { elementwise: true },
    infer: ({ x }) => [sameAs(x)],
    compute: ({ out }, { x }) => map(out, [x], body),
  });
}

const sin = (x: Expr): Expr => unaryExpr("sin", x);
const cos = (x: Expr): Expr => unaryExpr("cos", x);

/** With the sign of x on a magnitude. */
const signed = (x: Expr, magnitude: Expr): Expr => a.select(a.lt(x, 0), a.neg(magnitude), magnitude);

/**
 * atan of x >= 0: above tan 3π/8 as π/2 - atan 1/x, above tan π/8 as π/4 + atan (x-1)/(x+1), then the polynomial of the Cephes
 * library (atanf), whose relative error is 2e-7.
 */
function atanPositive(x: Expr): Expr {
  const far = a.gt(x, 2.414213562373095);
  const middle = a.gt(x, 0.4142135623730951);
  const reduced = a.select(far, a.div(-1, a.max(x, 1)), a.select(middle, a.div(a.sub(x, 1), a.add(x, 1)), x));
  const base = a.select(far, a.constantLike(x, Math.PI / 2), a.select(middle, a.constantLike(x, Math.PI / 4), a.constantLike(x, 0)));
  const z = a.mul(reduced, reduced);
  const inner = a.sub(a.mul(a.add(a.mul(a.sub(a.mul(8.05374449538e-2, z), 1.38776856032e-1), z), 1.99777106478e-1), z), 3.33329491539e-1);
  return a.add(base, a.add(a.mul(a.mul(inner, z), reduced), reduced));
}

const arctan = (x: Expr): Expr => signed(x, atanPositive(a.abs(x)));
/** atan(x / √(1 - x²)), with the root of a product that is exact near ±1. */
const arcsin = (x: Expr): Expr => arctan(a.div(x, a.sqrt(a.mul(a.sub(1, x), a.add(1, x)))));

export const tan: Op = unary("tan", (x) => a.div(sin(x), cos(x)));
export const atan: Op = unary("atan", arctan);
export const asin: Op = unary("asin", arcsin);
export const acos: Op = unary("acos", (x) => a.sub(Math.PI / 2, arcsin(x)));

/** Below 1/4 the series x + x³/6 + x⁵/120 + x⁷/5040, since the difference of exponentials cancels. */
export const sinh: Op = unary("sinh", (x) => {
  const e = a.exp(a.abs(x));
  const z = a.mul(x, x);
  const series = a.add(1, a.mul(z, a.add(1 / 6, a.mul(z, a.add(1 / 120, a.mul(z, 1 / 5040))))));
  return a.select(a.lt(a.abs(x), 0.25), a.mul(x, series), signed(x, a.mul(0.5, a.sub(e, a.div(1, e)))));
});
export const cosh: Op = unary("cosh", (x) => {
  const e = a.exp(a.abs(x));
  return a.mul(0.5, a.add(e, a.div(1, e)));
});

/** log(1 + x) for x >= 0, right also for small x: the error of 1 + x is divided out (Goldberg 1991, theorem 4). */
function logPlusOne(x: Expr): Expr {
  const u = a.add(1, x);
  return a.select(a.eq(u, 1), x, a.div(a.mul(x, a.log(u)), a.select(a.eq(u, 1), a.constantLike(x, 1), a.sub(u, 1))));
}

/** ±log(1 + (|x| + x² / (1 + √(x² + 1)))) */
export const asinh: Op = unary("asinh", (x) => {
  const size = a.abs(x);
  const square = a.mul(x, x);
  return signed(x, logPlusOne(a.add(size, a.div(square, a.add(1, a.sqrt(a.add(square, 1)))))));
});
export const acosh: Op = unary("acosh", (x) => a.log(a.add(x, a.mul(a.sqrt(a.sub(x, 1)), a.sqrt(a.add(x, 1))))));
/** ±½ log(1 + 2|x| / (1 - |x|)) */
export const atanh: Op = unary("atanh", (x) => {
  const size = a.abs(x);
  return signed(x, a.mul(0.5, logPlusOne(a.div(a.mul(2, size), a.sub(1, size)))));
});
