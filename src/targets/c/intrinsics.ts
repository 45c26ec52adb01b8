/**
 * Small static functions that printed kernels call: what C has no operator for. A lane loop in an inlined function becomes
 * one instruction in both gcc and clang (vmaxps, vroundps, vblendvps), without naming an instruction set.
 */
import { typeText } from "../../loop/expr.ts";
import type { BinaryOp, LoopType, ReduceOp, UnaryOp } from "../../loop/types.ts";
import { DTYPES, type DType } from "../../tensor/dtype.ts";
import { castWays } from "./casts.ts";
import { shuffleWays } from "./shuffles.ts";
import { isHalf, scalarType, typeName } from "./types.ts";
import { chosen } from "./ways.ts";

/** A helper function: its name, its text, and the vector types it mentions. */
export interface Intrinsic {
  readonly name: string;
  readonly text: string;
  readonly types: readonly LoopType[];
}

const inline = (result: string, name: string, params: string, body: string): string =>
  `static inline __attribute__((always_inline)) ${result} ${name}(${params}) { ${body} }\n`;

const lanesOf = (t: LoopType, element: string): string =>
  `${typeName(t)} r; for (int i = 0; i < ${t.lanes}; i++) r[i] = ${element}; return r;`;

const suffix = (t: LoopType): string => typeText(t).replace("index", "idx");

/** libm and builtin names of unary functions, without the float suffix. */
const LIBM: Partial<Record<UnaryOp, string>> = {
  floor: "__builtin_floor",
  ceil: "__builtin_ceil",
  trunc: "__builtin_trunc",
  roundEven: "__builtin_rint",
  sqrt: "__builtin_sqrt",
  exp: "exp",
  log: "log",
  tanh: "tanh",
  erf: "erf",
  sin: "sin",
  cos: "cos",
};

/**
 * What x86 has as one instruction, by the lanes of float32. Lane loops become these in small functions, but gcc loses them
 * when it inlines many into one kernel, so they are named where the compiler says that they exist.
 */
interface X86 {
  readonly when: string;
  readonly text: (a: string, b: string) => string;
}

const ROUNDING: Partial<Record<UnaryOp, number>> = { roundEven: 8, floor: 9, ceil: 10, trunc: 11 };

function x86Unary(op: UnaryOp, lanes: number): X86 | undefined {
  const mode = ROUNDING[op];
  if (lanes === 16) {
    if (mode !== undefined)
      return { when: "defined(__AVX512F__)", text: (a) => `__builtin_ia32_rndscaleps_mask(${a}, ${mode}, ${a}, -1, 4)` };
    return op === "sqrt"
      ? { when: `defined(__AVX512F__) && ${GCC}`, text: (a) => `__builtin_ia32_sqrtps512_mask(${a}, ${a}, -1, 4)` }
      : undefined;
  }
  const width = X86_WIDTH[lanes];
  if (!width) return undefined;
  if (mode !== undefined) return { when: width.rounds, text: (a) => `__builtin_ia32_roundps${width.suffix}(${a}, ${mode})` };
  return op === "sqrt" ? { when: width.has, text: (a) => `__builtin_ia32_sqrtps${width.suffix}(${a})` } : undefined;
}

/** The second operand of minps and maxps is the one that a NaN yields: the IR's first. */
function x86Binary(op: BinaryOp, lanes: number): X86 | undefined {
  if (op !== "min" && op !== "max") return undefined;
  if (lanes === 16)
    return { when: `defined(__AVX512F__) && ${GCC}`, text: (a, b) => `__builtin_ia32_${op}ps512_mask(${b}, ${a}, ${b}, -1, 4)` };
  const width = X86_WIDTH[lanes];
  return width && { when: width.has, text: (a, b) => `__builtin_ia32_${op}ps${width.suffix}(${b}, ${a})` };
}

const GCC = "defined(__GNUC__) && !defined(__clang__)";
const X86_WIDTH: Readonly<Record<number, { readonly suffix: string; readonly has: string; readonly rounds: string }>> = {
  4: { suffix: "", has: `defined(__SSE__)`, rounds: "defined(__SSE4_1__)" },
  8: { suffix: "256", has: "defined(__AVX__)", rounds: "defined(__AVX__)" },
};

/** The x86 form where the compiler has it, and the portable one elsewhere. */
function eitherWay(x86: X86 | undefined, call: string, portable: string): string {
  return x86 ? `#if ${x86.when}\n${call}#else\n${portable}#endif\n` : portable;
}

