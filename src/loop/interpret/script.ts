/**
 * Scalar loop IR as the text of one JavaScript function, which the JavaScript engine turns into machine code. What is not
 * plain arithmetic calls the same definitions that the closures use.
 */
import { DTYPES, isFloat, type DType } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { onExpr, onStmt } from "../dispatch.ts";
import type { Binary, Buffer, Compare, Expr, ExprTable, Func, ScalarType, Stmt, StmtTable } from "../types.ts";
import { bitcaster } from "./bits.ts";
import { halfCodec, memoryOf, outside, type Memory } from "./memory.ts";
import { bigBinary, bigUnary, convert, exactBinary, exactUnary, isWide, saturate, wrapNumber, type Scalar } from "./scalar.ts";

/** Names of the function's variables, and the values that its text refers to. */
class Script {
  readonly values: unknown[] = [];
  readonly #known = new Map<unknown, string>();
  #count = 0;

  /** A new name. */
  fresh(): string {
    return `v${this.#count++}`;
  }

  /** How the text calls a value; equal keys share one. */
  refer(key: unknown, make: () => unknown): string {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = `c${this.values.push(make()) - 1}`;
    this.#known.set(key, name);
    return name;
  }
}

class Names {
  readonly script: Script;
  readonly #variables: Map<string, string>;
  readonly #memories: Map<Buffer, Memory>;

  constructor(script: Script, variables: ReadonlyMap<string, string>, memories: ReadonlyMap<Buffer, Memory>) {
    this.script = script;
    this.#variables = new Map(variables);
    this.#memories = new Map(memories);
  }

