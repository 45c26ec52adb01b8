/** The few shapes of nest that op definitions are made of. */
import { add, binary, cast, compare, constant, indexVar, int, mul, select } from "../loop/expr.ts";
import type { BodyContext, Nest, NestKind, Operand, Reduction } from "../loop/nest.ts";
import type { Expr, ReduceOp, Stmt } from "../loop/types.ts";
import { forLoop } from "../loop/stmt.ts";
import { byteSize, isFloat, type DType } from "../tensor/dtype.ts";

/** The index into an operand that is broadcast to the result, by numpy's rule. */
export function broadcastIndex(operand: Operand, p: readonly Expr[]): readonly Expr[] {
  const skip = p.length - operand.dims.length;
  return operand.dims.map((d, axis) => (d === 1 ? int(0) : (p[axis + skip] ?? int(0))));
}

/** Elementwise with broadcasting: the body gets one element of each operand. */
export function map(result: Operand, operands: readonly Operand[], body: (...values: Expr[]) => Expr): Nest {
  return { kind: "map", result, body: ({ p, read }) => body(...operands.map((o) => read(o, broadcastIndex(o, p)))) };
}

/** Each element of the result is computed from its index. */
export function gather(result: Operand, body: (context: BodyContext) => Expr): Nest {
  return { kind: "gather", result, body };
}

export function reduction(kind: NestKind, result: Operand, body: (context: BodyContext) => Expr, how: Reduction): Nest {
  return { kind, result, body, reduction: how };
}

/** The value that leaves `combine` unchanged. */
export function neutral(combine: ReduceOp, dtype: DType): Expr {
  const float = isFloat(dtype);
  const bits = dtype === "bool" ? 1 : 8 * byteSize(dtype);
  const signed = dtype.startsWith("int");
  const highest = 2n ** BigInt(signed ? bits - 1 : bits) - 1n;
  const lowest = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const extreme = (top: boolean): number | bigint => (float ? (top ? Infinity : -Infinity) : top ? highest : lowest);
  const value = { add: 0, mul: 1, min: extreme(true), max: extreme(false) }[combine];
  return constant(value, dtype);
}

/** Row-major position of an index. */
export function flatIndex(dims: readonly number[], index: readonly Expr[]): Expr {
  return index.reduce<Expr>((sum, i, axis) => add(mul(sum, int(dims[axis] ?? 1)), i), int(0));
}

/** Loops over every index of the extents in row-major order. */
export function loops(
  extents: readonly number[],
  name: (base: string) => string,
  body: (index: readonly Expr[]) => readonly Stmt[],
): readonly Stmt[] {
  const vars = extents.map((_, i) => indexVar(name(`i${i}`)));
  return vars.reduceRight<readonly Stmt[]>((inner, v, i) => [forLoop(v, extents[i] ?? 1, inner)], body(vars));
}

/** The index of a row-major position, which is not checked. */
export function unflatten(position: Expr, dims: readonly number[]): readonly Expr[] {
  const index: Expr[] = [];
  let rest = position;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const d = int(dims[axis] ?? 1);
    index.unshift(axis === 0 ? rest : binary("mod", rest, d));
    rest = binary("div", rest, d);
  }
  return index;
}

/** A raw index of an axis, counted from its front where it counts from the end. */
export function wrapped(i: Expr, size: number): Expr {
  const at = cast(i, "index");
  return select(compare("lt", at, int(0)), add(at, int(size)), at);
}

/** In what sums of a dtype are kept. */
export const accumulator = (dtype: DType): DType => (dtype === "float16" || dtype === "bfloat16" ? "float32" : dtype);
