/**
 * What depends on nothing but constant places of memory that the kernel only reads, such as a scale in every lane, is computed once
 * before everything else: engines of WebAssembly compute it again in every turn, since a store might have changed the memory.
 */
import { exprText } from "../../loop/print.ts";
import { variable } from "../../loop/expr.ts";
import { letVar } from "../../loop/stmt.ts";
import { mapOperands, mapStmt, visitExpr } from "../../loop/walk.ts";
import type { Expr, Func, Stmt, Var } from "../../loop/types.ts";
import { isEager } from "./share-loads.ts";

/** Whether an expression has one value while the kernel runs, and takes reading memory. */
function isUniform(e: Expr): boolean {
  let [same, reads] = [true, false];
  visitExpr(e, (x) => {
    // A division may be guarded: it traps.
    const mayTrap = x.kind === "binary" && ["div", "mod", "pow"].includes(x.op);
    if (x.kind === "var" || mayTrap || !isEager(x) || (x.kind === "load" && (x.buffer.access !== "read" || x.index.kind !== "const")))
      same = false;
    reads ||= x.kind === "load";
  });
  return same && reads;
}

/** The kernel with such expressions of its loops named in front. */
export function hoistUniform(f: Func): Func {
  const names = new Map<string, { readonly name: Var; readonly value: Expr }>();
  const named = (value: Expr): Expr => {
    const text = exprText(value);
    const known = names.get(text) ?? { name: variable(`same.${names.size}`, value.type), value };
    names.set(text, known);
    return known.name;
  };
  const moved = (e: Expr): Expr => {
    if (isUniform(e)) return named(e);
    return isEager(e) ? mapOperands(e, moved) : e;
  };
  const inLoop = (body: readonly Stmt[]): readonly Stmt[] => body.map((s) => mapStmt(s, moved, inLoop));
  const outside = (body: readonly Stmt[]): readonly Stmt[] =>
    body.map((s) => {
      if (s.kind === "for") return { ...s, body: inLoop(s.body) };
      return s.kind === "while" ? s : mapStmt(s, (e) => e, outside);
    });
  const body = outside(f.body);
  return names.size === 0 ? f : { ...f, body: [...[...names.values()].map(({ name, value }) => letVar(name, value)), ...body] };
}
