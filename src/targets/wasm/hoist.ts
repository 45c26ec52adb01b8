/**
 * Moves address arithmetic out of loops and shares it: engines of WebAssembly do neither. Every index is a sum of terms; terms
 * that do not change in a loop are added up before it, and the accesses of a block that differ by a constant share one variable,
 * the address of the lowest of them, so that the rest is the constant offset of the instruction.
 */
import { add, indexVar, int, intValue, mul } from "../../loop/expr.ts";
import { exprText } from "../../loop/print.ts";
import { letVar } from "../../loop/stmt.ts";
import { mapOperands, mapStmt, visitExpr } from "../../loop/walk.ts";
import type { Buffer, Expr, Func, Stmt, Var } from "../../loop/types.ts";
import { isEager } from "./share-loads.ts";

interface Term {
  readonly atom: Expr;
  readonly factor: number;
  /** The loop depth of the innermost variable in it. */
  readonly level: number;
}

interface Sum {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, Term>;
}

interface Declared {
  readonly level: number;
  /** The value of an immutable index variable. */
  readonly value: Expr | undefined;
  readonly mutable: boolean;
}

/** Lets that belong in front of a loop, by the text of their value. */
type Ahead = Map<string, { readonly name: Var; readonly value: Expr }>;

export interface Hoisted {
  readonly func: Func;
  /** Variables that hold the index of an access, and so are not negative. */
  readonly indices: ReadonlySet<string>;
}

/** Whether an inner scope declares a name again; then texts of expressions do not tell values apart. */
function shadows(body: readonly Stmt[], outer: ReadonlySet<string>): boolean {
  const names = new Set(outer);
  return body.some((s) => {
    const inner = s.kind === "for" ? new Set(names).add(s.var.name) : names;
    const clash = (s.kind === "for" || s.kind === "let") && names.has(s.var.name);
    if (s.kind === "let") names.add(s.var.name);
    let below = false;
    mapStmt(
      s,
      (e) => e,
      (b) => ((below ||= shadows(b, inner)), b),
    );
    return clash || below;
  });
}

export function hoistAddresses(f: Func): Hoisted {
  if (shadows(f.body, new Set())) return { func: f, indices: new Set() };
  const hoister = new Hoister(f.share ? [f.share.part, f.share.parts] : []);
  return { func: { ...f, body: hoister.block(f.body, 0) }, indices: hoister.indices };
}

/** The expression with `f` applied to the index of every access that is certain to happen. */
function mapIndices(e: Expr, f: (buffer: Buffer, index: Expr) => Expr): Expr {
  if (!isEager(e)) return e;
  const inner = mapOperands(e, (operand) => mapIndices(operand, f));
  return inner.kind === "load" ? { ...inner, index: f(inner.buffer, inner.index) } : inner;
}

function mapAccesses(s: Stmt, f: (buffer: Buffer, index: Expr) => Expr): Stmt {
  if (s.kind === "store") return { ...s, index: f(s.buffer, s.index), value: mapIndices(s.value, f) };
  return s.kind === "let" || s.kind === "set" ? { ...s, value: mapIndices(s.value, f) } : s;
}

interface Group {
  readonly sum: Sum;
  lowest: number;
  name?: Expr;
}

class Hoister {
  readonly indices = new Set<string>();
  #scope = new Map<string, Declared>();
  /** What goes before the loop that opens level i + 1. */
  readonly #ahead: Ahead[] = [];
  #count = 0;

  constructor(params: readonly Var[]) {
    for (const v of params) this.#scope.set(v.name, { level: 0, value: undefined, mutable: false });
  }

  block(stmts: readonly Stmt[], level: number): readonly Stmt[] {
    const outer = this.#scope;
    this.#scope = new Map(outer);
    const groups = this.#groups(stmts, level);
    this.#scope = new Map(outer);
    const out: Stmt[] = [];
    for (const s of stmts) {
      const written = this.#nested(
        mapAccesses(s, (buffer, index) => this.#rewritten(groups, buffer, index, level, out)),
        level,
      );
      this.#declare(s, level);
      out.push(...written);
    }
    this.#scope = outer;
    return out;
  }

