/**
 * Random kernels for checking printers against the interpreter. Only what the loop IR defines to the last bit is made: no fma,
 * no elementary functions, no float conversions that overflow, no bits of a NaN, shift counts in range, constant divisors.
 */
import fc from "fast-check";
import { DTYPES, is64, isFloat, type DType, type TypedArray } from "../../src/tensor/dtype.ts";
import {
  add,
  binary,
  bitcast,
  broadcast,
  cast,
  compare,
  constant,
  div,
  dot4,
  indexVar,
  int,
  load,
  max,
  min,
  mod,
  mul,
  reduceLanes,
  saturatingCast,
  select,
  shuffle,
  sub,
  typeEquals,
  unary,
  variable,
} from "../../src/loop/expr.ts";
import { alloc, forLoop, ifThen, letMutable, letVar, setVar, store } from "../../src/loop/stmt.ts";
import type { BinaryOp, Buffer, CompareOp, Expr, Func, LoopType, ScalarType, Stmt, UnaryOp, Var } from "../../src/loop/types.ts";

/** Elements of every buffer. */
export const LENGTH = 64;
const DTYPE_NAMES = ["float32", "int32", "uint8", "int8", "float64", "int64", "uint16", "int16", "uint32", "uint64", "bool"] as const;
const LANES = [1, 4, 8, 16, 2] as const;

/** Decisions from a list of numbers; when it is used up, the first alternative. */
class Choices {
  readonly #tape: readonly number[];
  #at = 0;
  constructor(tape: readonly number[]) {
    this.#tape = tape;
  }
  below(n: number): number {
    return (this.#tape[this.#at++] ?? 0) % n;
  }
  of<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}

const realType = (t: ScalarType): boolean => t !== "index" && isFloat(t);
const wide = (t: ScalarType): boolean => t !== "index" && is64(t);

class Maker {
  readonly choices: Choices;
  readonly inputs: readonly Buffer[];
  vars: Var[] = [];
  #mutable: Var[] = [];
  #names = 0;
  #indices: Expr[] = [];
  #scratch: Buffer[] = [];

  constructor(choices: Choices, inputs: readonly Buffer[]) {
    this.choices = choices;
    this.inputs = inputs;
  }

  name(stem: string): string {
    return `${stem}${this.#names++}`;
  }

  /** An index at which `lanes` elements can be read. */
  index(lanes: number, depth: number): Expr {
    return max(int(0), min(this.free(depth), int(LENGTH - lanes)));
  }

  /** Index arithmetic of any value. */
  free(depth: number): Expr {
    const c = this.choices;
    const leaf = this.#indices[c.below(Math.max(1, this.#indices.length))] ?? int(c.below(LENGTH));
    if (depth === 0) return leaf;
    const a = (): Expr => this.free(depth - 1);
    const k = int(c.below(9) + 1);
    return c.of([
      () => leaf,
      () => add(a(), int(c.below(16) - 8)),
      () => sub(int(c.below(LENGTH)), a()),
      () => mul(a(), int(c.below(7) - 3)),
      () => div(a(), k),
      () => mod(a(), k),
      () => add(mul(a(), k), a()),
      () => min(a(), a()),
    ])();
  }

