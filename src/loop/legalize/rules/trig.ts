import { add, cast, compare, fma, mul, select, sub, unary } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { Once, UnaryRule } from "../rule.ts";
import { isFloat32, like, polynomial } from "./like.ts";

/** Taylor series of (sin r − r) / r³ and (cos r − 1) / r² in r²; on |r| ≤ π/4 the remainders are below 3e-10. */
const SIN: readonly number[] = [-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800];
const COS: readonly number[] = [-1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600];
/** π/2 in two parts, the first with 33 bits. */
const HALF_PI: readonly [number, number] = [1.5707963267341256, 6.077100506506192e-11];

/** sin(x + quarter·π/2). The angle is reduced in float64, which keeps float32 arguments up to 2^20 exact. */
function sine(a: Expr, quarter: number, once: Once): Expr | undefined {
  if (!isFloat32(a)) return undefined;
  const x = once(cast(a, "float64"));
  const n = once(unary("roundEven", mul(x, like(x, 2 / Math.PI))));
  const reduced = fma(n, like(x, -HALF_PI[1]), fma(n, like(x, -HALF_PI[0]), x));
  const r = once(cast(reduced, "float32"));
  const turns = add(n, like(n, quarter));
  const quadrant = once(sub(turns, mul(like(n, 4), unary("floor", mul(turns, like(n, 0.25))))));
  const q = once(cast(quadrant, "float32"));
  const z = once(mul(r, r));
  const sin = fma(mul(r, z), polynomial(z, SIN), r);
  const cos = fma(z, polynomial(z, COS), like(z, 1));
  const odd = compare("eq", sub(q, mul(like(q, 2), unary("floor", mul(q, like(q, 0.5))))), like(q, 1));
  const value = once(select(odd, cos, sin));
  return select(compare("ge", q, like(q, 2)), unary("neg", value), value);
}

export const sinRule: UnaryRule = (a, once) => sine(a, 0, once);
export const cosRule: UnaryRule = (a, once) => sine(a, 1, once);
