import type { Expr, ExprTable, Stmt, StmtTable } from "./types.ts";

/** Calls the entry of a total table for this expression's kind. */
export function onExpr<R, Args extends readonly unknown[]>(table: ExprTable<R, Args>, e: Expr, ...args: Args): R {
  // One cast in one place: TypeScript cannot see that table[e.kind] takes e.
  const entry = table[e.kind] as (e: Expr, ...args: Args) => R;
  return entry(e, ...args);
}

/** Calls the entry of a total table for this statement's kind. */
export function onStmt<R, Args extends readonly unknown[]>(table: StmtTable<R, Args>, s: Stmt, ...args: Args): R {
  const entry = table[s.kind] as (s: Stmt, ...args: Args) => R;
  return entry(s, ...args);
}