function unaryElement(op: UnaryOp, dtype: LoopType["dtype"], x: string): string {
  const libm = LIBM[op];
  if (libm) return `${libm}${dtype === "float64" ? "" : "f"}(${x})`;
  if (dtype === "float32" || dtype === "float64") return `__builtin_fabs${dtype === "float64" ? "" : "f"}(${x})`;
  return `${x} < 0 ? -${x} : ${x}`;
}

export function unaryIntrinsic(op: UnaryOp, t: LoopType): Intrinsic {
  const name = `${op}_${suffix(t)}`;
  const body = t.lanes === 1 ? `return ${unaryElement(op, t.dtype, "x")};` : lanesOf(t, unaryElement(op, t.dtype, "x[i]"));
  const define = (text: string): string => inline(typeName(t), name, `${typeName(t)} x`, text);
  const x86 = t.dtype === "float32" ? x86Unary(op, t.lanes) : undefined;
  return { name, text: eitherWay(x86, define(`return ${x86?.text("x", "x") ?? "x"};`), define(body)), types: [t] };
}

/** floor division and modulus of addresses; truncation otherwise, with 0 for a zero divisor. */
function divisionElement(op: "div" | "mod", dtype: LoopType["dtype"], a: string, b: string): string {
  if (dtype !== "index" && DTYPES[dtype].class === "float")
    return op === "mod" ? `__builtin_fmod${isDouble(dtype) ? "" : "f"}(${a}, ${b})` : `${a} / ${b}`;
  if (dtype === "index") return op === "div" ? `${a} / ${b} - (${a} % ${b} < 0)` : `(${a} % ${b} + ${b}) % ${b}`;
  return `${b} == 0 ? 0 : ${a} ${op === "div" ? "/" : "%"} ${b}`;
}

const isDouble = (dtype: LoopType["dtype"]): boolean => dtype === "float64";

function binaryElement(op: BinaryOp, dtype: LoopType["dtype"], a: string, b: string): string {
  if (op === "min") return `${b} < ${a} ? ${b} : ${a}`;
  if (op === "max") return `${b} > ${a} ? ${b} : ${a}`;
  if (op === "div" || op === "mod") return divisionElement(op, dtype, a, b);
  if (op === "pow") return `pow${isDouble(dtype) || DTYPES[dtype as DType].class !== "float" ? "" : "f"}(${a}, ${b})`;
  const bits = DTYPES[dtype as DType].bytes * 8;
  if (bits === 64) return `(${scalarType(dtype)})(((__extension__ ${dtype === "int64" ? "" : "unsigned "}__int128)${a} * ${b}) >> 64)`;
  return `(${scalarType(dtype)})(((${dtype.startsWith("int") ? "int64_t" : "uint64_t"})${a} * ${b}) >> ${bits})`;
}

export function binaryIntrinsic(op: BinaryOp, t: LoopType): Intrinsic {
  const name = `${op}_${suffix(t)}`;
  const type = typeName(t);
  const define = (text: string): string => inline(type, name, `${type} a, ${type} b`, text);
  if (t.lanes === 1) return { name, text: define(`return ${binaryElement(op, t.dtype, "a", "b")};`), types: [t] };
  if (t.dtype !== "float32" || (op !== "min" && op !== "max"))
    return { name, text: define(lanesOf(t, binaryElement(op, t.dtype, "a[i]", "b[i]"))), types: [t] };
  const x86 = x86Binary(op, t.lanes);
  const mask: LoopType = { dtype: "int32", lanes: t.lanes };
  const m = typeName(mask);
  const blend = `${m} m = b ${op === "min" ? "<" : ">"} a; return (${type})((m & (${m})b) | (~m & (${m})a));`;
  return { name, text: eitherWay(x86, define(`return ${x86?.text("a", "b") ?? "a"};`), define(blend)), types: [t, mask] };
}

/** A mask of 32-bit lanes picks among 32-bit lanes by bits, among others lane by lane. */
export function selectIntrinsic(t: LoopType): Intrinsic {
  const name = `select_${suffix(t)}`;
  const type = typeName(t);
  const cond: LoopType = { dtype: "bool", lanes: t.lanes };
  const m = typeName(cond);
  const four = t.dtype !== "index" && DTYPES[t.dtype].bytes === 4;
  const body = four ? `return (${type})((c & (${m})a) | (~c & (${m})b));` : lanesOf(t, "c[i] ? a[i] : b[i]");
  return { name, text: inline(type, name, `${m} c, ${type} a, ${type} b`, body), types: [t, cond] };
}

export function broadcastIntrinsic(t: LoopType): Intrinsic {
  const name = `broadcast_${suffix(t)}`;
  const list = new Array<string>(t.lanes).fill("x").join(", ");
  return { name, text: inline(typeName(t), name, `${scalarType(t.dtype)} x`, `return (${typeName(t)}){${list}};`), types: [t] };
}

