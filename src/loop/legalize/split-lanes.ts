/**
 * Splits vectors that are wider than a register. Every expression knows how many lanes of it can be computed in one go
 * (its chunk: the least that any type inside fits into a register); a statement is then written once for each chunk.
 */
import { DTYPES, isFloat } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { add, binary, constant, indexVar, int, reduceLanes, shuffle, typeOf, variable } from "../expr.ts";
import { letVar, setVar, store } from "../stmt.ts";
import { mapOperands, mapStmt, visitExpr } from "../walk.ts";
import type { Buffer, Expr, For, Func, Let, ReduceLanes, Select, SetVar, Shuffle, Stmt, Store, Var } from "../types.ts";
import { freshNames } from "./names.ts";
import { join, laneOf } from "./rules/scalarise.ts";

type Fresh = (stem: string) => string;

/** The kernel with no vector of more than `registerBytes`; unchanged when that is undefined. */
export function splitLanes(f: Func, registerBytes: number | undefined): Func {
  return registerBytes === undefined ? f : { ...f, body: new Splitter(registerBytes, freshNames(f)).body(f.body) };
}

const readsMemory = (e: Expr, buffer?: Buffer): boolean => {
  let found = false;
  visitExpr(e, (x) => {
    if (x.kind === "load" && (buffer === undefined || x.buffer === buffer)) found = true;
  });
  return found;
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

class Splitter {
  readonly #bytes: number;
  readonly #fresh: Fresh;
  /** The registers of every split variable in scope. */
  #parts = new Map<string, readonly Var[]>();
  #before: Stmt[] = [];
  /** Inside an arm that may not be evaluated: memory must not be read ahead of it. */
  #lazy = 0;

  constructor(bytes: number, fresh: Fresh) {
    this.#bytes = bytes;
    this.#fresh = fresh;
  }

  body(stmts: readonly Stmt[]): readonly Stmt[] {
    const scope = new Map(this.#parts);
    const result = stmts.flatMap((s) => {
      const outer = this.#before;
      this.#before = [];
      const written = this.#stmt(s);
      const all = [...this.#before, ...written];
      this.#before = outer;
      return all;
    });
    this.#parts = scope;
    return result;
  }

  #stmt(s: Stmt): readonly Stmt[] {
    if (s.kind === "let") return this.#let(s);
    if (s.kind === "set") return this.#set(s);
    if (s.kind === "store") return this.#store(s);
    if (s.kind === "while") this.#lazy++;
    const head = mapStmt(
      s,
      (e) => this.#scalar(e),
      (inner) => inner,
    );
    if (s.kind === "while") this.#lazy--;
    const bodies = (x: Exclude<Stmt, For>): Stmt =>
      mapStmt(
        x,
        (e) => e,
        (inner) => this.body(inner),
      );
    return [head.kind === "for" ? { ...head, body: this.body(head.body) } : bodies(head)];
  }

  #let(s: Let): readonly Stmt[] {
    const values = this.#registers(s.value);
    const [only] = values;
    if (values.length === 1 && only) {
      this.#parts.delete(s.var.name);
      return [{ ...s, value: only }];
    }
    const parts = values.map((v) => variable(this.#fresh(`${s.var.name}_`), v.type));
    this.#parts.set(s.var.name, parts);
    return parts.map((v, i) => ({ ...s, var: v, value: values[i] ?? s.value }));
  }

  #set(s: SetVar): readonly Stmt[] {
    const parts = this.#parts.get(s.var.name);
    const values = this.#registers(s.value);
    if (!parts) return values.map((value) => ({ ...s, value }));
    const names = new Set(parts.map((v) => v.name));
    const crossed = values.some((value, i) => {
      let found = false;
      visitExpr(value, (x) => {
        if (x.kind === "var" && names.has(x.name) && x.name !== parts[i]?.name) found = true;
      });
      return found;
    });
    const safe = crossed ? values.map((v) => this.#named(v)) : values;
    return parts.map((v, i) => setVar(v, safe[i] ?? s.value));
  }

  #store(s: Store): readonly Stmt[] {
    if (s.value.type.lanes === 1) return [{ ...s, index: this.#scalar(s.index), value: this.#scalar(s.value) }];
    const n = this.#chunk(s.value);
    const pieces = this.#split(s.value, n);
    const safe = pieces.length > 1 && readsMemory(s.value, s.buffer) ? pieces.map((p) => this.#named(p)) : pieces;
    const index = this.#address(s.index, pieces.length);
    return safe.map((p, i) => store(s.buffer, add(index, int(i * n)), p));
  }

  #named(e: Expr): Expr {
    if (e.kind === "const" || e.kind === "var") return e;
    const v = variable(this.#fresh("s"), e.type);
    this.#before.push(letVar(v, e));
    return v;
  }

  /** The value named, when it would be written more than once and may be computed here. */
  #once(e: Expr, uses: number): Expr {
    return uses < 2 || (this.#lazy > 0 && readsMemory(e)) ? e : this.#named(e);
  }

  #address(index: Expr, uses: number): Expr {
    const e = this.#scalar(index);
    if (uses < 2 || e.kind === "const" || e.kind === "var" || (this.#lazy > 0 && readsMemory(e))) return e;
    const v = indexVar(this.#fresh("at"));
    this.#before.push(letVar(v, e));
    return v;
  }

  #fits(e: Expr): number {
    const { dtype, lanes } = e.type;
    const bytes = dtype === "index" ? 4 : DTYPES[dtype].bytes;
    return Math.min(lanes, this.#bytes / bytes);
  }

  /** How many lanes of e can be computed in one go. */
  #chunk(e: Expr): number {
    const own = this.#fits(e);
    if (e.kind === "const" || e.kind === "var" || e.kind === "load" || e.kind === "broadcast" || e.kind === "shuffle") return own;
    let least = own;
    mapOperands(e, (operand) => {
      if (operand.type.lanes > 1) least = Math.min(least, (this.#chunk(operand) * e.type.lanes) / operand.type.lanes);
      return operand;
    });
    return least;
  }

  /** e as whole registers (or one smaller vector). */
  #registers(e: Expr): readonly Expr[] {
    if (e.type.lanes === 1) return [this.#scalar(e)];
    const [n, full] = [this.#chunk(e), this.#fits(e)];
    const pieces = this.#split(e, n);
    const each = full / n;
    return range(e.type.lanes / full).map((i) => join(pieces.slice(i * each, (i + 1) * each)));
  }

  /** A scalar expression, with the vectors inside it split. */
  #scalar(e: Expr): Expr {
    invariant(e.type.lanes === 1, "a scalar");
    if (e.kind === "reduceLanes") return this.#reduce(e);
    if (e.kind === "shuffle") return this.#shuffle(e, 1)[0] ?? e;
    if (e.kind === "select") return this.#select(e, 1)[0] ?? e;
    if (e.kind === "binary" && e.type.dtype === "bool") return { ...e, a: this.#scalar(e.a), b: this.#inArm(() => this.#scalar(e.b)) };
    return mapOperands(e, (operand) => (operand.type.lanes === 1 ? this.#scalar(operand) : (this.#registers(operand)[0] ?? operand)));
  }

  #inArm<T>(f: () => T): T {
    this.#lazy++;
    const result = f();
    this.#lazy--;
    return result;
  }

  /** Floats combine in the order of their lanes, as the definition does; integers register by register. */
  #reduce(e: ReduceLanes): Expr {
    const registers = this.#registers(e.a).map((r) => (isFloat(r.type.dtype === "index" ? "int32" : r.type.dtype) ? this.#once(r, 2) : r));
    const [first, ...rest] = registers;
    invariant(first, "a vector has registers");
    if (e.type.dtype !== "index" && isFloat(e.type.dtype))
      return rest.reduce<Expr>(
        (sum, r) => range(r.type.lanes).reduce<Expr>((acc, i) => binary(e.op, acc, laneOf(r, i)), sum),
        reduceLanes(e.op, first),
      );
    return reduceLanes(
      e.op,
      rest.reduce<Expr>((acc, r) => binary(e.op, acc, r), first),
    );
  }

  /** e as pieces of n lanes; n is at most its chunk. */
  #split(e: Expr, n: number): readonly Expr[] {
    const count = e.type.lanes / n;
    const type = typeOf(e.type.dtype, n);
    switch (e.kind) {
      case "const":
        return range(count).map(() => constant(e.value, e.type.dtype, n));
      case "var":
        return this.#variable(e, n);
      case "load": {
        const index = this.#address(e.index, count);
        return range(count).map((i) => ({ ...e, type, index: add(index, int(i * n)) }));
      }
      case "broadcast": {
        const piece = this.#once(n === 1 ? this.#scalar(e.a) : { ...e, type, a: this.#scalar(e.a) }, count);
        return range(count).map(() => piece);
      }
      case "shuffle":
        return this.#shuffle(e, n);
      case "select":
        return this.#select(e, n);
      default:
        return this.#elementwise(e, n);
    }
  }

  #elementwise(e: Expr, n: number): readonly Expr[] {
    const pieces = new Map<Expr, readonly Expr[]>();
    mapOperands(e, (operand) => {
      pieces.set(operand, this.#split(operand, (n * operand.type.lanes) / e.type.lanes));
      return operand;
    });
    return range(e.type.lanes / n).map((i) => ({
      ...mapOperands(e, (operand) => pieces.get(operand)?.[i] ?? operand),
      type: typeOf(e.type.dtype, n),
    }));
  }

  #select(e: Select, n: number): readonly Expr[] {
    const scalarCond = e.cond.type.lanes === 1;
    const split = (x: Expr): readonly Expr[] => (x.type.lanes === 1 ? [this.#scalar(x)] : this.#split(x, n));
    const count = e.type.lanes / n;
    const conds = scalarCond
      ? range(count)
          .fill(0)
          .map(() => e.cond)
      : this.#split(e.cond, n);
    const cond = scalarCond ? this.#once(this.#scalar(e.cond), count) : undefined;
    const [a, b] = scalarCond ? this.#inArm(() => [split(e.a), split(e.b)] as const) : [split(e.a), split(e.b)];
    return range(count).map((i) => ({
      ...e,
      type: typeOf(e.type.dtype, n),
      cond: cond ?? conds[i] ?? e.cond,
      a: a[i] ?? e.a,
      b: b[i] ?? e.b,
    }));
  }

  #variable(v: Var, n: number): readonly Expr[] {
    const registers: readonly Expr[] = this.#parts.get(v.name) ?? [v];
    return registers.flatMap((r) => {
      const lanes = r.type.lanes;
      return n === lanes
        ? [r]
        : range(lanes / n).map((i) =>
            shuffle(
              r,
              r,
              range(n).map((k) => i * n + k),
            ),
          );
    });
  }

  /** Every piece takes lanes from the registers of both operands, two registers at a time. */
  #shuffle(e: Shuffle, n: number): readonly Expr[] {
    const sources = e.a === e.b ? this.#registers(e.a) : [...this.#registers(e.a), ...this.#registers(e.b)];
    const used = sources.map((r) => this.#once(r, 2));
    const total = e.a.type.lanes;
    const where = (index: number): { register: Expr; lane: number } => {
      let lane = e.a === e.b ? index % total : index;
      for (const register of used) {
        if (lane < register.type.lanes) return { register, lane };
        lane -= register.type.lanes;
      }
      invariant(false, "a shuffle's index lies inside its operands");
    };
    return range(e.indices.length / n).map((i) => gather(e.indices.slice(i * n, (i + 1) * n).map(where)));
  }
}

/** One vector from lanes of several registers. */
function gather(lanes: readonly { readonly register: Expr; readonly lane: number }[]): Expr {
  const registers = [...new Set(lanes.map((l) => l.register))];
  const [first, second = first, ...rest] = registers;
  invariant(first && second, "a piece has lanes");
  const width = first.type.lanes;
  const start = shuffle(
    first,
    second,
    lanes.map(({ register, lane }) => (register === first ? lane : register === second ? width + lane : 0)),
  );
  return rest.reduce<Expr>(
    (sum, next) =>
      shuffle(
        sum,
        next,
        lanes.map(({ register, lane }, i) => (register === next ? lanes.length + lane : i)),
      ),
    start,
  );
}
