/** Closures for scalars of 64-bit integers, which are BigInts. */
import { invariant } from "../../util/errors.ts";
import { onExpr } from "../dispatch.ts";
import type { Expr, ExprTable } from "../types.ts";
import { bitcaster } from "./bits.ts";
import { outside } from "./memory.ts";
import { bigBinary, bigUnary, convert, isWide } from "./scalar.ts";
import type { EvalBig, Scope } from "./scope.ts";

const none = (e: Expr): never => {
  invariant(false, `${e.kind} of 64-bit integers`);
};

const firstLane = (e: Expr, s: Scope): EvalBig => {
  const f = s.make.vector(e, s);
  return () => BigInt(f()[0] ?? 0);
};

const table: ExprTable<EvalBig, [Scope]> = {
  const: (e) => {
    const value = BigInt(e.value);
    return () => value;
  },
  var: (e, s) => {
    const slot = s.slot(e.name);
    const { others } = s;
    return () => others[slot] as bigint;
  },
  load: (e, s) => {
    const memory = s.memory(e.buffer);
    invariant(memory.wide, `${e.buffer.name} holds no 64-bit integers`);
    const { data, buffer } = memory;
    const index = s.make.number(e.index, s);
    return () => {
      const i = index();
      return data[i] ?? outside(buffer, i);
    };
  },
  unary: (e, s) => {
    const f = bigUnary(e.op, e.type.dtype);
    const a = big(e.a, s);
    return () => f(a());
  },
  binary: (e, s) => {
    const f = bigBinary(e.op, e.type.dtype);
    const [a, b] = [big(e.a, s), big(e.b, s)];
    return () => f(a(), b());
  },
  compare: none,
  select: (e, s) => {
    const cond = s.make.test(e.cond, s);
    const [a, b] = [big(e.a, s), big(e.b, s)];
    return () => (cond() ? a() : b());
  },
  cast: (e, s) => {
    const f = convert(e.a.type.dtype, e.type.dtype);
    if (isWide(e.a.type.dtype)) {
      const a = big(e.a, s);
      return () => BigInt(f(a()));
    }
    const a = s.make.number(e.a, s);
    return () => BigInt(f(a()));
  },
  bitcast: (e, s) => {
    const f = bitcaster(e.a.type, e.type);
    const a = s.make.lanes(e.a, s);
    return () => BigInt(f(a())[0] ?? 0);
  },
  fma: none,
  dot4: none,
  dot2: none,
  broadcast: none,
  shuffle: firstLane,
  reduceLanes: (e, s) => {
    const f = bigBinary(e.op, e.type.dtype);
    const a = s.make.lanes(e.a, s);
    return () => a().map(BigInt).reduce(f);
  },
  saturatingCast: none,
  roundedBytes: none,
};

export function big(e: Expr, s: Scope): EvalBig {
  invariant(e.type.lanes === 1 && isWide(e.type.dtype), `${e.kind} as a 64-bit integer`);
  return onExpr(table, e, s);
}
