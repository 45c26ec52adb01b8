/** Closures for scalars that are JavaScript numbers. The common types have their own, so that each stays of one shape. */
import type { DType } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { onExpr } from "../dispatch.ts";
import type { Binary, Cast, Expr, ExprTable, Load } from "../types.ts";
import { bitcaster } from "./bits.ts";
import { halfCodec, outside } from "./memory.ts";
import { convert, isWide, numberBinary, numberUnary, saturate, wrapNumber } from "./scalar.ts";
import type { EvalNumber, Scope } from "./scope.ts";

const notScalar = (e: Expr): never => {
  invariant(false, `${e.kind} has lanes`);
};

function load(e: Load, s: Scope): EvalNumber {
  const memory = s.memory(e.buffer);
  invariant(!memory.wide, `${e.buffer.name} holds 64-bit integers`);
  const { data, buffer } = memory;
  const index = number(e.index, s);
  const codec = halfCodec(buffer);
  if (codec) {
    const { decode } = codec;
    return () => {
      const i = index();
      return decode(data[i] ?? outside(buffer, i));
    };
  }
  if (data instanceof Float32Array) {
    return () => {
      const i = index();
      return data[i] ?? outside(buffer, i);
    };
  }
  return () => {
    const i = index();
    return data[i] ?? outside(buffer, i);
  };
}

const INDEX: Partial<Record<Binary["op"], (a: EvalNumber, b: EvalNumber) => EvalNumber>> = {
  add: (a, b) => () => a() + b(),
  sub: (a, b) => () => a() - b(),
  mul: (a, b) => () => a() * b(),
  div: (a, b) => () => Math.floor(a() / b()),
  mod: (a, b) => () => {
    const [x, y] = [a(), b()];
    return x - y * Math.floor(x / y);
  },
};

const FLOAT32: Partial<Record<Binary["op"], (a: EvalNumber, b: EvalNumber) => EvalNumber>> = {
  add: (a, b) => () => Math.fround(a() + b()),
  sub: (a, b) => () => Math.fround(a() - b()),
  mul: (a, b) => () => Math.fround(a() * b()),
  div: (a, b) => () => Math.fround(a() / b()),
  min: (a, b) => () => {
    const x = a();
    const y = b();
    return y < x ? y : x;
  },
  max: (a, b) => () => {
    const x = a();
    const y = b();
    return y > x ? y : x;
  },
};

function logic(e: Binary, s: Scope): EvalNumber | undefined {
  if (e.type.dtype !== "bool" || (e.op !== "and" && e.op !== "or")) return undefined;
  const test = s.make.test(e, s);
  return () => (test() ? 1 : 0);
}

function castOf(e: Cast, s: Scope): EvalNumber {
  const [from, to] = [e.a.type.dtype, e.type.dtype];
  if (isWide(from)) {
    const f = convert(from, to);
    const a = s.make.big(e.a, s);
    return () => Number(f(a()));
  }
  const a = number(e.a, s);
  if (to === "float32") return () => Math.fround(a());
  if (to === "float64" || (to === "index" && from === "int32")) return a;
  if (to === "index") return () => Math.trunc(a());
  const f = convert(from, to);
  return () => Number(f(a()));
}

const table: ExprTable<EvalNumber, [Scope]> = {
  const: (e) => {
    const value = Number(e.value);
    return () => value;
  },
  var: (e, s) => {
    const slot = s.slot(e.name);
    const { indices, numbers } = s;
    return e.type.dtype === "index" ? () => indices[slot] as number : () => numbers[slot] as number;
  },
  load,
  unary: (e, s) => {
    const f = numberUnary(e.op, e.type.dtype);
    const a = number(e.a, s);
    return () => f(a());
  },
  binary: (e, s) => {
    const short = logic(e, s);
    if (short) return short;
    const [a, b] = [number(e.a, s), number(e.b, s)];
    const special = e.type.dtype === "index" ? INDEX[e.op] : e.type.dtype === "float32" ? FLOAT32[e.op] : undefined;
    if (special) return special(a, b);
    const f = numberBinary(e.op, e.type.dtype);
    return () => f(a(), b());
  },
  compare: (e, s) => {
    const test = s.make.test(e, s);
    return () => (test() ? 1 : 0);
  },
  select: (e, s) => {
    const cond = s.make.test(e.cond, s);
    const [a, b] = [number(e.a, s), number(e.b, s)];
    return () => (cond() ? a() : b());
  },
  cast: (e, s) => castOf(e, s),
  bitcast: (e, s) => {
    const f = bitcaster(e.a.type, e.type);
    const a = s.make.lanes(e.a, s);
    return () => Number(f(a())[0]);
  },
  fma: (e, s) => {
    const [a, b, c] = [number(e.a, s), number(e.b, s), number(e.c, s)];
    if (e.type.dtype === "float32") return () => Math.fround(a() * b() + c());
    const wrap = wrapNumber(e.type.dtype);
    return () => wrap(a() * b() + c());
  },
  dot4: (e, s) => {
    const f = s.make.vector(e, s);
    return () => Number(f()[0]);
  },
  dot2: (e, s) => {
    const f = s.make.vector(e, s);
    return () => Number(f()[0]);
  },
  broadcast: notScalar,
  shuffle: (e, s) => {
    const f = s.make.vector(e, s);
    return () => Number(f()[0]);
  },
  reduceLanes: (e, s) => {
    const f = numberBinary(e.op, e.type.dtype);
    const a = s.make.lanes(e.a, s);
    return () => a().map(Number).reduce(f);
  },
  roundedBytes: notScalar,
  saturatingCast: (e, s) => {
    const f = saturate(e.type.dtype as DType);
    if (isWide(e.a.type.dtype)) {
      const a = s.make.big(e.a, s);
      return () => Number(f(a()));
    }
    const a = number(e.a, s);
    return () => Number(f(a()));
  },
};

export function number(e: Expr, s: Scope): EvalNumber {
  invariant(e.type.lanes === 1 && !isWide(e.type.dtype), `${e.kind} as a number`);
  return onExpr(table, e, s);
}
