/** Constructors of expressions. They check types and fold the constants of address arithmetic; `simplify` does the rest. */
import type { DType } from "../tensor/dtype.ts";
import { is64, isFloat } from "../tensor/dtype.ts";
import { invariant } from "../util/errors.ts";
import type { BinaryOp, Buffer, CompareOp, Expr, LoopType, ReduceOp, ScalarType, UnaryOp, Var } from "./types.ts";

export const INDEX: LoopType = { dtype: "index", lanes: 1 };

export const typeOf = (dtype: ScalarType, lanes = 1): LoopType => ({ dtype, lanes });
export const typeEquals = (a: LoopType, b: LoopType): boolean => a.dtype === b.dtype && a.lanes === b.lanes;
export const typeText = (t: LoopType): string => (t.lanes === 1 ? t.dtype : `${t.dtype}x${t.lanes}`);

/** A constant; for a vector type every lane has the value. */
export function constant(value: number | bigint, dtype: ScalarType, lanes = 1): Expr {
  const wide = dtype !== "index" && is64(dtype);
  const exact = wide ? BigInt(value) : dtype === "float32" ? Math.fround(Number(value)) : Number(value);
  return { kind: "const", type: typeOf(dtype, lanes), value: exact };
}

export const int = (value: number): Expr => constant(value, "index");
export const indexVar = (name: string): Var => ({ kind: "var", type: INDEX, name });
export const variable = (name: string, type: LoopType): Var => ({ kind: "var", type, name });

/** The number of an index constant, if it is one. */
export const intValue = (e: Expr): number | undefined => (e.kind === "const" && e.type.dtype === "index" ? Number(e.value) : undefined);

export function load(buffer: Buffer, index: Expr, lanes = 1): Expr {
  return { kind: "load", type: typeOf(buffer.dtype, lanes), buffer, index };
}

export function unary(op: UnaryOp, a: Expr): Expr {
  return { kind: "unary", type: a.type, op, a };
}

const foldIndex: Partial<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => Math.floor(a / b),
  mod: (a, b) => a - b * Math.floor(a / b),
  min: Math.min,
  max: Math.max,
};

/** The operand that leaves the other one as it is. */
const RIGHT_NEUTRAL: Partial<Record<BinaryOp, number>> = { add: 0, sub: 0, mul: 1, div: 1 };
const LEFT_NEUTRAL: Partial<Record<BinaryOp, number>> = { add: 0, mul: 1 };

function identity(op: BinaryOp, a: Expr, b: Expr, x: number | undefined, y: number | undefined): Expr | undefined {
  if (y !== undefined && y === RIGHT_NEUTRAL[op]) return a;
  if (x !== undefined && x === LEFT_NEUTRAL[op]) return b;
  const zero = op === "mul" ? x === 0 || y === 0 : op === "mod" && y === 1;
  return zero ? int(0) : undefined;
}

export function binary(op: BinaryOp, a: Expr, b: Expr): Expr {
  invariant(typeEquals(a.type, b.type), `${op} of ${typeText(a.type)} and ${typeText(b.type)}`);
  if (a.type.dtype === "index") {
    const x = intValue(a);
    const y = intValue(b);
    const fold = foldIndex[op];
    if (x !== undefined && y !== undefined && fold) return int(fold(x, y));
    const same = identity(op, a, b, x, y);
    if (same) return same;
  }
  return { kind: "binary", type: a.type, op, a, b };
}

export const add = (a: Expr, b: Expr): Expr => binary("add", a, b);
export const sub = (a: Expr, b: Expr): Expr => binary("sub", a, b);
export const mul = (a: Expr, b: Expr): Expr => binary("mul", a, b);
export const div = (a: Expr, b: Expr): Expr => binary("div", a, b);
export const mod = (a: Expr, b: Expr): Expr => binary("mod", a, b);
export const min = (a: Expr, b: Expr): Expr => binary("min", a, b);
export const max = (a: Expr, b: Expr): Expr => binary("max", a, b);
export const and = (a: Expr, b: Expr): Expr => binary("and", a, b);

const foldCompare: Record<CompareOp, (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

export function compare(op: CompareOp, a: Expr, b: Expr): Expr {
  invariant(typeEquals(a.type, b.type), `${op} of ${typeText(a.type)} and ${typeText(b.type)}`);
  const x = intValue(a);
  const y = intValue(b);
  if (x !== undefined && y !== undefined) return constant(foldCompare[op](x, y) ? 1 : 0, "bool");
  return { kind: "compare", type: typeOf("bool", a.type.lanes), op, a, b };
}

export function select(cond: Expr, a: Expr, b: Expr): Expr {
  invariant(typeEquals(a.type, b.type), `select between ${typeText(a.type)} and ${typeText(b.type)}`);
  invariant(cond.type.dtype === "bool" && (cond.type.lanes === 1 || cond.type.lanes === a.type.lanes), "condition of a select");
  if (cond.kind === "const") return Number(cond.value) !== 0 ? a : b;
  return { kind: "select", type: a.type, cond, a, b };
}

export function cast(a: Expr, dtype: ScalarType): Expr {
  if (a.type.dtype === dtype) return a;
  return { kind: "cast", type: typeOf(dtype, a.type.lanes), a };
}

export function saturatingCast(a: Expr, dtype: DType): Expr {
  return { kind: "saturatingCast", type: typeOf(dtype, a.type.lanes), a };
}

export function bitcast(a: Expr, dtype: DType, lanes: number = a.type.lanes): Expr {
  return { kind: "bitcast", type: typeOf(dtype, lanes), a };
}

export function fma(a: Expr, b: Expr, c: Expr): Expr {
  invariant(
    typeEquals(a.type, b.type) && typeEquals(a.type, c.type),
    `fma of ${typeText(a.type)}, ${typeText(b.type)}, ${typeText(c.type)}`,
  );
  invariant(a.type.dtype !== "index" && isFloat(a.type.dtype), "fma of floats");
  return { kind: "fma", type: a.type, a, b, c };
}

export function dot4(acc: Expr, u: Expr, s: Expr): Expr {
  return { kind: "dot4", type: acc.type, acc, u, s };
}

export function dot2(acc: Expr, a: Expr, b: Expr): Expr {
  return { kind: "dot2", type: acc.type, acc, a, b };
}

/** The same value in every lane; scalars stay when lanes is 1. */
export function broadcast(a: Expr, lanes: number): Expr {
  if (lanes === a.type.lanes) return a;
  invariant(a.type.lanes === 1, `broadcast of ${typeText(a.type)}`);
  if (a.kind === "const") return { ...a, type: typeOf(a.type.dtype, lanes) };
  return { kind: "broadcast", type: typeOf(a.type.dtype, lanes), a };
}

export function shuffle(a: Expr, b: Expr, indices: readonly number[]): Expr {
  return { kind: "shuffle", type: typeOf(a.type.dtype, indices.length), a, b, indices };
}

export function reduceLanes(op: ReduceOp, a: Expr): Expr {
  return { kind: "reduceLanes", type: typeOf(a.type.dtype), op, a };
}

export function roundedBytes(parts: readonly Expr[], zero: Expr): Expr {
  return { kind: "roundedBytes", type: typeOf("uint8", parts.length * zero.type.lanes), parts, zero };
}
