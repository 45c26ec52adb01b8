/** Every rule by the operation it removes. */
import { add, compare, mul, select } from "../../expr.ts";
import type { Binary, Expr } from "../../types.ts";
import type { Once, Rule, UnaryRules } from "../rule.ts";
import { erfRule } from "./erf.ts";
import { expRule } from "./exp.ts";
import { dot2Rule, dot4Rule, mulhiRule, roundedBytesRule, saturateRule } from "./integer.ts";
import { logRule } from "./log.ts";
import { powRule } from "./pow.ts";
import { absRule, ceilRule, floorRule, roundEvenRule, truncRule } from "./round.ts";
import { tanhRule } from "./tanh.ts";
import { cosRule, sinRule } from "./trig.ts";

const UNARY: UnaryRules = {
  abs: absRule,
  floor: floorRule,
  ceil: ceilRule,
  roundEven: roundEvenRule,
  trunc: truncRule,
  exp: expRule,
  log: logRule,
  tanh: tanhRule,
  erf: erfRule,
  sin: sinRule,
  cos: cosRule,
};

function smaller(op: "lt" | "gt", a: Expr, b: Expr, once: Once): Expr {
  const [x, y] = [once(a), once(b)];
  return select(compare(op, y, x), y, x);
}

/** The rewritten expression, or undefined when no rule covers it. */
export const rewrite: Rule = (e, once) => {
  if (e.kind === "unary") return UNARY[e.op]?.(e.a, once);
  if (e.kind === "fma") return add(mul(e.a, e.b), e.c);
  if (e.kind === "dot4") return dot4Rule(e, once);
  if (e.kind === "dot2") return dot2Rule(e, once);
  if (e.kind === "saturatingCast") return saturateRule(e, once);
  if (e.kind === "roundedBytes") return roundedBytesRule(e);
  return e.kind === "binary" ? binaryRule(e, once) : undefined;
};

function binaryRule(e: Binary, once: Once): Expr | undefined {
  if (e.op === "pow") return powRule(e.a, e.b, once);
  if (e.op === "mulhi") return mulhiRule(e.a, e.b, once);
  if (e.op === "min") return smaller("lt", e.a, e.b, once);
  if (e.op === "max") return smaller("gt", e.a, e.b, once);
  return undefined;
}
