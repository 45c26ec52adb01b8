/** Addresses of elements, with as much as possible in the constant offset of the memory instruction. */
import { add, int, intValue, mul } from "../../loop/expr.ts";
import { rangeOf } from "../../loop/simplify.ts";
import type { Buffer, Expr } from "../../loop/types.ts";
import { must } from "../../util/errors.ts";
import { bytesOf, type Emitter } from "./emitter.ts";

/** Splits an index into an expression and a constant. */
function peel(e: Expr): { rest: Expr; offset: number } {
  const value = intValue(e);
  if (value !== undefined) return { rest: int(0), offset: value };
  if (e.kind !== "binary") return { rest: e, offset: 0 };
  if (e.op === "add" || e.op === "sub") {
    const [a, b] = [peel(e.a), peel(e.b)];
    if (a.offset === 0 && b.offset === 0) return { rest: e, offset: 0 };
    if (e.op === "add") return { rest: add(a.rest, b.rest), offset: a.offset + b.offset };
    return { rest: intValue(b.rest) === 0 ? a.rest : { ...e, a: a.rest, b: b.rest }, offset: a.offset - b.offset };
  }
  const factor = e.op === "mul" ? intValue(e.b) : undefined;
  if (factor === undefined) return { rest: e, offset: 0 };
  const a = peel(e.a);
  return a.offset === 0 ? { rest: e, offset: 0 } : { rest: mul(a.rest, int(factor)), offset: a.offset * factor };
}

const MAX_OFFSET = 2 ** 31;

/**
 * Leaves the address of an element on the stack and returns the constant part. An offset counts from an unsigned address,
 * so it may be taken out of the index only when what stays is not negative.
 */
export function address(m: Emitter, buffer: Buffer, index: Expr, expr: (e: Expr) => void): number {
  const size = bytesOf(buffer.dtype);
  const peeled = peel(index);
  const fits = peeled.offset > 0 && peeled.offset * size < MAX_OFFSET && rangeOf(peeled.rest, m.ranges).lo >= 0;
  const { rest, offset } = fits ? peeled : { rest: index, offset: 0 };
  const base = must(m.bases.get(buffer), `buffer ${buffer.name}`);
  if (base.kind === "param") m.get(base.local);
  else m.number("global.get", 0);
  if (intValue(rest) !== 0) {
    expr(rest);
    if (size > 1) {
      m.constant("i32", Math.log2(size));
      m.op("i32.shl");
    }
    m.op("i32.add");
  }
  return offset * size + (base.kind === "scratch" ? base.offset : 0);
}
