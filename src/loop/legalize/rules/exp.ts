import { add, binary, bitcast, cast, constant, fma, mul, sub, unary } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { UnaryRule } from "../rule.ts";
import { clamp, isFloat32, isFloat64, like, polynomial } from "./like.ts";

/** ln 2 in two parts, the first with enough trailing zeros that n times it is exact. */
const LN2 = { float32: [0.693359375, Math.LN2 - 0.693359375], float64: [Math.fround(Math.LN2), -1.904654299957768e-9] } as const;

/** (e^r − 1 − r) / r² on |r| ≤ ln2 / 2: a minimax fit with relative error 4e-9 of e^r. */
const FLOAT32 = [0.499999934318911, 0.1666652039677088, 0.04166839083131938, 0.008368745320033698, 0.001381453789368644];
/** The Taylor series to r^13: its remainder is below 1e-17. */
const FLOAT64: readonly number[] = Array.from({ length: 12 }, (_, k) => 1 / factorial(k + 2));

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}

/** 2^n for an integer n in a lane of the exponent's width; n must be a normal exponent. */
function powerOfTwo(n: Expr, wide: boolean): Expr {
  const exponent = add(n, like(n, wide ? 1023n : 127));
  return bitcast(binary("shl", exponent, like(n, wide ? 52n : 23)), wide ? "float64" : "float32");
}

/**
 * e^x = 2^n · e^r with n = round(x / ln 2) and |r| ≤ ln2 / 2 (Cody and Waite's reduction). 2^n is applied in two halves, so
 * that results below the normal range round as they should and those above become infinite.
 */
export const expRule: UnaryRule = (a, once) => {
  const wide = isFloat64(a);
  if (!wide && !isFloat32(a)) return undefined;
  const [hi, lo] = LN2[wide ? "float64" : "float32"];
  const x = once(wide ? clamp(a, -746, 710) : clamp(a, -104, 89));
  const n = once(unary("roundEven", mul(x, like(x, Math.LOG2E))));
  const r = once(fma(n, like(x, -lo), fma(n, like(x, -hi), x)));
  const p = add(fma(mul(r, r), polynomial(r, wide ? FLOAT64 : FLOAT32), r), like(x, 1));
  const whole = once(wide ? cast(cast(n, "int32"), "int64") : cast(n, "int32"));
  const half = once(binary("shr", whole, constant(wide ? 1n : 1, whole.type.dtype, whole.type.lanes)));
  return mul(mul(p, powerOfTwo(half, wide)), powerOfTwo(sub(whole, half), wide));
};
