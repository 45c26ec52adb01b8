import { DTYPES, is64, type DType } from "../../tensor/dtype.ts";
import { HoneError, must } from "../../util/errors.ts";
import { typeText } from "../../loop/expr.ts";
import type { Range } from "../../loop/simplify.ts";
import type { Buffer, Expr, LoopType, ScalarType, Var } from "../../loop/types.ts";
import type { Immediate, Instruction, ValueType } from "./instruction.ts";

/** Where a buffer begins: a parameter, or an offset from the start of scratch memory. */
export type Base = { readonly kind: "param"; readonly local: number } | { readonly kind: "scratch"; readonly offset: number };

/** Bytes of an element in a register or in memory. */
export const bytesOf = (dtype: ScalarType): number => (dtype === "index" ? 4 : DTYPES[dtype].bytes);

const isHalf = (dtype: ScalarType): boolean => dtype === "float16" || dtype === "bfloat16";

/** The WebAssembly type that holds a value; small integers are kept sign- or zero-extended in an i32, bool as 0 or 1. */
export function valueType(t: LoopType): ValueType {
  const { dtype, lanes } = t;
  const whole = (lanes & (lanes - 1)) === 0 && lanes * (dtype === "bool" ? 1 : bytesOf(dtype)) <= 16;
  if (isHalf(dtype) || !whole)
    throw new HoneError("target.unsupported", `WebAssembly has no type for ${typeText(t)}`, { at: { target: "wasm" } });
  if (lanes > 1) return "v128";
  if (dtype === "float32") return "f32";
  if (dtype === "float64") return "f64";
  return dtype !== "index" && is64(dtype) ? "i64" : "i32";
}

/** The integer dtype whose arithmetic an index has. */
export const plainDType = (dtype: ScalarType): DType => (dtype === "index" ? "int32" : dtype);
export const isSigned = (dtype: ScalarType): boolean => dtype === "index" || DTYPES[dtype].class === "signed";

/** Threads that share a run are numbered below this. */
const MOST_THREADS = 4096;

const NONE: Immediate = { kind: "none" };

/** Collects the instructions and locals of one function. */
export class Emitter {
  readonly code: Instruction[] = [];
  readonly locals: ValueType[] = [];
  readonly #params: number;
  vars: Map<string, number> = new Map();
  /** What is known of index variables. */
  ranges: Map<string, Range> = new Map();
  bases: Map<Buffer, Base> = new Map();
  /** Scratch bytes in use here, and the most that were. */
  scratch = 0;
  scratchPeak = 0;

  /** Index variables that are known not to be negative. */
  readonly indices: ReadonlySet<string>;

  readonly #emit: (m: Emitter, e: Expr) => void;

  /** `shared`: index variables that are parameters behind the buffers, and not negative. */
  constructor(params: readonly Buffer[], indices: ReadonlySet<string>, emit: (m: Emitter, e: Expr) => void, shared: readonly Var[] = []) {
    this.indices = indices;
    this.#emit = emit;
    this.#params = params.length + shared.length;
    shared.forEach((v, i) => {
      this.vars.set(v.name, params.length + i);
      this.ranges.set(v.name, { lo: 0, hi: MOST_THREADS });
    });
    params.forEach((p, local) => this.bases.set(p, { kind: "param", local }));
  }

  /** Leaves the value of an expression on the stack. */
  value(e: Expr): void {
    this.#emit(this, e);
  }

  op(op: string, imm: Immediate = NONE): void {
    this.code.push({ op, imm });
  }

  number(op: string, value: number): void {
    this.op(op, { kind: "number", value });
  }

  constant(type: ValueType, value: number | bigint): void {
    this.op(`${type}.const`, { kind: "const", type, value });
  }

  bytes(op: string, bytes: readonly number[]): void {
    this.op(op, { kind: "bytes", bytes });
  }

  /** Opens a block, loop or if. */
  open(op: "block" | "loop" | "if", type?: ValueType): void {
    this.op(op, type ? { kind: "result", type } : { kind: "result" });
  }

  newLocal(type: ValueType): number {
    return this.#params + this.locals.push(type) - 1;
  }

  get(local: number): void {
    this.number("local.get", local);
  }

  set(local: number): void {
    this.number("local.set", local);
  }

  tee(local: number): void {
    this.number("local.tee", local);
  }

  /** Names the value on the stack and keeps it there. */
  keep(type: ValueType): number {
    const local = this.newLocal(type);
    this.tee(local);
    return local;
  }

  variable(name: string): number {
    return must(this.vars.get(name), `variable ${name}`);
  }

  /** Runs `f` in an inner scope. */
  scoped(f: () => void): void {
    const { vars, ranges, bases, scratch } = this;
    this.vars = new Map(vars);
    this.ranges = new Map(ranges);
    this.bases = new Map(bases);
    f();
    Object.assign(this, { vars, ranges, bases, scratch });
  }
}
