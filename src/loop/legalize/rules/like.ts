/** Constants and bit patterns in the shape of another expression. */
import type { DType } from "../../../tensor/dtype.ts";
import { binary, bitcast, compare, constant, fma, select } from "../../expr.ts";
import type { Expr } from "../../types.ts";

export const isFloat32 = (e: Expr): boolean => e.type.dtype === "float32";
export const isFloat64 = (e: Expr): boolean => e.type.dtype === "float64";

/** A constant of e's type. */
export const like = (e: Expr, value: number | bigint): Expr => constant(value, e.type.dtype, e.type.lanes);

/** The integer dtype with the bits of a float32 or float64. */
export const bitsDType = (e: Expr): DType => (isFloat64(e) ? "int64" : "int32");
export const toBits = (e: Expr): Expr => bitcast(e, bitsDType(e));

const SIGN: Record<"int32" | "int64", number | bigint> = { int32: -0x80000000, int64: -0x8000000000000000n };

/** The magnitude of `a`, which is not negative, with the sign of `s`. */
export function withSign(a: Expr, s: Expr): Expr {
  const bits = toBits(s);
  const sign = like(bits, SIGN[isFloat64(s) ? "int64" : "int32"]);
  return bitcast(binary("or", toBits(a), binary("and", bits, sign)), isFloat64(a) ? "float64" : "float32");
}

/** c0 + c1·x + c2·x² + …, by Horner's rule. `x` is mentioned once a coefficient. */
export function polynomial(x: Expr, coefficients: readonly number[]): Expr {
  return coefficients
    .slice(0, -1)
    .reduceRight<Expr>((sum, c) => fma(sum, x, like(x, c)), like(x, coefficients[coefficients.length - 1] ?? 0));
}

/** x clamped between constants; NaN stays. */
export const clamp = (x: Expr, lo: number, hi: number): Expr => binary("min", binary("max", x, like(x, lo)), like(x, hi));

/** a where x < limit, otherwise b. */
export const below = (x: Expr, limit: number, a: Expr, b: Expr): Expr => select(compare("lt", x, like(x, limit)), a, b);
