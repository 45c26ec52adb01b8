/** Loop IR as C with GNU vector extensions. Prints; decides nothing. */
import { DTYPES } from "../../tensor/dtype.ts";
import { onExpr, onStmt } from "../../loop/dispatch.ts";
import type { Expr, ExprTable, Func, LoopType, Stmt, StmtTable } from "../../loop/types.ts";
import { dot2Intrinsic } from "./dot2.ts";
import { dot4Intrinsic } from "./dot4.ts";
import { loadHalves, storeHalf } from "./halves.ts";
import * as intrinsics from "./intrinsics.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { literal } from "./literals.ts";
import { roundedBytesIntrinsic } from "./rounded-bytes.ts";
import { isHalf, memoryType, scalarType, typeName, vectorTypedefs } from "./types.ts";

const OPERATORS: Readonly<Record<string, string>> = { add: "+", sub: "-", mul: "*", and: "&", or: "|", xor: "^", shl: "<<", shr: ">>" };
const COMPARISONS: Readonly<Record<string, string>> = { eq: "==", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" };

/** What a file of kernels needs before them, collected while they are printed. */
class Prelude {
  readonly #types = new Map<string, string>();
  readonly #functions = new Map<string, string>();

  type(t: LoopType): string {
    const name = typeName(t);
    if (t.lanes > 1 && !this.#types.has(name)) this.#types.set(name, vectorTypedefs(t));
    return name;
  }

  call(f: Intrinsic, ...args: readonly string[]): string {
    f.types.forEach((t) => this.type(t));
    this.#functions.set(f.name, f.text);
    return `${f.name}(${args.join(", ")})`;
  }

  text(): string {
    return [...this.#types.values(), ...this.#functions.values()].join("");
  }
}

const isFloating = (t: LoopType): boolean => t.dtype === "float32" || t.dtype === "float64" || isHalf(t.dtype);
const narrow = (t: LoopType): boolean => ["int8", "int16", "uint8", "uint16"].includes(t.dtype);
const signed = (t: LoopType): boolean => t.dtype === "int32" || t.dtype === "int64";

/** Signed arithmetic wraps in the IR and is undefined in C: it goes through the unsigned type. */
function wrapping(t: LoopType, op: string, a: string, b: string): string {
  const type = scalarType(t.dtype);
  if (t.lanes === 1 && narrow(t)) return `((${type})(${a} ${op} ${b}))`;
  if (t.lanes === 1 && signed(t) && op !== "&" && op !== "|" && op !== "^" && op !== ">>")
    return `((${type})((u${type})${a} ${op} (u${type})${b}))`;
  return `(${a} ${op} ${b})`;
}

const exprTable: ExprTable<string, [Prelude]> = {
  const: (e, p) => {
    const one = literal(e.value, e.type.dtype);
    return e.type.lanes === 1 ? one : p.call(intrinsics.broadcastIntrinsic(e.type), one);
  },
  var: (e) => e.name,
  load: (e, p) => {
    const { dtype } = e.buffer;
    const at = `${e.buffer.name}[${expr(e.index, p)}]`;
    if (isHalf(dtype)) return p.call(loadHalves(dtype, e.type.lanes), e.type.lanes === 1 ? at : `&${at}`);
    return e.type.lanes === 1 ? at : `((${p.type(e.type)})*(const ${typeName(e.type)}_u*)&${at})`;
  },
  unary: (e, p) => {
    const a = expr(e.a, p);
    if (e.op === "neg") return e.type.lanes > 1 || isFloating(e.type) ? `(-${a})` : `((${typeName(e.type)})(0u - ${a}))`;
    if (e.op === "not") return e.type.dtype === "bool" && e.type.lanes === 1 ? `(!${a})` : `((${p.type(e.type)})~${a})`;
    return p.call(intrinsics.unaryIntrinsic(e.op, e.type), a);
  },
  binary: (e, p) => {
    const [a, b] = [expr(e.a, p), expr(e.b, p)];
    if (e.type.dtype === "bool" && e.type.lanes === 1 && (e.op === "and" || e.op === "or"))
      return `(${a} ${e.op === "and" ? "&&" : "||"} ${b})`;
    const operator = e.op === "div" && isFloating(e.type) ? "/" : OPERATORS[e.op];
    if (operator) return wrapping(e.type, operator, a, b);
    return p.call(intrinsics.binaryIntrinsic(e.op, e.type), a, b);
  },
  compare: (e, p) => {
    const mask = p.type(e.type);
    const test = `(${expr(e.a, p)} ${COMPARISONS[e.op] ?? e.op} ${expr(e.b, p)})`;
    const { dtype, lanes } = e.a.type;
    // Comparing vectors gives integers as wide as their elements; masks have 32 bits.
    return lanes === 1 || dtype === "index" || DTYPES[dtype].bytes === 4 ? test : `__builtin_convertvector(${test}, ${mask})`;
  },
  select: (e, p) => {
    const [c, a, b] = [expr(e.cond, p), expr(e.a, p), expr(e.b, p)];
    return e.cond.type.lanes === 1 ? `(${c} ? ${a} : ${b})` : p.call(intrinsics.selectIntrinsic(e.type), c, a, b);
  },
  cast: (e, p) => {
    const a = expr(e.a, p);
    // Halves are floats in registers.
    if (e.type.lanes > 1 && isHalf(e.a.type.dtype) && e.type.dtype === "float32") return a;
    if (e.type.lanes > 1) return p.call(intrinsics.castIntrinsic(e.a.type, e.type), a);
    return e.type.dtype === "bool" ? `(${a} != 0)` : `((${scalarType(e.type.dtype)})${a})`;
  },
  bitcast: (e, p) => p.call(intrinsics.bitcastIntrinsic(e.a.type, e.type), expr(e.a, p)),
  fma: (e, p) => `(${expr(e.a, p)} * ${expr(e.b, p)} + ${expr(e.c, p)})`,
  dot4: (e, p) => p.call(dot4Intrinsic(e.type.lanes), expr(e.acc, p), expr(e.u, p), expr(e.s, p)),
  dot2: (e, p) => p.call(dot2Intrinsic(e.type.lanes), expr(e.acc, p), expr(e.a, p), expr(e.b, p)),
  broadcast: (e, p) => p.call(intrinsics.broadcastIntrinsic(e.type), expr(e.a, p)),
  shuffle: (e, p) => {
    const zero = e.b.kind === "const" && Number(e.b.value) === 0;
    return p.call(intrinsics.shuffleIntrinsic(e.a.type, e.type, e.indices, zero), expr(e.a, p), expr(e.b, p));
  },
  reduceLanes: (e, p) => p.call(intrinsics.reduceIntrinsic(e.op, e.a.type), expr(e.a, p)),
  roundedBytes: (e, p) =>
    p.call(
      roundedBytesIntrinsic({ dtype: "float32", lanes: e.zero.type.lanes }, e.parts.length),
      ...[...e.parts, e.zero].map((x) => expr(x, p)),
    ),
  saturatingCast: (e, p) => p.call(intrinsics.saturateIntrinsic(e.a.type, e.type), expr(e.a, p)),
};

const expr = (e: Expr, p: Prelude): string => onExpr(exprTable, e, p);

const stmtTable: StmtTable<string, [Prelude, string]> = {
  for: (s, p, pad) => {
    const v = s.var.name;
    const pragma = s.mode === "unroll" ? `${pad}#pragma GCC unroll 16\n` : "";
    return `${pragma}${pad}for (idx ${v} = ${expr(s.from, p)}; ${v} < ${expr(s.to, p)}; ${v} += ${s.step}) {\n${body(s.body, p, pad)}${pad}}\n`;
  },
  while: (s, p, pad) => `${pad}while (${expr(s.cond, p)}) {\n${body(s.body, p, pad)}${pad}}\n`,
  let: (s, p, pad) => `${pad}${s.mutable ? "" : "const "}${p.type(s.var.type)} ${s.var.name} = ${expr(s.value, p)};\n`,
  set: (s, p, pad) => `${pad}${s.var.name} = ${expr(s.value, p)};\n`,
  store: (s, p, pad) => {
    const { dtype } = s.buffer;
    const at = `${s.buffer.name}[${expr(s.index, p)}]`;
    const value = expr(s.value, p);
    if (isHalf(dtype)) return `${pad}${at} = ${p.call(storeHalf(dtype), value)};\n`;
    return s.value.type.lanes === 1 ? `${pad}${at} = ${value};\n` : `${pad}*(${p.type(s.value.type)}_u*)&${at} = ${value};\n`;
  },
  if: (s, p, pad) => {
    const otherwise = s.otherwise.length > 0 ? ` else {\n${body(s.otherwise, p, pad)}${pad}}` : "";
    return `${pad}if (${expr(s.cond, p)}) {\n${body(s.then, p, pad)}${pad}}${otherwise}\n`;
  },
  alloc: (s, p, pad) => {
    const { name, dtype, length } = s.buffer;
    return `${pad}{\n${pad}  ${memoryType(dtype)} ${name}[${length}] __attribute__((aligned(64)));\n${body(s.body, p, pad)}${pad}}\n`;
  },
  prefetch: (s, p, pad) => `${pad}__builtin_prefetch(${s.buffer.name} + ${expr(s.index, p)});\n`,
};

function body(stmts: readonly Stmt[], p: Prelude, pad: string): string {
  return stmts.map((s) => onStmt(stmtTable, s, p, `${pad}  `)).join("");
}

function kernel(f: Func, p: Prelude, linkage: string): string {
  const params = f.params.map((b) => `${b.access === "read" ? "const " : ""}${memoryType(b.dtype)}* restrict ${b.name}`);
  const shared = f.share ? [f.share.part, f.share.parts].map((v) => `idx ${v.name}`) : [];
  return `${linkage}void ${f.name}(${[...params, ...shared].join(", ")}) {\n${body(f.body, p, "")}}\n\n`;
}

const HEADER = "#include <stdint.h>\n#include <stddef.h>\n#include <math.h>\n\ntypedef ptrdiff_t idx;\n\n";

/** A C file of kernels, each `void name(pointers in the order of the parameters)`. */
export function printC(funcs: readonly Func[], options: { readonly linkage?: "static " | "" } = {}): string {
  const prelude = new Prelude();
  const text = funcs.map((f) => kernel(f, prelude, options.linkage ?? "")).join("");
  return `${HEADER}${prelude.text()}\n${text}`;
}
