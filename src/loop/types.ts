/**
 * The loop IR: what every target prints and the interpreter runs.
 *
 * A type is a scalar dtype times lanes. `index` is the type of loop variables and addresses: a signed integer of at least
 * 32 bits that never overflows (buffers have fewer than 2^31 elements). Arithmetic on the integer dtypes wraps.
 * Floating point is IEEE 754; a printer may fuse `fma` but nothing else.
 */
import type { DType } from "../tensor/dtype.ts";

export type ScalarType = DType | "index";

export interface LoopType {
  readonly dtype: ScalarType;
  readonly lanes: number;
}

/** A run of elements in memory that a kernel is handed, or allocates. */
export interface Buffer {
  readonly name: string;
  readonly dtype: DType;
  /** Length in elements. */
  readonly length: number;
  readonly access: "read" | "write" | "readwrite";
  /** Of halves: all of them are finite, so that widening need not look for others. */
  readonly finite?: true;
}

export type UnaryOp =
  "neg" | "abs" | "not" | "floor" | "ceil" | "roundEven" | "trunc" | "sqrt" | "exp" | "log" | "tanh" | "erf" | "sin" | "cos";
/** `min` of floats is b < a ? b : a, and `max` b > a ? b : a, so that a NaN in a stays. `div` and `mod` of integers floor when type is index, truncate otherwise; `mulhi` is the upper half of the product. */
export type BinaryOp = "add" | "sub" | "mul" | "div" | "mod" | "min" | "max" | "pow" | "and" | "or" | "xor" | "shl" | "shr" | "mulhi";
export type CompareOp = "eq" | "ne" | "lt" | "le" | "gt" | "ge";
export type ReduceOp = "add" | "mul" | "min" | "max";

export interface Const {
  readonly kind: "const";
  readonly type: LoopType;
  readonly value: number | bigint;
}
export interface Var {
  readonly kind: "var";
  readonly type: LoopType;
  readonly name: string;
}
/** `lanes` consecutive elements from `index` on. */
export interface Load {
  readonly kind: "load";
  readonly type: LoopType;
  readonly buffer: Buffer;
  readonly index: Expr;
}
export interface Unary {
  readonly kind: "unary";
  readonly type: LoopType;
  readonly op: UnaryOp;
  readonly a: Expr;
}
export interface Binary {
  readonly kind: "binary";
  readonly type: LoopType;
  readonly op: BinaryOp;
  readonly a: Expr;
  readonly b: Expr;
}
/** Gives bool, with as many lanes as its operands. */
export interface Compare {
  readonly kind: "compare";
  readonly type: LoopType;
  readonly op: CompareOp;
  readonly a: Expr;
  readonly b: Expr;
}
/** With a scalar condition only the chosen arm is evaluated; with lanes both are. */
export interface Select {
  readonly kind: "select";
  readonly type: LoopType;
  readonly cond: Expr;
  readonly a: Expr;
  readonly b: Expr;
}
/** Value conversion as C does it: float to integer truncates, integers wrap. */
export interface Cast {
  readonly kind: "cast";
  readonly type: LoopType;
  readonly a: Expr;
}
/** The same bits as another type of the same total size; lanes may be cut or joined. */
export interface Bitcast {
  readonly kind: "bitcast";
  readonly type: LoopType;
  readonly a: Expr;
}
/** a·b + c, with one rounding or two. */
export interface Fma {
  readonly kind: "fma";
  readonly type: LoopType;
  readonly a: Expr;
  readonly b: Expr;
  readonly c: Expr;
}
/** acc[i] + Σ u[4i+j]·s[4i+j] over j < 4, exactly: acc int32, u uint8, s int8 with four times the lanes. */
export interface Dot4 {
  readonly kind: "dot4";
  readonly type: LoopType;
  readonly acc: Expr;
  readonly u: Expr;
  readonly s: Expr;
}
/** acc[i] + a[2i]·b[2i] + a[2i+1]·b[2i+1], exactly: acc int32, a and b int16 with twice the lanes. */
export interface Dot2 {
  readonly kind: "dot2";
  readonly type: LoopType;
  readonly acc: Expr;
  readonly a: Expr;
  readonly b: Expr;
}
export interface Broadcast {
  readonly kind: "broadcast";
  readonly type: LoopType;
  readonly a: Expr;
}
/** Lane i of the result is lane indices[i] of a, or of b from a's lane count on. */
export interface Shuffle {
  readonly kind: "shuffle";
  readonly type: LoopType;
  readonly a: Expr;
  readonly b: Expr;
  readonly indices: readonly number[];
}
export interface ReduceLanes {
  readonly kind: "reduceLanes";
  readonly type: LoopType;
  readonly op: ReduceOp;
  readonly a: Expr;
}
/** Value conversion that clamps to the range of the narrower type; NaN gives 0. */
export interface SaturatingCast {
  readonly kind: "saturatingCast";
  readonly type: LoopType;
  readonly a: Expr;
}
/**
 * clamp(roundEven(x) + zero, 0, 255) as uint8 of the lanes of one, two or four vectors of float32, one vector after the other; a NaN
 * gives 0. `zero` is an int32 from -128 to 255 with the lanes of one of them.
 */