  inner(): Names {
    return new Names(this.script, this.#variables, this.#memories);
  }

  declare(name: string): string {
    const text = this.script.fresh();
    this.#variables.set(name, text);
    return text;
  }

  variable(name: string): string {
    const text = this.#variables.get(name);
    invariant(text !== undefined, `variable ${name}`);
    return text;
  }

  hold(buffer: Buffer, memory: Memory): void {
    this.#memories.set(buffer, memory);
  }

  /** Names of the buffer's elements, and of the function that complains. */
  memory(buffer: Buffer): { data: string; length: number; outside: string } {
    const memory = this.#memories.get(buffer);
    invariant(memory, `buffer ${buffer.name}`);
    return {
      data: this.script.refer(memory, () => memory.data),
      length: memory.data.length,
      outside: this.script.refer(buffer, () => (i?: number) => outside(buffer, i)),
    };
  }

  call(key: string, make: () => unknown, ...args: readonly string[]): string {
    return `${this.script.refer(key, make)}(${args.join(", ")})`;
  }
}

/** Thrown where only the closures can go on. */
class NotScalar extends Error {}

const never = (): never => {
  throw new NotScalar();
};

const SIGNS: Partial<Record<Binary["op"], string>> = { add: "+", sub: "-", mul: "*", div: "/" };

/** Brings an exact result back into its type. */
const WRAP: Partial<Record<ScalarType, (x: string) => string>> = {
  float32: (x) => `Math.fround(${x})`,
  float64: (x) => `(${x})`,
  index: (x) => `(${x})`,
  int8: (x) => `(((${x}) << 24) >> 24)`,
  int16: (x) => `(((${x}) << 16) >> 16)`,
  int32: (x) => `((${x}) | 0)`,
  uint8: (x) => `((${x}) & 0xff)`,
  uint16: (x) => `((${x}) & 0xffff)`,
  uint32: (x) => `((${x}) >>> 0)`,
  bool: (x) => `((${x}) ? 1 : 0)`,
};

function wrap(dtype: ScalarType, x: string, n: Names): string {
  return WRAP[dtype]?.(x) ?? n.call(`wrap ${dtype}`, () => wrapNumber(dtype), x);
}

const COMPARE: Record<Compare["op"], string> = { eq: "===", ne: "!==", lt: "<", le: "<=", gt: ">", ge: ">=" };

/** Arithmetic before its result is brought back into the type: an operator where JavaScript's is the same. */
function exact(e: Binary, a: string, b: string, n: Names): string {
  const { dtype } = e.type;
  const sign = SIGNS[e.op];
  const integer = dtype === "index" || !isFloat(dtype);
  if (integer && e.op === "div" && dtype === "index") return `Math.floor(${a} / ${b})`;
  if (integer && e.op === "mul" && dtype !== "index") return `Math.imul(${a}, ${b})`;
  if (sign && !(integer && e.op === "div")) return `${a} ${sign} ${b}`;
  return n.call(`${e.op}2 ${dtype}`, () => exactBinary(e.op, dtype), a, b);
}

const number = (x: number): string =>
  Object.is(x, -0) ? "-0" : Number.isFinite(x) ? String(x) : Number.isNaN(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity";

const table: ExprTable<string, [Names]> = {
  const: (e) => (isWide(e.type.dtype) ? `${BigInt(e.value)}n` : `(${number(Number(e.value))})`),
  var: (e, n) => n.variable(e.name),
  load: (e, n) => {
    const { data, outside: complain } = n.memory(e.buffer);
    const codec = halfCodec(e.buffer);
    const element = `(${data}[${text(e.index, n)}] ?? ${complain}())`;
    return codec ? n.call(`decode ${e.buffer.dtype}`, () => codec.decode, element) : element;
  },
  unary: (e, n) => {
    const { dtype } = e.type;
    const a = text(e.a, n);
    if (isWide(dtype)) return n.call(`${e.op} ${dtype}`, () => bigUnary(e.op, dtype), a);
    return wrap(dtype, e.op === "neg" ? `-${a}` : n.call(`${e.op} ${dtype}`, () => exactUnary(e.op, dtype), a), n);
  },
  binary: (e, n) => {
    const { dtype } = e.type;
    if (dtype === "bool" && (e.op === "and" || e.op === "or")) return `(${condition(e, n)} ? 1 : 0)`;
    const [a, b] = [text(e.a, n), text(e.b, n)];
    if (isWide(dtype)) return n.call(`${e.op}2 ${dtype}`, () => bigBinary(e.op, dtype), a, b);
    return wrap(dtype, exact(e, a, b, n), n);
  },
  compare: (e, n) => `(${condition(e, n)} ? 1 : 0)`,
  select: (e, n) => `(${condition(e.cond, n)} ? ${text(e.a, n)} : ${text(e.b, n)})`,
  cast: (e, n) => {
    const [from, to] = [e.a.type.dtype, e.type.dtype];
    const a = text(e.a, n);
    if (to === "float32" && !isWide(from)) return `Math.fround(${a})`;
    if (to === "index" && !isWide(from)) return `Math.trunc(${a})`;
    return n.call(`cast ${from} ${to}`, () => convert(from, to), a);
  },
  bitcast: (e, n) => {
    const [from, to] = [e.a.type, e.type];
    const make = (): unknown => {
      const f = bitcaster(from, to);
      return (x: Scalar) => f([x])[0];
    };
    return n.call(`bitcast ${from.dtype} ${to.dtype}`, make, text(e.a, n));
  },
  fma: (e, n) => wrap(e.type.dtype, `${text(e.a, n)} * ${text(e.b, n)} + ${text(e.c, n)}`, n),
  dot4: never,
  dot2: never,
  broadcast: never,
  shuffle: never,
  reduceLanes: never,
  roundedBytes: never,
  saturatingCast: (e, n) => n.call(`saturate ${e.type.dtype}`, () => saturate(e.type.dtype as DType), text(e.a, n)),
};

function text(e: Expr, n: Names): string {
  return e.type.lanes > 1 ? never() : onExpr(table, e, n);
}

/** As a JavaScript boolean; only as much is evaluated as decides. */
function condition(e: Expr, n: Names): string {
  if (e.kind === "compare") return `${text(e.a, n)} ${COMPARE[e.op]} ${text(e.b, n)}`;
  if (e.kind === "binary" && e.type.dtype === "bool" && (e.op === "and" || e.op === "or"))
    return `((${condition(e.a, n)}) ${e.op === "and" ? "&&" : "||"} (${condition(e.b, n)}))`;
  return `${text(e, n)} !== 0`;
}

const statements: StmtTable<string, [Names]> = {
  for: (s, n) => {
    const [from, to] = [text(s.from, n), text(s.to, n)];
    const inner = n.inner();
    const [v, end] = [inner.declare(s.var.name), n.script.fresh()];
    return `for (let ${v} = ${from}, ${end} = ${to}; ${v} < ${end}; ${v} += ${s.step}) {\n${block(s.body, inner)}}\n`;
  },
  while: (s, n) => `while (${condition(s.cond, n)}) {\n${block(s.body, n.inner())}}\n`,
  let: (s, n) => {
    const value = text(s.value, n);
    return `let ${n.declare(s.var.name)} = ${value};\n`;
  },
  set: (s, n) => `${n.variable(s.var.name)} = ${text(s.value, n)};\n`,
  store: (s, n) => {
    const { data, length, outside: complain } = n.memory(s.buffer);
    const codec = halfCodec(s.buffer);
    const value = text(s.value, n);
    const i = n.script.fresh();
    const stored = codec ? n.call(`encode ${s.buffer.dtype}`, () => codec.encode, value) : value;
    return `const ${i} = ${text(s.index, n)};\nif (!(${i} >= 0 && ${i} < ${length})) ${complain}(${i});\n${data}[${i}] = ${stored};\n`;
  },
  if: (s, n) => `if (${condition(s.cond, n)}) {\n${block(s.then, n.inner())}} else {\n${block(s.otherwise, n.inner())}}\n`,
  alloc: (s, n) => {
    const inner = n.inner();
    const { dtype, length } = s.buffer;
    inner.hold(s.buffer, memoryOf(s.buffer, new DTYPES[dtype].array(new ArrayBuffer(length * DTYPES[dtype].bytes), 0, length)));
    return block(s.body, inner);
  },
  prefetch: () => "",
};

const block = (body: readonly Stmt[], n: Names): string => body.map((s) => onStmt(statements, s, n)).join("");

/**
 * The function as a closure over its memory; undefined where it has vectors, or where functions may not be made of text
 * (a Content-Security-Policy without unsafe-eval).
 */
export function scriptOf(f: Func, memories: readonly Memory[]): (() => void) | undefined {
  const script = new Script();
  try {
    const body = block(f.body, new Names(script, new Map(), new Map(memories.map((m) => [m.buffer, m]))));
    // The text holds numbers, operators and names made here, never a name from a model.
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    const make = new Function(...script.values.map((_, i) => `c${i}`), `"use strict";\nreturn () => {\n${body}};`) as (
      ...values: unknown[]
    ) => () => void;
    return make(...script.values);
  } catch (error) {
    if (error instanceof NotScalar || error instanceof EvalError) return undefined;
    throw error;
  }
}
