/** Closures for vectors: an array of scalars, lane by lane. */
import type { DType } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { onExpr } from "../dispatch.ts";
import type { Expr, ExprTable } from "../types.ts";
import { bitcaster } from "./bits.ts";
import { getter } from "./memory.ts";
import { binaryOf, compareOf, convert, isWide, saturate, unaryOf, wrapNumber, type Scalar } from "./scalar.ts";
import type { EvalLanes, Scope, Vector } from "./scope.ts";

/** Applies a scalar function lane by lane. */
function eachLane(f: (...args: Scalar[]) => Scalar, operands: readonly EvalLanes[], count: number): EvalLanes {
  return () => {
    const values = operands.map((o) => o());
    return Array.from({ length: count }, (_, i) => f(...values.map((v) => v[i] ?? 0)));
  };
}

const table: ExprTable<EvalLanes, [Scope]> = {
  const: (e) => {
    const value = new Array<Scalar>(e.type.lanes).fill(e.value);
    return () => value;
  },
  var: (e, s) => {
    const slot = s.slot(e.name);
    const { others } = s;
    return () => others[slot] as Vector;
  },
  load: (e, s) => {
    const get = getter(s.memory(e.buffer));
    const index = s.make.number(e.index, s);
    return () => {
      const base = index();
      return Array.from({ length: e.type.lanes }, (_, i) => get(base + i));
    };
  },
  unary: (e, s) => eachLane(unaryOf(e.op, e.type.dtype), [lanes(e.a, s)], e.type.lanes),
  binary: (e, s) => eachLane(binaryOf(e.op, e.type.dtype), [lanes(e.a, s), lanes(e.b, s)], e.type.lanes),
  compare: (e, s) => {
    const f = compareOf(e.op);
    return eachLane((a, b) => (f(a, b) ? 1 : 0), [lanes(e.a, s), lanes(e.b, s)], e.type.lanes);
  },
  select: (e, s) => {
    const a = lanes(e.a, s);
    const b = lanes(e.b, s);
    if (e.cond.type.lanes === 1) {
      const cond = s.make.test(e.cond, s);
      return () => (cond() ? a() : b());
    }
    return eachLane((c, x, y) => (c ? x : y), [lanes(e.cond, s), a, b], e.type.lanes);
  },
  cast: (e, s) => eachLane(convert(e.a.type.dtype, e.type.dtype), [lanes(e.a, s)], e.type.lanes),
  bitcast: (e, s) => {
    const f = bitcaster(e.a.type, e.type);
    const a = lanes(e.a, s);
    return () => f(a());
  },
  fma: (e, s) => {
    const wrap = wrapNumber(e.type.dtype);
    return eachLane((a, b, c) => wrap(Number(a) * Number(b) + Number(c)), [lanes(e.a, s), lanes(e.b, s), lanes(e.c, s)], e.type.lanes);
  },
  dot4: (e, s) => {
    const [acc, u, v] = [lanes(e.acc, s), lanes(e.u, s), lanes(e.s, s)];
    return () => {
      const [x, y] = [u(), v()];
      return acc().map((a, i) => {
        let sum = Number(a);
        for (let j = 4 * i; j < 4 * i + 4; j++) sum += Number(x[j]) * Number(y[j]);
        return sum | 0;
      });
    };
  },
  dot2: (e, s) => {
    const [acc, a, b] = [lanes(e.acc, s), lanes(e.a, s), lanes(e.b, s)];
    return () => {
      const [x, y] = [a(), b()];
      const product = (j: number): number => Number(x[j]) * Number(y[j]);
      return acc().map((sum, i) => (Number(sum) + product(2 * i) + product(2 * i + 1)) | 0);
    };
  },
  roundedBytes: (e, s) => {
    const [zero, ...parts] = [e.zero, ...e.parts].map((x) => lanes(x, s));
    const round = unaryOf("roundEven", "float32");
    // A NaN is greater than nothing.
    const byte = (v: number): number => (v > 0 ? Math.min(v, 255) : 0);
    return () => {
      const moved = zero?.() ?? [];
      return parts.flatMap((part) => part().map((x, i) => byte(Number(round(x)) + Number(moved[i]))));
    };
  },
  broadcast: (e, s) => {
    const a = scalar(e.a, s);
    return () => new Array<Scalar>(e.type.lanes).fill(a());
  },
  shuffle: (e, s) => {
    const a = lanes(e.a, s);
    const b = lanes(e.b, s);
    return () => {
      const all = [...a(), ...b()];
      return e.indices.map((i) => all[i] ?? 0);
    };
  },
  reduceLanes: () => {
    invariant(false, "a reduction of lanes gives one");
  },
  saturatingCast: (e, s) => eachLane(saturate(e.type.dtype as DType), [lanes(e.a, s)], e.type.lanes),
};

const scalar = (e: Expr, s: Scope): (() => Scalar) => (isWide(e.type.dtype) ? s.make.big(e, s) : s.make.number(e, s));

export const vector = (e: Expr, s: Scope): EvalLanes => onExpr(table, e, s);

export function lanes(e: Expr, s: Scope): EvalLanes {
  if (e.type.lanes > 1) return vector(e, s);
  const f = scalar(e, s);
  return () => [f()];
}
