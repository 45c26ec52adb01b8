import { onExpr } from "../../loop/dispatch.ts";
import type { Expr } from "../../loop/types.ts";
import type { Emitter } from "./emitter.ts";
import { lanesTable } from "./lanes.ts";
import { scalarTable } from "./scalar.ts";

/** Leaves the value of an expression on the stack. */
export function emit(m: Emitter, e: Expr): void {
  onExpr(e.type.lanes === 1 ? scalarTable : lanesTable, e, m);
}
