/** Constructors of statements. */
import { int } from "./expr.ts";
import type { Buffer, Expr, LoopMode, Stmt, Var } from "./types.ts";

interface LoopOptions {
  readonly from?: Expr;
  readonly step?: number;
  readonly mode?: LoopMode;
}

/** for (v = from; v < to; v += step). */
export function forLoop(v: Var, to: Expr | number, body: readonly Stmt[], options: LoopOptions = {}): Stmt {
  const { from = int(0), step = 1, mode = "serial" } = options;
  return { kind: "for", mode, var: v, from, to: typeof to === "number" ? int(to) : to, step, body };
}

export const letVar = (v: Var, value: Expr): Stmt => ({ kind: "let", var: v, value, mutable: false });
export const letMutable = (v: Var, value: Expr): Stmt => ({ kind: "let", var: v, value, mutable: true });
export const setVar = (v: Var, value: Expr): Stmt => ({ kind: "set", var: v, value });
export const store = (buffer: Buffer, index: Expr, value: Expr): Stmt => ({ kind: "store", buffer, index, value });
export const prefetch = (buffer: Buffer, index: Expr): Stmt => ({ kind: "prefetch", buffer, index });
export const ifThen = (cond: Expr, then: readonly Stmt[], otherwise: readonly Stmt[] = []): Stmt => ({ kind: "if", cond, then, otherwise });
export const alloc = (buffer: Buffer, body: readonly Stmt[]): Stmt => ({ kind: "alloc", buffer, space: "stack", body });