  leaf(t: LoopType): Expr {
    const c = this.choices;
    const same = this.vars.filter((v) => typeEquals(v.type, t));
    const readable = [...this.inputs, ...this.#scratch].filter((b) => b.dtype === t.dtype);
    const options: [() => Expr, ...(() => Expr)[]] = [() => this.constant(t)];
    for (const b of readable) options.push(() => load(b, this.index(t.lanes, 1), t.lanes));
    if (same.length > 0) options.push(() => same[c.below(same.length)] ?? this.constant(t));
    return c.of(options)();
  }

  constant(t: LoopType): Expr {
    const c = this.choices;
    const { dtype, lanes } = t;
    if (dtype === "bool") return constant(c.below(2), "bool", lanes);
    if (realType(dtype)) return constant(c.of([0, 1, -1.5, 2.5, 1e6, -0, 0.1, -1000]), dtype, lanes);
    const unsigned = dtype !== "index" && DTYPES[dtype].class === "unsigned";
    const size = c.of([1, 0, 2, 5, 77, 127]);
    const value = c.below(2) === 1 && !unsigned && size > 0 ? -size : size;
    return constant(wide(dtype) ? BigInt(value) : value, dtype, lanes);
  }

  expr(t: LoopType, depth: number): Expr {
    if (depth === 0) return this.leaf(t);
    const c = this.choices;
    const options: [() => Expr, ...(() => Expr)[]] = [() => this.leaf(t), () => this.choose(t, depth), () => this.converted(t, depth)];
    if (t.dtype === "bool") options.push(...this.logic(t, depth));
    else if (realType(t.dtype)) options.push(...this.real(t, depth));
    else options.push(...this.integer(t, depth));
    options.push(...this.across(t, depth));
    return c.of(options)();
  }

  choose(t: LoopType, depth: number): Expr {
    const cond = this.expr({ dtype: "bool", lanes: this.choices.of([t.lanes, 1]) }, depth - 1);
    return select(cond, this.expr(t, depth - 1), this.expr(t, depth - 1));
  }

  /** A value of another dtype, converted. */
  converted(t: LoopType, depth: number): Expr {
    const { dtype, lanes } = t;
    if (dtype === "index") return this.leaf(t);
    const from = this.source(dtype);
    const a = this.expr({ dtype: from, lanes }, depth - 1);
    const clamped = !isFloat(dtype) && dtype !== "bool" && isFloat(from);
    if (clamped) return is64(dtype) ? cast(saturatingCast(a, "int32"), dtype) : saturatingCast(a, dtype);
    const either = !isFloat(dtype) && !is64(dtype) && from !== "bool" && dtype !== "bool";
    return either && this.choices.below(2) === 1 ? saturatingCast(a, dtype) : cast(a, dtype);
  }

  /** A dtype whose conversion to another is exact or defined. */
  source(to: DType): DType {
    const from = this.choices.of(DTYPE_NAMES);
    if (to === "bool") return isFloat(from) || is64(from) ? "int16" : from;
    return isFloat(to) && (is64(from) || from === to) ? "int32" : from;
  }

  logic(t: LoopType, depth: number): (() => Expr)[] {
    const c = this.choices;
    const a = (): Expr => this.expr(t, depth - 1);
    return [
      () => binary(c.of<BinaryOp>(["and", "or", "xor"]), a(), a()),
      () => unary("not", a()),
      () => {
        const operand: LoopType = { dtype: c.of(DTYPE_NAMES), lanes: t.lanes };
        const op = operand.dtype === "bool" ? c.of<CompareOp>(["eq", "ne"]) : c.of<CompareOp>(["lt", "eq", "ne", "le", "gt", "ge"]);
        return compare(op, this.expr(operand, depth - 1), this.expr(operand, depth - 1));
      },
    ];
  }

  real(t: LoopType, depth: number): (() => Expr)[] {
    const c = this.choices;
    const a = (): Expr => this.expr(t, depth - 1);
    return [
      () => binary(c.of<BinaryOp>(["add", "sub", "mul", "div", "min", "max"]), a(), a()),
      () => unary(c.of<UnaryOp>(["neg", "abs", "floor", "ceil", "roundEven", "trunc"]), a()),
      () => unary("sqrt", unary("abs", a())),
      () => bitcast(this.expr({ dtype: t.dtype === "float64" ? "int64" : "int32", lanes: t.lanes }, depth - 1), t.dtype as DType),
    ];
  }

  integer(t: LoopType, depth: number): (() => Expr)[] {
    const c = this.choices;
    const a = (): Expr => this.expr(t, depth - 1);
    const dtype = t.dtype as DType;
    const k = (n: number): Expr => constant(is64(dtype) ? BigInt(n) : n, dtype, t.lanes);
    const bits = 8 * DTYPES[dtype].bytes;
    const options = [
      (): Expr => binary(c.of<BinaryOp>(["add", "sub", "mul", "min", "max", "and", "or", "xor", "mulhi"]), a(), a()),
      (): Expr => binary(c.of<BinaryOp>(["shl", "shr"]), a(), k(c.below(bits))),
      (): Expr => binary(c.of<BinaryOp>(["div", "mod"]), a(), k(c.of([3, 1, 7, 100]))),
      (): Expr => unary(c.of<UnaryOp>(["neg", "abs", "not"]), a()),
    ];
    if (dtype === "int32")
      options.push(() =>
        dot4(a(), this.expr({ dtype: "uint8", lanes: 4 * t.lanes }, 0), this.expr({ dtype: "int8", lanes: 4 * t.lanes }, 0)),
      );
    return options;
  }

  /** Between lane counts. */
  across(t: LoopType, depth: number): (() => Expr)[] {
    const c = this.choices;
    const of = (lanes: number): Expr => this.expr({ dtype: t.dtype, lanes }, depth - 1);
    if (t.lanes === 1) {
      const reducible = t.dtype !== "bool";
      return reducible ? [() => reduceLanes(c.of(["add", "mul", "min", "max"]), of(c.of([4, 8, 2])))] : [];
    }
    const [m, n] = [c.of([t.lanes, 1, t.lanes / 2]), c.of([t.lanes, 1])];
    return [
      () => broadcast(of(1), t.lanes),
      () =>
        shuffle(
          of(m),
          of(n),
          Array.from({ length: t.lanes }, () => c.below(m + n)),
        ),
    ];
  }

  type(): LoopType {
    return { dtype: this.choices.of(DTYPE_NAMES), lanes: this.choices.of(LANES) };
  }

  statement(depth: number): readonly Stmt[] {
    const c = this.choices;
    const options: [() => readonly Stmt[], ...(() => readonly Stmt[])[]] = [
      () => this.declare(letVar, false),
      () => this.declare(letMutable, true),
      () => this.assign(),
    ];
    if (depth > 0)
      options.push(
        () => [ifThen(this.expr({ dtype: "bool", lanes: 1 }, 2), this.block(depth - 1), this.block(depth - 1))],
        () => this.loop(depth),
        () => this.countdown(depth),
        () => this.allocated(depth),
      );
    return c.of(options)();
  }

  declare(make: (v: Var, e: Expr) => Stmt, mutable: boolean): readonly Stmt[] {
    const t = this.type();
    const value = this.expr(t, 3);
    const v = variable(this.name("v"), t);
    this.vars.push(v);
    if (mutable) this.#mutable.push(v);
    return [make(v, value)];
  }

  assign(): readonly Stmt[] {
    const v = this.#mutable[this.choices.below(Math.max(1, this.#mutable.length))];
    return v ? [setVar(v, this.expr(v.type, 3))] : [];
  }

  loop(depth: number): readonly Stmt[] {
    const c = this.choices;
    const v = indexVar(this.name("i"));
    const from = int(c.below(4) - 2);
    const to = c.of([int(c.below(5)), this.index(LENGTH - 6, 1)]);
    const mode = c.of(["serial", "unroll"] as const);
    const step = c.below(3) + 1;
    return [this.inside([v], () => forLoop(v, to, this.block(depth - 1), { from, step, mode }))];
  }

  countdown(depth: number): readonly Stmt[] {
    const n = variable(this.name("n"), { dtype: "int32", lanes: 1 });
    const less = setVar(n, binary("sub", n, constant(1, "int32")));
    return [
      letMutable(n, constant(this.choices.below(4), "int32")),
      { kind: "while", cond: compare("gt", n, constant(0, "int32")), body: [less, ...this.block(depth - 1)] },
    ];
  }

  /** A buffer that is written before it is read. */
  allocated(depth: number): readonly Stmt[] {
    const dtype = this.choices.of(DTYPE_NAMES);
    const b: Buffer = { name: this.name("a"), dtype, length: LENGTH, access: "readwrite" };
    const i = indexVar(this.name("i"));
    const fill = this.inside([i], () => forLoop(i, LENGTH, [store(b, i, this.expr({ dtype, lanes: 1 }, 1))]));
    this.#scratch.push(b);
    const body = this.block(depth - 1);
    this.#scratch.pop();
    return [alloc(b, [fill, ...body])];
  }

  inside<T>(indices: readonly Expr[], f: () => T): T {
    const { vars } = this;
    const [outerIndices, outerMutable] = [this.#indices, this.#mutable];
    this.#indices = [...outerIndices, ...indices];
    this.vars = [...vars];
    this.#mutable = [...outerMutable];
    const result = f();
    this.vars = vars;
    this.#indices = outerIndices;
    this.#mutable = outerMutable;
    return result;
  }

  block(depth: number): readonly Stmt[] {
    return this.inside([], () => Array.from({ length: this.choices.below(3) + 1 }, () => this.statement(depth)).flat());
  }
}

export interface Kernel {
  readonly func: Func;
  /** One for each input, in the order of the parameters; the outputs follow them and start as zeros. */
  readonly inputs: readonly TypedArray[];
}

const PATTERN = [0, 1, 3, 255, 127, 128, 2.5, -1, -128, 100000, -7.25, 3e9, 1e-3, -32768, 65535, 42];

function inputOf(dtype: DType, seed: number): TypedArray {
  const data = new DTYPES[dtype].array(new ArrayBuffer(LENGTH * DTYPES[dtype].bytes), 0, LENGTH);
  for (let i = 0; i < LENGTH; i++) {
    const value = (PATTERN[(i * 5 + seed) % PATTERN.length] ?? 0) + (i >> 4);
    data[i] =
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(Math.trunc(value)) : dtype === "bool" ? i & 1 : value;
  }
  return data;
}

/** The kernel that a list of numbers decides. */
export function kernelFrom(tape: readonly number[], name = "kernel"): Kernel {
  const choices = new Choices(tape);
  const dtypes: readonly DType[] = ["float32", "int32", "uint8", "int8", choices.of(DTYPE_NAMES)];
  const inputs = dtypes.map((dtype, i): Buffer => ({ name: `x${i}`, dtype, length: LENGTH, access: "read" }));
  const results = [choices.of(DTYPE_NAMES), choices.of(DTYPE_NAMES)].map((dtype, i): Buffer => ({
    name: `y${i}`,
    dtype,
    length: LENGTH,
    access: "write",
  }));
  const maker = new Maker(choices, inputs);
  const i = indexVar("i");
  const lanes = choices.of(LANES);
  const body = maker.inside([i], () => {
    const before = maker.statement(2);
    return [...before, ...results.map((b) => store(b, i, maker.expr({ dtype: b.dtype, lanes }, 4)))];
  });
  const func: Func = { name, params: [...inputs, ...results], body: [forLoop(i, LENGTH, body, { step: lanes })] };
  return { func, inputs: dtypes.map((d, k) => inputOf(d, 3 * k + choices.below(16))) };
}

/** Random kernels; smaller lists of decisions are simpler kernels. */
export const kernels: fc.Arbitrary<Kernel> = fc
  .array(fc.nat(255), { minLength: 60, maxLength: 300, size: "max" })
  .map((tape) => kernelFrom(tape));
