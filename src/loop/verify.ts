/** Checks that a kernel is well formed; run after every step in tests. */
import { HoneError } from "../util/errors.ts";
import { typeText } from "./expr.ts";
import type { Buffer, Dot2, Dot4, Expr, Func, RoundedBytes, Stmt } from "./types.ts";
import { mapStmt, visitExpr } from "./walk.ts";

interface Scope {
  readonly vars: ReadonlyMap<string, { readonly type: string; readonly mutable: boolean }>;
  readonly buffers: ReadonlySet<Buffer>;
}

/** What is wrong with the lanes of a dot product. */
function unevenDot(e: Dot4 | Dot2): string | undefined {
  const [terms, word, a, b] = e.kind === "dot4" ? [4, "four", e.u, e.s] : [2, "two", e.a, e.b];
  const fits = [a, b].every((operand) => operand.type.lanes === terms * e.type.lanes);
  return fits ? undefined : `${e.kind} needs ${word} lanes for each of the sum's`;
}

const evenParts = ({ parts, zero }: RoundedBytes): boolean =>
  [1, 2, 4].includes(parts.length) && zero.type.lanes > 1 && parts.every((p) => p.type.lanes === zero.type.lanes);

function checkExpr(e: Expr, scope: Scope, problems: string[]): void {
  visitExpr(e, (x) => {
    if (x.kind === "var") {
      const known = scope.vars.get(x.name);
      if (!known) problems.push(`variable ${x.name} is not declared`);
      else if (known.type !== typeText(x.type)) problems.push(`variable ${x.name} is ${known.type}, used as ${typeText(x.type)}`);
    }
    if (x.kind === "load") {
      if (!scope.buffers.has(x.buffer)) problems.push(`buffer ${x.buffer.name} is not in scope`);
      if (x.buffer.access === "write") problems.push(`buffer ${x.buffer.name} is write-only`);
    }
    const uneven = x.kind === "dot4" || x.kind === "dot2" ? unevenDot(x) : undefined;
    if (uneven !== undefined) problems.push(uneven);
    if (x.kind === "roundedBytes" && !evenParts(x)) problems.push("roundedBytes needs one, two or four parts with the zero point's lanes");
  });
}

function checkStmt(s: Stmt, scope: Scope, problems: string[]): Scope {
  const check = (e: Expr): Expr => (checkExpr(e, scope, problems), e);
  let inner = scope;
  if (s.kind === "for") inner = { ...scope, vars: new Map(scope.vars).set(s.var.name, { type: "index", mutable: false }) };
  if (s.kind === "alloc") inner = { ...scope, buffers: new Set([...scope.buffers, s.buffer]) };
  mapStmt(s, check, (body) => (checkBody(body, inner, problems), body));
  if (s.kind === "let") return { ...scope, vars: new Map(scope.vars).set(s.var.name, { type: typeText(s.var.type), mutable: s.mutable }) };
  if (s.kind === "set" && !scope.vars.get(s.var.name)?.mutable) problems.push(`${s.var.name} is set but not a mutable variable`);
  if (s.kind === "store" && (!scope.buffers.has(s.buffer) || s.buffer.access === "read"))
    problems.push(`store to ${s.buffer.name}, which is not a writable buffer in scope`);
  if (s.kind === "store" && s.value.type.dtype !== s.buffer.dtype)
    problems.push(`store of ${typeText(s.value.type)} to ${s.buffer.name} of ${s.buffer.dtype}`);
  return scope;
}

function checkBody(body: readonly Stmt[], scope: Scope, problems: string[]): void {
  body.reduce((s, stmt) => checkStmt(stmt, s, problems), scope);
}

/** Throws an internal error that lists every broken rule. */
export function verifyFunc(f: Func): void {
  const problems: string[] = [];
  const shared = f.share ? [f.share.part, f.share.parts] : [];
  const vars = new Map(shared.map((v) => [v.name, { type: "index", mutable: false }] as const));
  checkBody(f.body, { vars, buffers: new Set(f.params) }, problems);
  if (problems.length === 0) return;
  throw new HoneError("internal", `kernel ${f.name} is malformed`, { problems: [...new Set(problems)].map((message) => ({ message })) });
}