export function castIntrinsic(from: LoopType, to: LoopType): Intrinsic {
  const name = `cast_${suffix(from)}_${suffix(to)}`;
  const element = from.dtype === "bool" ? "x[i] != 0" : "x[i]";
  const whole = [from, to].every((t) => t.dtype !== "bool" && t.dtype !== "index" && !isHalf(t.dtype));
  const body = whole ? `return __builtin_convertvector(x, ${typeName(to)});` : lanesOf(to, `(${scalarType(to.dtype)})(${element})`);
  const define = (text: string): string => inline(typeName(to), name, `${typeName(from)} x`, text);
  return {
    name,
    text: chosen(castWays(from, to), define, define(body)),
    types: [from, to],
  };
}

/** Limits of an integer type of at most 32 bits as C constants. */
function limits(dtype: DType): { readonly low: string; readonly high: string } {
  const bits = DTYPES[dtype].bytes * 8;
  if (DTYPES[dtype].class === "unsigned") return { low: "0", high: bits === 32 ? "UINT32_MAX" : String(2 ** bits - 1) };
  return bits === 32 ? { low: "INT32_MIN", high: "INT32_MAX" } : { low: String(-(2 ** (bits - 1))), high: String(2 ** (bits - 1) - 1) };
}

/** Floats are compared with the powers of two that bound the range, which they hold exactly. */
function saturateElement(from: LoopType, to: LoopType, x: string): string {
  const dtype = to.dtype as DType;
  const { low, high } = limits(dtype);
  const result = scalarType(dtype);
  if (from.dtype !== "float32" && from.dtype !== "float64") return `(${result})(${x} > ${high} ? ${high} : ${x} < ${low} ? ${low} : ${x})`;
  const bits = DTYPES[dtype].bytes * 8;
  const unsigned = DTYPES[dtype].class === "unsigned";
  const suffixed = (n: number): string => `${n}.0${from.dtype === "float32" ? "f" : ""}`;
  const above = suffixed(2 ** (unsigned ? bits : bits - 1));
  const below = suffixed(unsigned ? 0 : -(2 ** (bits - 1)));
  return `(${result})(${x} >= ${above} ? ${high} : !(${x} > ${below}) ? (${x} == ${x} ? ${low} : 0) : ${x})`;
}

export function saturateIntrinsic(from: LoopType, to: LoopType): Intrinsic {
  const name = `saturate_${suffix(from)}_${suffix(to)}`;
  const body = to.lanes === 1 ? `return ${saturateElement(from, to, "x")};` : lanesOf(to, saturateElement(from, to, "x[i]"));
  return { name, text: inline(typeName(to), name, `${typeName(from)} x`, body), types: [from, to] };
}

/** Lanes are folded in pairs, halves first. */
export function reduceIntrinsic(op: ReduceOp, t: LoopType): Intrinsic {
  const name = `reduce_${op}_${suffix(t)}`;
  const fold =
    op === "add" || op === "mul"
      ? `x[i] ${op === "add" ? "+" : "*"}= x[i + n]`
      : `x[i] = ${binaryElement(op, t.dtype, "x[i]", "x[i + n]")}`;
  const body = `for (int n = ${t.lanes / 2}; n > 0; n /= 2) for (int i = 0; i < n; i++) ${fold}; return x[0];`;
  return { name, text: inline(scalarType(t.dtype), name, `${typeName(t)} x`, body), types: [t] };
}

export function bitcastIntrinsic(from: LoopType, to: LoopType): Intrinsic {
  const name = `bitcast_${suffix(from)}_${suffix(to)}`;
  const body = `${typeName(to)} r; __builtin_memcpy(&r, &x, sizeof r); return r;`;
  return { name, text: inline(typeName(to), name, `${typeName(from)} x`, body), types: [from, to] };
}

/** `zero` says that the second operand is a vector of zeros. */
export function shuffleIntrinsic(from: LoopType, to: LoopType, indices: readonly number[], zero: boolean): Intrinsic {
  const name = `shuffle_${suffix(from)}_${zero ? "zero_" : ""}${indices.join("_")}`;
  const elements = indices.map((i) => {
    const [v, at] = i < from.lanes ? ["a", i] : ["b", i - from.lanes];
    return from.lanes === 1 ? v : `${v}[${at}]`;
  });
  const body = to.lanes === 1 ? `return ${elements[0] ?? "a"};` : `return (${typeName(to)}){${elements.join(", ")}};`;
  const define = (text: string): string => inline(typeName(to), name, `${typeName(from)} a, ${typeName(from)} b`, text);
  return { name, text: chosen(shuffleWays(from, indices, zero), define, define(body)), types: [from, to] };
}
