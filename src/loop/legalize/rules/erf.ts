import { binary, compare, mul, select, sub, unary } from "../../expr.ts";
import type { UnaryRule } from "../rule.ts";
import { isFloat32, like, polynomial, withSign } from "./like.ts";

/** erf x / x in x² on |x| ≤ 1: a minimax fit with relative error 1.2e-9. */
const SMALL: readonly number[] = [
  1.1283791659137508, -0.3761262713596567, 0.11283600176257749, -0.026854444591970623, 0.005189535339517848, -0.0008020841281684499,
  7.889119539035381e-5,
];
/** log(1 − erf x) on 1 ≤ x ≤ 4: a fit that leaves erf with relative error 1.1e-9. */
const LOG_COMPLEMENT: readonly number[] = [
  -0.0003415125935867444, -1.1270892337634553, -0.6381447581924589, -0.10310682135432911, 0.02183809696089051, -0.002947666794833271,
  0.00018638008408080714,
];

/** From |x| = 4 on erf is 1 to the last bit of a float32. */
export const erfRule: UnaryRule = (a, once) => {
  if (!isFloat32(a)) return undefined;
  const x = once(a);
  const size = once(unary("abs", x));
  const z = once(mul(x, x));
  const near = mul(x, polynomial(z, SMALL));
  const far = once(binary("min", size, like(x, 4)));
  const large = sub(like(x, 1), unary("exp", polynomial(far, LOG_COMPLEMENT)));
  return select(compare("lt", size, like(x, 1)), near, withSign(large, x));
};
