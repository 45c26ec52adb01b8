/** Runs loop IR: as JavaScript text where it is scalar, else as closures, each specialised when it is built. */
import { DTYPES, type TypedArray } from "../../tensor/dtype.ts";
import { must } from "../../util/errors.ts";
import { onStmt } from "../dispatch.ts";
import type { Expr, Func, Stmt, StmtTable, Store, Var } from "../types.ts";
import { big } from "./big.ts";
import { test } from "./condition.ts";
import { lanes, vector } from "./lanes.ts";
import { halfCodec, memoryOf, outside, setter } from "./memory.ts";
import { number } from "./number.ts";
import { scriptOf } from "./script.ts";
import { isWide, type Scalar } from "./scalar.ts";
import { countVariables, Scope, type Evaluators, type Vector } from "./scope.ts";

type Run = () => void;

const EVALUATORS: Evaluators = { number, big, lanes, vector, test };

/** Whether values of the expression are JavaScript numbers. */
const isNumber = (e: Expr): boolean => e.type.lanes === 1 && !isWide(e.type.dtype);

const other = (e: Expr, s: Scope): (() => Scalar | Vector) => (e.type.lanes === 1 ? big(e, s) : lanes(e, s));

function assign(v: Var, slot: number, e: Expr, s: Scope): Run {
  if (v.type.dtype === "index") {
    const { indices } = s;
    const f = number(e, s);
    return () => {
      indices[slot] = f();
    };
  }
  if (isNumber(v)) {
    const { numbers } = s;
    const f = number(e, s);
    return () => {
      numbers[slot] = f();
    };
  }
  const { others } = s;
  const f = other(e, s);
  return () => {
    others[slot] = f();
  };
}

function storeNumber(st: Store, s: Scope): Run | undefined {
  const memory = s.memory(st.buffer);
  if (memory.wide || halfCodec(st.buffer)) return undefined;
  const { data, buffer } = memory;
  const index = number(st.index, s);
  const value = number(st.value, s);
  return () => {
    const i = index();
    if (!(i >= 0 && i < data.length)) outside(buffer, i);
    data[i] = value();
  };
}

const stmtTable: StmtTable<Run, [Scope]> = {
  for: (st, s) => {
    const from = number(st.from, s);
    const to = number(st.to, s);
    const scope = s.inner();
    const slot = scope.declare(st.var.name);
    const run = body(st.body, scope);
    const { indices } = s;
    const { step } = st;
    return () => {
      const end = to();
      for (let i = from(); i < end; i += step) {
        indices[slot] = i;
        run();
      }
    };
  },
  while: (st, s) => {
    const cond = test(st.cond, s);
    const run = body(st.body, s.inner());
    return () => {
      while (cond()) run();
    };
  },
  let: (st, s) => {
    // The value is built first: it cannot see the variable.
    const before = s.inner();
    return assign(st.var, s.declare(st.var.name), st.value, before);
  },
  set: (st, s) => assign(st.var, s.slot(st.var.name), st.value, s),
  store: (st, s) => {
    if (isNumber(st.value)) {
      const run = storeNumber(st, s);
      if (run) return run;
    }
    const set = setter(s.memory(st.buffer));
    const index = number(st.index, s);
    const f = lanes(st.value, s);
    return () => {
      const base = index();
      f().forEach((x, i) => set(base + i, x));
    };
  },
  if: (st, s) => {
    const cond = test(st.cond, s);
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
    scope.hold(st.buffer, memoryOf(st.buffer, data));
    return body(st.body, scope);
  },
  prefetch: () => () => undefined,
};

function body(stmts: readonly Stmt[], s: Scope): Run {
  const runs = stmts.map((st) => onStmt(stmtTable, st, s));
  const [first, second, third] = runs;
  if (first && runs.length === 1) return first;
  if (first && second && runs.length === 2)
    return () => {
      first();
      second();
    };
  if (first && second && third && runs.length === 3)
    return () => {
      first();
      second();
      third();
    };
  return () => {
    for (const run of runs) run();
  };
}

/**
 * Runs a kernel over typed arrays, one for each parameter in order. Throws `internal` when it leaves its buffers. `how` says
 * `closures` to keep to these, as is done where vectors are or the page's security policy forbids to make functions of text.
 */
export function interpret(f: Func, args: readonly TypedArray[], how: "fast" | "closures" = "fast"): void {
  const list = f.params.map((p, i) => memoryOf(p, must(args[i], `argument ${p.name}`)));
  const run = how === "fast" ? scriptOf(f, list) : undefined;
  if (run) run();
  else body(f.body, Scope.of(countVariables(f.body), new Map(list.map((m) => [m.buffer, m])), EVALUATORS))();
}

/** The value of a closed expression; vectors give an array. */
export function evaluate(e: Expr): Scalar | Vector {
  const s = Scope.of(0, new Map(), EVALUATORS);
  return isNumber(e) ? number(e, s)() : other(e, s)();
}
