import { binary, cast, compare, mul, select, unary } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { Once } from "../rule.ts";
import { isFloat32, like } from "./like.ts";

/** a^b = e^(b·log|a|) in float64, with the sign of a when b is an odd integer and NaN when a < 0 and b is no integer. */
export function powRule(x: Expr, y: Expr, once: Once): Expr | undefined {
  if (!isFloat32(x)) return undefined;
  const a = once(x);
  const b = once(y);
  const size = unary("log", cast(unary("abs", a), "float64"));
  const power = once(cast(unary("exp", mul(cast(b, "float64"), size)), "float32"));
  const floor = once(unary("floor", b));
  const half = once(mul(b, like(b, 0.5)));
  const even = compare("eq", half, unary("floor", half));
  const integer = compare("eq", b, floor);
  const ofNegative = select(integer, select(even, power, unary("neg", power)), like(a, NaN));
  const signed = select(compare("lt", a, like(a, 0)), ofNegative, power);
  return select(binary("or", compare("eq", b, like(b, 0)), compare("eq", a, like(a, 1))), like(a, 1), signed);
}
