/** Rounding of floats to integers, by arithmetic that every target has. */
import { add, binary, bitcast, compare, select, sub, unary } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { Once, UnaryRule } from "../rule.ts";
import { isFloat32, isFloat64, like, toBits, withSign } from "./like.ts";

const isReal = (a: Expr): boolean => isFloat32(a) || isFloat64(a);

/** From 2^23 (2^52) on every float is an integer, and adding that to a smaller one rounds it to nearest even. */
export const roundEvenRule: UnaryRule = (a, once) => {
  if (!isReal(a)) return undefined;
  const x = once(a);
  const size = once(unary("abs", x));
  const limit = like(x, isFloat64(x) ? 2 ** 52 : 2 ** 23);
  return select(compare("lt", size, limit), withSign(sub(add(size, limit), limit), x), x);
};

/** Rounds |x| down, or up when `away`, and gives it the sign of x. */
function towards(x: Expr, away: boolean, once: Once): Expr {
  const size = once(unary("abs", x));
  const near = once(unary("roundEven", size));
  const corrected = away
    ? select(compare("lt", near, size), add(near, like(x, 1)), near)
    : select(compare("gt", near, size), sub(near, like(x, 1)), near);
  return withSign(corrected, x);
}

export const truncRule: UnaryRule = (a, once) => (isReal(a) ? towards(once(a), false, once) : undefined);

function directed(a: Expr, awayIfNegative: boolean, once: Once): Expr | undefined {
  if (!isReal(a)) return undefined;
  const x = once(a);
  const negative = compare("lt", x, like(x, 0));
  const [below, above] = [towards(x, awayIfNegative, once), towards(x, !awayIfNegative, once)];
  return select(negative, below, above);
}

export const floorRule: UnaryRule = (a, once) => directed(a, true, once);
export const ceilRule: UnaryRule = (a, once) => directed(a, false, once);

/** |x|: clears the sign bit of floats. */
export const absRule: UnaryRule = (a, once) => {
  if (isReal(a)) {
    const bits = toBits(a);
    const mask = like(bits, isFloat64(a) ? 0x7fffffffffffffffn : 0x7fffffff);
    return bitcast(binary("and", bits, mask), isFloat64(a) ? "float64" : "float32");
  }
  const x = once(a);
  return select(compare("lt", x, like(x, 0)), unary("neg", x), x);
};
