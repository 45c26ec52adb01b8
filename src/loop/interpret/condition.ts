/** Closures for scalar conditions. */
import { intValue } from "../expr.ts";
import type { Compare, CompareOp, Expr } from "../types.ts";
import { isWide } from "./scalar.ts";
import type { EvalBig, EvalNumber, Scope } from "./scope.ts";

type Test = () => boolean;

const COMPARE: Record<CompareOp, (a: EvalNumber, b: EvalNumber) => Test> = {
  eq: (a, b) => () => a() === b(),
  ne: (a, b) => () => a() !== b(),
  lt: (a, b) => () => a() < b(),
  le: (a, b) => () => a() <= b(),
  gt: (a, b) => () => a() > b(),
  ge: (a, b) => () => a() >= b(),
};

const COMPARE_BIG: Record<CompareOp, (a: EvalBig, b: EvalBig) => Test> = {
  eq: (a, b) => () => a() === b(),
  ne: (a, b) => () => a() !== b(),
  lt: (a, b) => () => a() < b(),
  le: (a, b) => () => a() <= b(),
  gt: (a, b) => () => a() > b(),
  ge: (a, b) => () => a() >= b(),
};

function compareOf(e: Compare, s: Scope): Test {
  if (isWide(e.a.type.dtype)) return COMPARE_BIG[e.op](s.make.big(e.a, s), s.make.big(e.b, s));
  const a = s.make.number(e.a, s);
  const bound = intValue(e.b);
  if (bound !== undefined && e.op === "lt") return () => a() < bound;
  if (bound !== undefined && e.op === "ge") return () => a() >= bound;
  return COMPARE[e.op](a, s.make.number(e.b, s));
}

/** Only as much is evaluated as decides, since the rest may read where there is nothing. */
export function test(e: Expr, s: Scope): Test {
  if (e.kind === "compare") return compareOf(e, s);
  if (e.kind === "binary" && e.type.dtype === "bool" && (e.op === "and" || e.op === "or")) {
    const [a, b] = [test(e.a, s), test(e.b, s)];
    return e.op === "and" ? () => a() && b() : () => a() || b();
  }
  const value = s.make.number(e, s);
  return () => value() !== 0;
}
