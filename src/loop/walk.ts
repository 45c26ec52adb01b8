import { onExpr, onStmt } from "./dispatch.ts";
import type { Expr, ExprTable, Stmt, StmtTable } from "./types.ts";

type Map = (e: Expr) => Expr;

const mapExprTable: ExprTable<Expr, [Map]> = {
  const: (e) => e,
  var: (e) => e,
  load: (e, f) => ({ ...e, index: f(e.index) }),
  unary: (e, f) => ({ ...e, a: f(e.a) }),
  binary: (e, f) => ({ ...e, a: f(e.a), b: f(e.b) }),
  compare: (e, f) => ({ ...e, a: f(e.a), b: f(e.b) }),
  select: (e, f) => ({ ...e, cond: f(e.cond), a: f(e.a), b: f(e.b) }),
  cast: (e, f) => ({ ...e, a: f(e.a) }),
  bitcast: (e, f) => ({ ...e, a: f(e.a) }),
  fma: (e, f) => ({ ...e, a: f(e.a), b: f(e.b), c: f(e.c) }),
  dot4: (e, f) => ({ ...e, acc: f(e.acc), u: f(e.u), s: f(e.s) }),
  dot2: (e, f) => ({ ...e, acc: f(e.acc), a: f(e.a), b: f(e.b) }),
  broadcast: (e, f) => ({ ...e, a: f(e.a) }),
  shuffle: (e, f) => ({ ...e, a: f(e.a), b: f(e.b) }),
  reduceLanes: (e, f) => ({ ...e, a: f(e.a) }),
  saturatingCast: (e, f) => ({ ...e, a: f(e.a) }),
  roundedBytes: (e, f) => ({ ...e, parts: e.parts.map(f), zero: f(e.zero) }),
};

/** The expression with `f` applied to each direct operand. */
export const mapOperands = (e: Expr, f: Map): Expr => onExpr(mapExprTable, e, f);

/** The expression rebuilt from the leaves up through `f`. */
export function rewriteExpr(e: Expr, f: Map): Expr {
  return f(mapOperands(e, (operand) => rewriteExpr(operand, f)));
}

/** Calls `f` for the expression and everything in it. */
export function visitExpr(e: Expr, f: (e: Expr) => void): void {
  f(e);
  mapOperands(e, (operand) => {
    visitExpr(operand, f);
    return operand;
  });
}

const mapStmtTable: StmtTable<Stmt, [Map, (body: readonly Stmt[]) => readonly Stmt[]]> = {
  for: (s, f, g) => ({ ...s, from: f(s.from), to: f(s.to), body: g(s.body) }),
  while: (s, f, g) => ({ ...s, cond: f(s.cond), body: g(s.body) }),
  let: (s, f) => ({ ...s, value: f(s.value) }),
  set: (s, f) => ({ ...s, value: f(s.value) }),
  store: (s, f) => ({ ...s, index: f(s.index), value: f(s.value) }),
  if: (s, f, g) => ({ ...s, cond: f(s.cond), then: g(s.then), otherwise: g(s.otherwise) }),
  alloc: (s, _f, g) => ({ ...s, body: g(s.body) }),
  prefetch: (s, f) => ({ ...s, index: f(s.index) }),
};

/** The statement with `f` applied to each direct expression and `g` to each body. */
export const mapStmt = (s: Stmt, f: Map, g: (body: readonly Stmt[]) => readonly Stmt[]): Stmt => onStmt(mapStmtTable, s, f, g);

/** The statements with `f` applied to every expression, from the leaves up. */
export function rewriteBody(body: readonly Stmt[], f: Map): readonly Stmt[] {
  return body.map((s) =>
    mapStmt(
      s,
      (e) => rewriteExpr(e, f),
      (inner) => rewriteBody(inner, f),
    ),
  );
}

/** Calls `f` for every expression in the statements. */
export function visitBody(body: readonly Stmt[], f: (e: Expr) => void): void {
  for (const s of body) {
    mapStmt(
      s,
      (e) => (visitExpr(e, f), e),
      (inner) => (visitBody(inner, f), inner),
    );
  }
}
