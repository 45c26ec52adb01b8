/**
 * Structured loop nests: what an op's `compute` returns, in the manner of MLIR's linalg.generic.
 *
 * A nest is an iteration space (parallel dimensions = the dims of its result, and reduction dimensions), a scalar body that
 * reads operands at index expressions, and a kind. The body is a function of the indices and of `read`, so that one
 * definition serves the textbook expansion, vectorised schedules, the analysis of access maps and fusion: each hands in
 * its own `read`.
 */
import type { DType } from "../tensor/dtype.ts";
import type { Expr, ReduceOp, Stmt } from "./types.ts";

export type NestKind = "contraction" | "window" | "map" | "reduce" | "gather";

/** A tensor that a nest reads or writes, with a static shape. Its identity is the object. */
export interface Operand {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/**
 * The element of an operand at a logical index. `outside` is the value where the index lies outside the operand; without
 * it the index must lie inside.
 */
export type Read = (operand: Operand, index: readonly Expr[], outside?: Expr) => Expr;

export interface BodyContext {
  /** Indices of the parallel dimensions. */
  readonly p: readonly Expr[];
  /** Indices of the reduction dimensions. */
  readonly r: readonly Expr[];
  readonly read: Read;
}

export interface Reduction {
  /** Extents of the reduction dimensions. */
  readonly extents: readonly number[];
  readonly combine: ReduceOp;
  /** The value of an empty reduction, in the accumulator's dtype. */
  readonly init: Expr;
  /** From the accumulator to the result; the identity when absent. */
  readonly finish?: (acc: Expr, context: BodyContext) => Expr;
}

export interface Nest {
  readonly kind: NestKind;
  readonly result: Operand;
  /** Where in the result this nest writes, when that is a part of it: the origin of a box. */
  readonly region?: { readonly origin: readonly (number | Expr)[]; readonly extents: readonly number[] };
  readonly reduction?: Reduction;
  /** The element, or what one point of the reduction space contributes. */
  readonly body: (context: BodyContext) => Expr;
}

/** Counts of how many elements of the source lie where, and their range; of `every` rows along the last axis one is counted. */
export interface HistogramSpec {
  readonly kind: "histogram";
  readonly source: Operand;
  readonly counts: Operand;
  readonly every: number;
}

export interface SerialContext {
  readonly read: Read;
  /** Stores an element at a logical index, which must lie inside. */
  readonly write: (operand: Operand, index: readonly Expr[], value: Expr) => Stmt;
  /** A name that no other nest of the kernel has. */
  readonly name: (base: string) => string;
}

/**
 * What no map or reduction says: steps that need the ones before them, such as running sums and recurrences, and places to
 * write to that depend on data, such as scatters, sorting and suppression. Its statements are loops that run in their order.
 */
export interface SerialNest {
  readonly kind: "serial";
  /** What it writes, or the first of it. */
  readonly result: Operand;
  /** Bound on how often innermost statements run. */
  readonly steps: number;
  readonly statements: (context: SerialContext) => readonly Stmt[];
  /** What the statements compute, where schedules know another way. */
  readonly known?: HistogramSpec;
}

export type AnyNest = Nest | SerialNest;

export const isSerial = (nest: AnyNest): nest is SerialNest => nest.kind === "serial";
