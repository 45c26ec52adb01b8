/** Writes out loops that ask for it: engines of WebAssembly do not unroll. */
import { int, intValue } from "../../loop/expr.ts";
import { simplifyBody } from "../../loop/simplify.ts";
import { mapStmt, rewriteBody } from "../../loop/walk.ts";
import type { For, Func, Stmt } from "../../loop/types.ts";

/** More turns than this stay a loop. */
const MOST_TURNS = 64;

function turns(s: For): readonly number[] | undefined {
  const [from, to] = [intValue(s.from), intValue(s.to)];
  if (s.mode !== "unroll" || from === undefined || to === undefined) return undefined;
  const count = Math.max(0, Math.ceil((to - from) / s.step));
  return count > MOST_TURNS ? undefined : Array.from({ length: count }, (_, i) => from + i * s.step);
}

function unrollBody(body: readonly Stmt[]): readonly Stmt[] {
  return body.flatMap((s): readonly Stmt[] => {
    const inner = mapStmt(s, (e) => e, unrollBody);
    const values = inner.kind === "for" ? turns(inner) : undefined;
    if (inner.kind !== "for" || !values) return [inner];
    // A body of its own for each turn keeps the scope of what it declares.
    return values.map((value): Stmt => {
      const written = rewriteBody(inner.body, (e) => (e.kind === "var" && e.name === inner.var.name ? int(value) : e));
      return { ...inner, mode: "serial", from: int(value), to: int(value + 1), step: 1, body: written };
    });
  });
}

/** The kernel without loops in mode unroll, as far as their extents are known and small. */
export const unrollLoops = (f: Func): Func => ({ ...f, body: simplifyBody(unrollBody(f.body)) });
