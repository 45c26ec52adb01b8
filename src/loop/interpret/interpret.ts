/** Runs loop IR by turning it into JavaScript closures: slow and obviously right. */
import { DTYPES, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { invariant, must } from "../../util/errors.ts";
import { onExpr, onStmt } from "../dispatch.ts";
import type { Buffer, Expr, ExprTable, Func, LoopType, ReduceOp, Stmt, StmtTable } from "../types.ts";
import { memoryOf, type Memory } from "./memory.ts";
import { binaryOf, compareOf, convert, saturate, unaryOf, wrapNumber, type Scalar } from "./scalar.ts";

type Vector = readonly Scalar[];
type Eval = () => Scalar;
type EvalLanes = () => Vector;
type Run = () => void;

/** Scopes at closure-building time: each variable is a slot, each buffer a memory. */
class Scope {
  readonly slots: Map<string, number>;
  readonly memories: Map<Buffer, Memory>;
  readonly env: (Scalar | Vector)[];

  constructor(env: (Scalar | Vector)[], slots: Map<string, number>, memories: Map<Buffer, Memory>) {
    this.env = env;
    this.slots = slots;
    this.memories = memories;
  }

  inner(): Scope {
    return new Scope(this.env, new Map(this.slots), new Map(this.memories));
  }

  declare(name: string): number {
    const slot = this.env.push(0) - 1;
    this.slots.set(name, slot);
    return slot;
  }

  slot(name: string): number {
    return must(this.slots.get(name), `variable ${name}`);
  }

  memory(buffer: Buffer): Memory {
    return must(this.memories.get(buffer), `buffer ${buffer.name}`);
  }
}

const isScalar = (t: LoopType): boolean => t.lanes === 1;

/** Reinterprets bits between types of one total size. */
function bitcaster(from: LoopType, to: LoopType): (v: Vector) => Vector {
  const bytes = (t: LoopType): number => t.lanes * (t.dtype === "index" ? 4 : DTYPES[t.dtype].bytes);
  invariant(bytes(from) === bytes(to), "bitcast between types of one size");
  const buffer = new ArrayBuffer(bytes(from));
  const view = (t: LoopType): Memory => {
    const dtype: DType = t.dtype === "index" ? "int32" : t.dtype;
    const data = new DTYPES[dtype].array(buffer, 0, t.lanes);
    return memoryOf({ name: "bits", dtype, length: t.lanes, access: "readwrite" }, data);
  };
  const [source, target] = [view(from), view(to)];
  return (v) => {
    v.forEach((x, i) => source.set(i, x));
    return Array.from({ length: to.lanes }, (_, i) => target.get(i));
  };
}

const notScalar = (e: Expr): never => {
  invariant(false, `${e.kind} has lanes`);
};

const scalarTable: ExprTable<Eval, [Scope]> = {
  const: (e) => () => e.value,
  var: (e, s) => {
    const slot = s.slot(e.name);
    const { env } = s;
    return () => env[slot] as Scalar;
  },
  load: (e, s) => {
    const memory = s.memory(e.buffer);
    const index = scalar(e.index, s);
    return () => memory.get(Number(index()));
  },
  unary: (e, s) => {
    const f = unaryOf(e.op, e.type.dtype);
    const a = scalar(e.a, s);
    return () => f(a());
  },
  binary: (e, s) => {
    const f = binaryOf(e.op, e.type.dtype);
    const a = scalar(e.a, s);
    const b = scalar(e.b, s);
    if (e.type.dtype === "bool" && e.op === "and") return () => (a() ? b() : 0);
    if (e.type.dtype === "bool" && e.op === "or") return () => (a() ? 1 : b());
    return () => f(a(), b());
  },
  compare: (e, s) => {
    const f = compareOf(e.op);
    const a = scalar(e.a, s);
    const b = scalar(e.b, s);
    return () => (f(a(), b()) ? 1 : 0);
  },
  select: (e, s) => {
    const cond = scalar(e.cond, s);
    const a = scalar(e.a, s);
    const b = scalar(e.b, s);
    return () => (cond() ? a() : b());
  },
  cast: (e, s) => {
    const f = convert(e.a.type.dtype, e.type.dtype);
    const a = scalar(e.a, s);
    return () => f(a());
  },
  bitcast: (e, s) => {
    const f = bitcaster(e.a.type, e.type);
    const a = lanes(e.a, s);
    return () => f(a())[0] ?? 0;
  },
  fma: (e, s) => {
    const wrap = wrapNumber(e.type.dtype);
    const a = scalar(e.a, s);
    const b = scalar(e.b, s);
    const c = scalar(e.c, s);
    return () => wrap(Number(a()) * Number(b()) + Number(c()));
  },
  dot4: (e, s) => {
    const f = lanesTable.dot4(e, s);
    return () => f()[0] ?? 0;
  },
  broadcast: notScalar,
  shuffle: (e, s) => {
    const f = lanesTable.shuffle(e, s);
    return () => f()[0] ?? 0;
  },
  reduceLanes: (e, s) => {
    const f = reducer(e.op, e.type);
    const a = lanes(e.a, s);
    return () => a().reduce(f);
  },
  saturatingCast: (e, s) => {
    const f = saturate(e.type.dtype as DType);
    const a = scalar(e.a, s);
    return () => f(a());
  },
};

const reducer = (op: ReduceOp, type: LoopType): ((a: Scalar, b: Scalar) => Scalar) => binaryOf(op, type.dtype);

/** Applies a scalar function lane by lane. */
function eachLane(f: (...args: Scalar[]) => Scalar, operands: readonly EvalLanes[], count: number): EvalLanes {
  return () => {
    const values = operands.map((o) => o());
    return Array.from({ length: count }, (_, i) => f(...values.map((v) => v[i] ?? 0)));
  };
}

const lanesTable: ExprTable<EvalLanes, [Scope]> = {
  const: (e) => {
    const value = new Array<Scalar>(e.type.lanes).fill(e.value);
    return () => value;
  },
  var: (e, s) => {
    const slot = s.slot(e.name);
    const { env } = s;
    return () => env[slot] as Vector;
  },
  load: (e, s) => {
    const memory = s.memory(e.buffer);
    const index = scalar(e.index, s);
    return () => {
      const base = Number(index());
      return Array.from({ length: e.type.lanes }, (_, i) => memory.get(base + i));
    };
  },
  unary: (e, s) => eachLane(unaryOf(e.op, e.type.dtype), [lanes(e.a, s)], e.type.lanes),
  binary: (e, s) => eachLane(binaryOf(e.op, e.type.dtype), [lanes(e.a, s), lanes(e.b, s)], e.type.lanes),
  compare: (e, s) => {
    const f = compareOf(e.op);
    return eachLane((a, b) => (f(a ?? 0, b ?? 0) ? 1 : 0), [lanes(e.a, s), lanes(e.b, s)], e.type.lanes);
  },
  select: (e, s) => {
    const a = lanes(e.a, s);
    const b = lanes(e.b, s);
    if (isScalar(e.cond.type)) {
      const cond = scalar(e.cond, s);
      return () => (cond() ? a() : b());
    }
    return eachLane((c, x, y) => (c ? (x ?? 0) : (y ?? 0)), [lanes(e.cond, s), a, b], e.type.lanes);
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
  reduceLanes: (e) => notScalar(e),
  saturatingCast: (e, s) => eachLane(saturate(e.type.dtype as DType), [lanes(e.a, s)], e.type.lanes),
};

const scalar = (e: Expr, s: Scope): Eval => onExpr(scalarTable, e, s);

/** Any expression as lanes; a scalar is one lane. */
function lanes(e: Expr, s: Scope): EvalLanes {
  if (!isScalar(e.type)) return onExpr(lanesTable, e, s);
  const f = scalar(e, s);
  return () => [f()];
}

const value = (e: Expr, s: Scope): (() => Scalar | Vector) => (isScalar(e.type) ? scalar(e, s) : lanes(e, s));

const stmtTable: StmtTable<Run, [Scope]> = {
  for: (st, s) => {
    const from = scalar(st.from, s);
    const to = scalar(st.to, s);
    const scope = s.inner();
    const slot = scope.declare(st.var.name);
    const run = body(st.body, scope);
    const { env } = s;
    return () => {
      const end = Number(to());
      for (let i = Number(from()); i < end; i += st.step) {
        env[slot] = i;
        run();
      }
    };
  },
  while: (st, s) => {
    const cond = scalar(st.cond, s);
    const run = body(st.body, s.inner());
    return () => {
      while (cond()) run();
    };
  },
  let: (st, s) => {
    const f = value(st.value, s);
    const slot = s.declare(st.var.name);
    const { env } = s;
    return () => {
      env[slot] = f();
    };
  },
  set: (st, s) => {
    const f = value(st.value, s);
    const slot = s.slot(st.var.name);
    const { env } = s;
    return () => {
      env[slot] = f();
    };
  },
  store: (st, s) => {
    const memory = s.memory(st.buffer);
    const index = scalar(st.index, s);
    if (isScalar(st.value.type)) {
      const f = scalar(st.value, s);
      return () => memory.set(Number(index()), f());
    }
    const f = lanes(st.value, s);
    return () => {
      const base = Number(index());
      f().forEach((x, i) => memory.set(base + i, x));
    };
  },
  if: (st, s) => {
    const cond = scalar(st.cond, s);
    const then = body(st.then, s.inner());
    const otherwise = body(st.otherwise, s.inner());
    return () => {
      if (cond()) then();
      else otherwise();
    };
  },
  alloc: (st, s) => {
    const scope = s.inner();
    const { dtype, length } = st.buffer;
    const data = new DTYPES[dtype].array(new ArrayBuffer(length * DTYPES[dtype].bytes), 0, length);
    scope.memories.set(st.buffer, memoryOf(st.buffer, data));
    return body(st.body, scope);
  },
  prefetch: () => () => undefined,
};

function body(stmts: readonly Stmt[], s: Scope): Run {
  const runs = stmts.map((st) => onStmt(stmtTable, st, s));
  const [first] = runs;
  if (runs.length === 1 && first) return first;
  return () => {
    for (const run of runs) run();
  };
}

/** Runs a kernel over typed arrays, one for each parameter in order. */
export function interpret(f: Func, args: readonly TypedArray[]): void {
  const memories = new Map(f.params.map((p, i) => [p, memoryOf(p, must(args[i], `argument ${p.name}`))] as const));
  body(f.body, new Scope([], new Map(), memories))();
}

/** The value of a closed expression; vectors give an array. */
export function evaluate(e: Expr): Scalar | Vector {
  return value(e, new Scope([], new Map(), new Map()))();
}
