/** Loads that do more on the way, as one instruction. */
import { DTYPES } from "../../tensor/dtype.ts";
import type { Cast, Expr, Load } from "../../loop/types.ts";
import { address } from "./address.ts";
import { bytesOf, isSigned, type Emitter } from "./emitter.ts";

function loadAs(m: Emitter, op: string, { buffer, index }: Load): void {
  const offset = address(m, buffer, index, (x) => m.value(x));
  m.op(op, { kind: "memory", align: Math.log2(DTYPES[buffer.dtype].bytes), offset });
}

/** An element, or consecutive elements taken for one value, in every lane; false when that is not what `a` is. */
export function loadSplat(m: Emitter, a: Expr): boolean {
  const from = a.kind === "bitcast" ? a.a : a;
  if (from.kind !== "load" || a.type.dtype === "bool" || from.type.dtype === "bool") return false;
  const bytes = bytesOf(a.type.dtype);
  if (bytes !== from.type.lanes * DTYPES[from.buffer.dtype].bytes || ![1, 2, 4, 8].includes(bytes)) return false;
  loadAs(m, `v128.load${8 * bytes}_splat`, from);
  return true;
}

/** Eight bytes of integers as twice as wide ones. */
export function loadWidened(m: Emitter, { a, type }: Cast): boolean {
  if (a.kind !== "load" || a.type.dtype === "index" || a.type.dtype === "bool" || type.dtype === "index") return false;
  const [from, to] = [DTYPES[a.type.dtype], DTYPES[type.dtype]];
  const integers = [from, to].every((d) => d.class === "signed" || d.class === "unsigned");
  if (!integers || to.bytes !== 2 * from.bytes || from.bytes * a.type.lanes !== 8) return false;
  loadAs(m, `v128.load${8 * from.bytes}x${a.type.lanes}_${isSigned(a.type.dtype) ? "s" : "u"}`, a);
  return true;
}
