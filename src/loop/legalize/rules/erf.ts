import { binary, compare, div, mul, select, sub, unary } from "../../expr.ts";
import type { UnaryRule } from "../rule.ts";
import { isFloat32, like, polynomial, withSign } from "./like.ts";

/** erf x / x in x² on |x| ≤ 1: a minimax fit with relative error 1.2e-9. */
const SMALL: readonly number[] = [
  1.1283791659137508, -0.3761262713596567, 0.11283600176257749, -0.026854444591970623, 0.005189535339517848, -0.0008020841281684499,
  7.889119539035381e-5,
];
/** (1 − erf x)^(−1/8) on 1 ≤ x ≤ 4: a fit that leaves erf with relative error 1.2e-8. Its eighth power costs less than an exponential. */
const ROOT_COMPLEMENT: readonly number[] = [
  0.9964869712241582, 0.15921054653648203, 0.04941719931094543, 0.07373610978666349, -0.03303096761918639, 0.017750726928678188,
  -0.004002158833592899, 0.0005436670724317657,
];

/** From |x| = 4 on erf is 1 to the last bit of a float32. */
export const erfRule: UnaryRule = (a, once) => {
  if (!isFloat32(a)) return undefined;
  const x = once(a);
  const size = once(unary("abs", x));
  const z = once(mul(x, x));
  const near = mul(x, polynomial(z, SMALL));
  const root = once(polynomial(once(binary("min", size, like(x, 4))), ROOT_COMPLEMENT));
  const square = once(mul(root, root));
  const fourth = once(mul(square, square));
  const large = sub(like(x, 1), div(like(x, 1), mul(fourth, fourth)));
  return select(compare("lt", size, like(x, 1)), near, withSign(large, x));
};
