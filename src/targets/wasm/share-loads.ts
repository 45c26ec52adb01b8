/** Loads that the statements of a block repeat, made once: an engine of WebAssembly makes them anew after every store. */
import { exprText } from "../../loop/print.ts";
import { letVar } from "../../loop/stmt.ts";
import { mapOperands, mapStmt, visitExpr } from "../../loop/walk.ts";
import { variable } from "../../loop/expr.ts";
import type { Expr, Func, Load, Stmt, Var } from "../../loop/types.ts";

/** Whether all operands of an expression are computed whenever it is. */
export const isEager = (e: Expr): boolean =>
  !(e.kind === "select" && e.cond.type.lanes === 1) && !(e.kind === "binary" && e.type.dtype === "bool" && e.type.lanes === 1);

/** The expression with `f` applied to the loads that are certain to happen. */
function mapLoads(e: Expr, f: (load: Load) => Expr): Expr {
  if (e.kind === "load") return f(e);
  return isEager(e) ? mapOperands(e, (operand) => mapLoads(operand, f)) : e;
}

const mapOwn = (s: Stmt, f: (load: Load) => Expr): Stmt =>
  s.kind === "let" || s.kind === "set" || s.kind === "store" ? { ...s, value: mapLoads(s.value, f) } : s;

function variablesThatChange(body: readonly Stmt[], names: Set<string> = new Set()): ReadonlySet<string> {
  for (const s of body) {
    if (s.kind === "set") names.add(s.var.name);
    mapStmt(
      s,
      (e) => e,
      (inner) => (variablesThatChange(inner, names), inner),
    );
  }
  return names;
}

interface Shared {
  count: number;
  name?: Var;
}

/** The kernel with the loads of each block from memory that it only reads made once, where their place is the same by its text. */
export function shareLoads(f: Func): Func {
  const change = variablesThatChange(f.body);
  let made = 0;
  const stays = ({ buffer, index }: Load): boolean => {
    if (buffer.access !== "read") return false;
    let same = true;
    visitExpr(index, (e) => {
      if (e.kind === "load" || (e.kind === "var" && change.has(e.name))) same = false;
    });
    return same;
  };
  const block = (stmts: readonly Stmt[]): readonly Stmt[] => {
    const loads = new Map<string, Shared>();
    const of = (load: Load): Shared | undefined => {
      if (!stays(load)) return undefined;
      const key = `${load.type.lanes} ${exprText(load)}`;
      const known = loads.get(key) ?? { count: 0 };
      loads.set(key, known);
      return known;
    };
    for (const s of stmts) {
      mapOwn(s, (load) => {
        const shared = of(load);
        if (shared) shared.count++;
        return load;
      });
    }
    return stmts.flatMap((s) => {
      const before: Stmt[] = [];
      const own = mapOwn(s, (load) => {
        const shared = of(load);
        if (!shared || shared.count < 2) return load;
        if (!shared.name) {
          shared.name = variable(`once.${made++}`, load.type);
          before.push(letVar(shared.name, load));
        }
        return shared.name;
      });
      return [...before, mapStmt(own, (e) => e, block)];
    });
  };
  return { ...f, body: block(f.body) };
}
