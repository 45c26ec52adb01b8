import type { Expr, UnaryOp } from "../types.ts";

/** Names a value so that it is computed once, however often the result mentions it. */
export type Once = (e: Expr) => Expr;

/** Rewrites an operation that a target lacks; undefined when the rule does not cover its dtype. */
export type Rule<E extends Expr = Expr> = (e: E, once: Once) => Expr | undefined;

export type UnaryRule = (a: Expr, once: Once) => Expr | undefined;
export type UnaryRules = Partial<Record<UnaryOp, UnaryRule>>;