export interface RoundedBytes {
  readonly kind: "roundedBytes";
  readonly type: LoopType;
  readonly parts: readonly Expr[];
  readonly zero: Expr;
}

export type Expr =
  | Const
  | Var
  | Load
  | Unary
  | Binary
  | Compare
  | Select
  | Cast
  | Bitcast
  | Fma
  | Dot4
  | Dot2
  | Broadcast
  | Shuffle
  | ReduceLanes
  | SaturatingCast
  | RoundedBytes;

export type LoopMode = "serial" | "unroll";

export interface For {
  readonly kind: "for";
  readonly mode: LoopMode;
  readonly var: Var;
  readonly from: Expr;
  readonly to: Expr;
  readonly step: number;
  readonly body: readonly Stmt[];
}
export interface While {
  readonly kind: "while";
  readonly cond: Expr;
  readonly body: readonly Stmt[];
}
/** Declares a local; `set` may change it when mutable. */
export interface Let {
  readonly kind: "let";
  readonly var: Var;
  readonly value: Expr;
  readonly mutable: boolean;
}
export interface SetVar {
  readonly kind: "set";
  readonly var: Var;
  readonly value: Expr;
}
export interface Store {
  readonly kind: "store";
  readonly buffer: Buffer;
  readonly index: Expr;
  readonly value: Expr;
}
export interface If {
  readonly kind: "if";
  readonly cond: Expr;
  readonly then: readonly Stmt[];
  readonly otherwise: readonly Stmt[];
}
/** A buffer that lives while `body` runs. */
export interface Alloc {
  readonly kind: "alloc";
  readonly buffer: Buffer;
  readonly space: "stack";
  readonly body: readonly Stmt[];
}

/** A hint that the memory around `index`, which may lie outside the buffer, will be read soon. */
export interface Prefetch {
  readonly kind: "prefetch";
  readonly buffer: Buffer;
  readonly index: Expr;
}

export type Stmt = For | While | Let | SetVar | Store | If | Alloc | Prefetch;

export type ExprKind = Expr["kind"];
export type StmtKind = Stmt["kind"];
/** A total function over expression kinds: adding a kind does not compile until every such table knows it. */
export type ExprTable<R, Args extends readonly unknown[] = []> = {
  readonly [K in ExprKind]: (e: Extract<Expr, { kind: K }>, ...args: Args) => R;
};
export type StmtTable<R, Args extends readonly unknown[] = []> = {
  readonly [K in StmtKind]: (s: Extract<Stmt, { kind: K }>, ...args: Args) => R;
};

/** Index variables that say which of how many threads runs a kernel. */
export interface Share {
  readonly part: Var;
  readonly parts: Var;
}

/** One kernel. */
export interface Func {
  readonly name: string;
  readonly params: readonly Buffer[];
  readonly body: readonly Stmt[];
  /** Parameters behind the buffers, when threads share the kernel; without, one runs it whole. */
  readonly share?: Share;
}
