import { mapStmt } from "../walk.ts";
import type { Func, Stmt } from "../types.ts";

function declared(body: readonly Stmt[], into: Set<string>): void {
  for (const s of body) {
    if (s.kind === "let" || s.kind === "for") into.add(s.var.name);
    mapStmt(
      s,
      (e) => e,
      (inner) => (declared(inner, into), inner),
    );
  }
}

/** Gives names that no variable or buffer of the kernel has. */
export function freshNames(f: Func): (stem: string) => string {
  const taken = new Set(f.params.map((p) => p.name));
  declared(f.body, taken);
  const next = new Map<string, number>();
  return (stem) => {
    for (;;) {
      const n = next.get(stem) ?? 0;
      next.set(stem, n + 1);
      const name = `${stem}${n}`;
      if (taken.has(name)) continue;
      taken.add(name);
      return name;
    }
  };
}
