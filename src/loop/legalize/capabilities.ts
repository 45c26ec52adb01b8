/** What a target computes itself, as data. Everything else is rewritten by a named rule before printing. */
import type { BinaryOp, Expr, ExprKind, ScalarType, UnaryOp } from "../types.ts";

/** An operation that a target may have or lack. */
export type Feature =
  | UnaryOp
  | BinaryOp
  | "cast"
  | "compare"
  | "select"
  | "fma"
  | "dot4"
  | "dot2"
  | "shuffle"
  | "reduceLanes"
  | "saturatingCast"
  | "roundedBytes";

/** The dtypes (of the result; of the operands for compare and reduceLanes; of either side for cast) for which it is native. */
export type Native = "all" | "none" | readonly ScalarType[];

export interface Support {
  readonly scalar: Native;
  readonly vector: Native;
}

export interface Capabilities {
  /** Name for messages. */
  readonly target: string;
  /** Bytes of a vector register when wider vectors must be split; absent when any lane count may be printed. */
  readonly registerBytes?: number;
  /** How float16 and bfloat16 are held; `memory`: as bits that integer operations widen. Native when absent. */
  readonly halves?: "memory";
  readonly native: Readonly<Record<Feature, Support>>;
}

export const EVERYWHERE: Support = { scalar: "all", vector: "all" };
export const SCALAR_ONLY: Support = { scalar: "all", vector: "none" };
export const NOWHERE: Support = { scalar: "none", vector: "none" };

/** The feature that an expression needs, if it needs any. */
export function featureOf(e: Expr): Feature | undefined {
  if (e.kind === "unary" || e.kind === "binary") return e.op;
  return KINDS[e.kind];
}

const KINDS: Partial<Record<ExprKind, Feature>> = {
  cast: "cast",
  compare: "compare",
  select: "select",
  fma: "fma",
  dot4: "dot4",
  dot2: "dot2",
  shuffle: "shuffle",
  reduceLanes: "reduceLanes",
  saturatingCast: "saturatingCast",
  roundedBytes: "roundedBytes",
};

function dtypesOf(e: Expr): readonly ScalarType[] {
  if (e.kind === "compare") return [e.a.type.dtype];
  if (e.kind === "cast" || e.kind === "saturatingCast") return [e.a.type.dtype, e.type.dtype];
  return [e.type.dtype];
}

const includes = (native: Native, dtypes: readonly ScalarType[]): boolean =>
  native === "all" || (native !== "none" && dtypes.every((d) => native.includes(d)));

/** Whether the target computes this node itself. */
export function isNative(e: Expr, caps: Capabilities): boolean {
  const feature = featureOf(e);
  if (!feature) return true;
  const support = caps.native[feature];
  const lanes = e.kind === "reduceLanes" || e.kind === "shuffle" ? Math.max(e.a.type.lanes, e.type.lanes) : e.type.lanes;
  return includes(lanes > 1 ? support.vector : support.scalar, dtypesOf(e));
}