  #declare(s: Stmt, level: number): void {
    if (s.kind !== "let") return;
    const value = s.var.type.dtype === "index" && !s.mutable ? s.value : undefined;
    this.#scope.set(s.var.name, { level, value, mutable: s.mutable });
  }

  /** The statement with its bodies rewritten, after what they asked to have in front. */
  #nested(s: Stmt, level: number): readonly Stmt[] {
    if (s.kind !== "for")
      return [
        mapStmt(
          s,
          (e) => e,
          (b) => this.block(b, level),
        ),
      ];
    const ahead: Ahead = new Map();
    this.#ahead[level] = ahead;
    const outer = this.#scope;
    this.#scope = new Map(outer).set(s.var.name, { level: level + 1, value: undefined, mutable: false });
    const body = this.block(s.body, level + 1);
    this.#scope = outer;
    return [...[...ahead.values()].map(({ name, value }) => letVar(name, value)), { ...s, body }];
  }

  #groups(stmts: readonly Stmt[], level: number): Map<string, Group> {
    const groups = new Map<string, Group>();
    for (const s of stmts) {
      mapAccesses(s, (buffer, index) => {
        const sum = this.#sum(index, level);
        if (!sum) return index;
        const key = keyOf(buffer, sum);
        const group = groups.get(key);
        if (group) group.lowest = Math.min(group.lowest, sum.constant);
        else groups.set(key, { sum, lowest: sum.constant });
        return index;
      });
      this.#declare(s, level);
    }
    return groups;
  }

  #rewritten(groups: Map<string, Group>, buffer: Buffer, index: Expr, level: number, out: Stmt[]): Expr {
    const sum = this.#sum(index, level);
    const group = sum && groups.get(keyOf(buffer, sum));
    if (!sum || !group || sum.terms.size === 0) return index;
    if (!group.name) {
      const name = this.#fresh();
      this.indices.add(name.name);
      out.push(letVar(name, this.#value(sum.terms, group.lowest, level)));
      group.name = name;
    }
    return add(group.name, int(sum.constant - group.lowest));
  }

  #fresh(): Var {
    return indexVar(`at.${this.#count++}`);
  }

  /** A sum of terms as seen at a level: what is constant there is computed further out. */
  #value(terms: ReadonlyMap<string, Term>, constant: number, level: number): Expr {
    const here = [...terms.values()].filter((t) => t.level >= level);
    const outside = new Map([...terms].filter(([, t]) => t.level < level));
    const start = outside.size === 0 ? int(constant) : this.#outside(outside, constant);
    return here.reduce<Expr>((sum, t) => add(sum, mul(t.atom, int(t.factor))), start);
  }

  #outside(terms: ReadonlyMap<string, Term>, constant: number): Expr {
    const level = Math.max(...[...terms.values()].map((t) => t.level));
    const value = this.#value(terms, constant, level);
    const ahead = this.#ahead[level];
    if (!ahead || value.kind === "var" || value.kind === "const") return value;
    const text = exprText(value);
    const known = ahead.get(text);
    if (known) return known.name;
    const name = this.#fresh();
    ahead.set(text, { name, value });
    return name;
  }

  /** The terms of an index; undefined when it depends on memory or on a variable that changes. */
  #sum(e: Expr, level: number): Sum | undefined {
    const terms = new Map<string, Term>();
    const constant = this.#collect(e, 1, terms);
    if (constant === undefined) return undefined;
    for (const [key, t] of terms) if (t.factor === 0) terms.delete(key);
    return [...terms.values()].every((t) => t.level <= level) ? { constant, terms } : undefined;
  }

  #collect(e: Expr, factor: number, terms: Map<string, Term>): number | undefined {
    const value = intValue(e);
    if (value !== undefined) return factor * value;
    const definition = e.kind === "var" ? this.#scope.get(e.name)?.value : undefined;
    if (definition) return this.#collect(definition, factor, terms);
    if (e.kind !== "binary") return this.#atom(e, factor, terms);
    if (e.op === "add") return plus(this.#collect(e.a, factor, terms), this.#collect(e.b, factor, terms));
    if (e.op === "sub") return plus(this.#collect(e.a, factor, terms), this.#collect(e.b, -factor, terms));
    const times = e.op === "mul" ? intValue(e.b) : undefined;
    return times === undefined ? this.#atom(e, factor, terms) : this.#collect(e.a, factor * times, terms);
  }

  #atom(e: Expr, factor: number, terms: Map<string, Term>): number | undefined {
    const inside: Expr[] = [];
    visitExpr(e, (x) => inside.push(x));
    const vars = inside.flatMap((x) => (x.kind === "var" ? [this.#scope.get(x.name)] : []));
    if (inside.some((x) => x.kind === "load") || vars.some((v) => !v || v.mutable)) return undefined;
    const level = Math.max(0, ...vars.map((v) => v?.level ?? 0));
    const key = exprText(e);
    terms.set(key, { atom: e, factor: factor + (terms.get(key)?.factor ?? 0), level });
    return 0;
  }
}

const plus = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? undefined : a + b);

const keyOf = (buffer: Buffer, { terms }: Sum): string =>
  [buffer.name, ...[...terms].map(([key, t]) => `${t.factor}*${key}`).sort()].join("+");
