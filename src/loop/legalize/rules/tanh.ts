import { add, div, fma, mul, select, compare, sub, unary } from "../../expr.ts";
import type { UnaryRule } from "../rule.ts";
import { isFloat32, like, polynomial, withSign } from "./like.ts";

/** (tanh x / x − 1) / x² in x² on |x| ≤ 0.625: a minimax fit with relative error 4e-9. */
const SMALL: readonly number[] = [
  -0.3333328392359077, 0.1333149124851526, -0.05374349526142271, 0.020650579003783105, -0.005717036561335228,
];

/** 1 − 2 / (e^2|x| + 1) with the sign of x; near 0, where that cancels, a polynomial. */
export const tanhRule: UnaryRule = (a, once) => {
  if (!isFloat32(a)) return undefined;
  const x = once(a);
  const size = once(unary("abs", x));
  const z = once(mul(x, x));
  const small = fma(mul(x, z), polynomial(z, SMALL), x);
  const large = sub(like(x, 1), div(like(x, 2), add(unary("exp", add(size, size)), like(x, 1))));
  return select(compare("lt", size, like(x, 0.625)), small, withSign(large, x));
};
