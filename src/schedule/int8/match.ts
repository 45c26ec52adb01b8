/** Recognises the nests of quantised convolutions by their access maps. */
import { indexVar, typeOf, variable } from "../../loop/expr.ts";
import type { Nest, Operand } from "../../loop/nest.ts";
import type { Expr } from "../../loop/types.ts";
import { convMaps, type Access, type ConvMatch } from "../match.ts";

export interface Int8Match {
  readonly conv: ConvMatch;
  /** One element: the value of x that stands for zero. */
  readonly xZero: Operand;
}

/** The read that is widened to int32 in this expression. */
function widened(e: Expr, reads: readonly Access[]): Access | undefined {
  if (e.kind !== "cast" || e.type.dtype !== "int32" || e.a.kind !== "var") return undefined;
  const { name } = e.a;
  return reads.find((_, i) => name === `read${i}`);
}

/** The operands of (x - zero) · w, each widened. */
function terms(body: Expr, reads: readonly Access[]): readonly [Access, Access, Access] | undefined {
  if (body.kind !== "binary" || body.op !== "mul" || body.a.kind !== "binary" || body.a.op !== "sub") return undefined;
  const [x, zero, w] = [body.a.a, body.a.b, body.b].map((e) => widened(e, reads));
  if (!x || !zero || !w) return undefined;
  const { dtype } = w.operand;
  const typed = x.operand.dtype === "uint8" && zero.operand.dtype === "uint8" && (dtype === "int8" || dtype === "int16");
  return typed ? [x, zero, w] : undefined;
}

/** Σ (x - zero) · w with x uint8, w int8 or int16, summed in int32. */
export function matchInt8Conv(nest: Nest): Int8Match | undefined {
  const { reduction } = nest;
  const extents = reduction?.extents ?? [];
  if (nest.kind !== "contraction" || reduction?.combine !== "add" || extents.length !== 3 || nest.result.dims.length !== 4)
    return undefined;
  const reads: Access[] = [];
  const body = nest.body({
    p: nest.result.dims.map((_, i) => indexVar(`p${i}`)),
    r: extents.map((_, i) => indexVar(`r${i}`)),
    read: (operand, index, outside) =>
      variable(`read${reads.push({ operand, index, padded: outside !== undefined }) - 1}`, typeOf(operand.dtype)),
  });
  const found = terms(body, reads);
  const conv = found && convMaps([found[0], found[2]], extents);
  return conv && { conv, xZero: found[1].operand };
}
