/** Attention whose past is one matrix (Katharopoulos and others, 2020; with gates and the delta rule Yang and others, 2024). */
import { constant, indexVar, int, variable } from "../loop/expr.ts";
import type { Operand, SerialContext } from "../loop/nest.ts";
import { forLoop, letVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import type { Shape } from "../tensor/dim.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Computed, type Known, type Op } from "./define.ts";
import { accumulator, loops } from "./nests.ts";

interface Inputs<T> {
  readonly q: T;
  readonly k: T;
  readonly v: T;
  readonly state: T | undefined;
  readonly decay: T | undefined;
  readonly beta: T | undefined;
}

interface Heads {
  readonly heads: number;
  readonly groups: number;
}

interface Sizes {
  /** Of a key's row, and of a value's. */
  readonly key: number;
  readonly value: number;
}

const REASONS = {
  rank: "all but the state have three axes",
  heads: "the queries' heads are no multiple of the keys'",
  rows: "the rows do not fit the heads, or their sizes are not known",
  decay: "the decay is of each head, or of each row's elements",
  beta: "the rate is one, or one of each head",
  steps: "there is not one row for each step",
  state: "the state does not fit",
} as const;

const width = (x: Known): number => Number(x.shape[2] ?? 0);

/** Throws `graph.shape`. */
function sizesOf(inputs: Inputs<Known>, { heads, groups }: Heads): Sizes {
  const { q, k, v, state, decay, beta } = inputs;
  const [key, value] = [width(k) / groups, width(v) / groups];
  const check = (holds: boolean, reason: keyof typeof REASONS): void => {
    if (!holds) throw misfit("linearAttention", REASONS[reason], [q, k, v, state, decay, beta]);
  };
  const batch = q.shape[0] ?? 1;
  check(
    [q, k, v, decay, beta].every((x) => x === undefined || x.shape.length === 3),
    "rank",
  );
  check(groups >= 1 && heads % groups === 0, "heads");
  check(key >= 1 && value >= 1 && Number.isInteger(key) && Number.isInteger(value) && width(q) === heads * key, "rows");
  check(decay === undefined || [groups, groups * key].includes(width(decay)), "decay");
  check(beta === undefined || [groups, 1].includes(width(beta)), "beta");
  check(alike(q.shape.slice(0, 2), [k, v, decay, beta]), "steps");
  check(state === undefined || fitted(state.shape, [batch, groups, key, value]), "state");
  return { key, value };
}

const fitted = (shape: Shape, want: Shape): boolean =>
  shape.length === want.length && shape.every((d, i) => typeof d !== "number" || typeof want[i] !== "number" || d === want[i]);

const alike = (rows: Shape, others: readonly (Known | undefined)[]): boolean =>
  others.every((x) => x === undefined || fitted(x.shape.slice(0, 2), rows));

/** One head of keys of one batch entry, with what its steps are made of. */
class Head {
  readonly #context: SerialContext;
  readonly #inputs: Inputs<Computed>;
  readonly #sizes: Sizes;
  readonly #state: Operand;
  /** What is added to the state, and what is read from it: a value each. */
  readonly #change: Operand;
  readonly #sums: Operand;
  readonly #b: Expr;
  readonly #g: Expr;
  #loops = 0;

  constructor(context: SerialContext, work: Work, b: Expr, g: Expr) {
    this.#context = context;
    this.#inputs = work.inputs;
    this.#sizes = work.sizes;
    this.#state = work.state;
    this.#change = work.change;
    this.#sums = work.sums;
    this.#b = b;
    this.#g = g;
  }

  #each(size: number, body: (i: Expr) => readonly Stmt[]): Stmt {
    const i = indexVar(this.#context.name(`i${this.#loops++}`));
    return forLoop(i, size, body(i));
  }

  /** An element of a row, in the type that sums are in. */
  #row(x: Operand, t: Expr, head: Expr, size: number, i: Expr): Expr {
    return a.cast(this.#context.read(x, [this.#b, t, a.add(a.mul(head, int(size)), i)]), this.#state.dtype);
  }

  #read(x: Operand, index: readonly Expr[]): Expr {
    return this.#context.read(x, index);
  }

  #at(d: Expr, m: Expr): readonly Expr[] {
    return [this.#b, this.#g, d, m];
  }

  /** Each element of the state changes, with a factor that it shares with its row. */
  #update(factor: (d: Expr) => Expr, to: (old: Expr, by: Expr, m: Expr) => Expr): Stmt {
    return this.#each(this.#sizes.key, (d) => {
      const by = variable(this.#context.name(`f${this.#loops++}`), { dtype: this.#state.dtype, lanes: 1 });
      const change = (m: Expr): Stmt =>
        this.#context.write(this.#state, this.#at(d, m), to(this.#read(this.#state, this.#at(d, m)), by, m));
      return [letVar(by, factor(d)), this.#each(this.#sizes.value, (m) => [change(m)])];
    });
  }

  /** sums = rowᵀ·state, the state as it is now. */
  #product(row: (d: Expr) => Expr): readonly Stmt[] {
    const zero = constant(0, this.#state.dtype);
    return [
      this.#each(this.#sizes.value, (m) => [this.#context.write(this.#sums, [m], zero)]),
      this.#each(this.#sizes.key, (d) => {
        const by = variable(this.#context.name(`f${this.#loops++}`), { dtype: this.#state.dtype, lanes: 1 });
        const term = (m: Expr): Expr => a.add(this.#read(this.#sums, [m]), a.mul(by, this.#read(this.#state, this.#at(d, m))));
        return [letVar(by, row(d)), this.#each(this.#sizes.value, (m) => [this.#context.write(this.#sums, [m], term(m))])];
      }),
    ];
  }

  step(t: Expr, { heads, groups, scale }: Heads & { readonly scale: number }, out: Operand): readonly Stmt[] {
    const { q, k, v, decay, beta } = this.#inputs;
    const { key, value } = this.#sizes;
    const share = heads / groups;
    const keyAt = (d: Expr): Expr => this.#row(k, t, this.#g, key, d);
    const valueAt = (m: Expr): Expr => this.#row(v, t, this.#g, value, m);
    const rate = beta && this.#row(beta, t, beta.dims[2] === 1 ? int(0) : this.#g, 1, int(0));
    const perHead = decay?.dims[2] === groups;
    const gate = decay && ((d: Expr) => a.exp(perHead ? this.#row(decay, t, this.#g, 1, int(0)) : this.#row(decay, t, this.#g, key, d)));
    const change = (m: Expr): Expr => (rate ? a.mul(rate, a.sub(valueAt(m), this.#read(this.#sums, [m]))) : valueAt(m));
    const answer = (j: Expr, m: Expr): Stmt => {
      const head = a.add(a.mul(this.#g, int(share)), j);
      const index = [this.#b, t, a.add(a.mul(head, int(value)), m)];
      return this.#context.write(out, index, a.cast(a.mul(this.#read(this.#sums, [m]), scale), out.dtype));
    };
    return [
      ...(gate ? [this.#update(gate, (old, by) => a.mul(old, by))] : []),
      ...(rate ? this.#product(keyAt) : []),
      this.#each(value, (m) => [this.#context.write(this.#change, [m], change(m))]),
      this.#update(keyAt, (old, by, m) => a.add(old, a.mul(by, this.#read(this.#change, [m])))),
      this.#each(share, (j) => [
        ...this.#product((d) => this.#row(q, t, a.add(a.mul(this.#g, int(share)), j), key, d)),
        this.#each(value, (m) => [answer(j, m)]),
      ]),
    ];
  }
}

interface Work {
  readonly inputs: Inputs<Computed>;
  readonly sizes: Sizes;
  readonly state: Operand;
  readonly change: Operand;
  readonly sums: Operand;
}

/**
 * For each step and head: S = e^decay·S + k·rᵀ with r = v, or β·(v − Sᵀk) where there is a rate, and y = scale·Sᵀq. Queries and results
 * are [batch, steps, heads·size], keys and values the same with as many heads as there are groups, states [batch, groups, key, value].
 * Sums of halves are kept in float32.
 */
export const linearAttention: Op = defineOp({
  name: "linearAttention",
  inputs: { q: "float", k: "float", v: "float", state: "float?", decay: "float?", beta: "float?" },
  attrs: { heads: 1, groups: 1, scale: 1 },
  traits: { alike: ["q", "k", "v", "decay", "beta"] },
  infer: (inputs, attrs) => {
    const { q, state } = inputs;
    const { key, value } = sizesOf(inputs, attrs);
    const [batch = 1, steps = 1] = q.shape;
    return [
      { dtype: q.dtype, shape: [batch, steps, attrs.heads * value] },
      { dtype: state?.dtype ?? q.dtype, shape: [batch, attrs.groups, key, value] },
    ];
  },
  compute: ({ outputs: [, last], out, temp }, given, attrs) => {
    const inputs: Inputs<Computed> = given;
    const sizes = { key: (inputs.k.dims[2] ?? 1) / attrs.groups, value: (inputs.v.dims[2] ?? 1) / attrs.groups };
    const [batch = 1, steps = 1] = out.dims;
    const kept = accumulator(out.dtype);
    const { heads, groups } = attrs;
    const { key, value } = sizes;
    const dims = [batch, groups, key, value];
    const state = last?.dtype === kept ? last : temp("state", kept, dims);
    const work: Work = { inputs, sizes, state, change: temp("change", kept, [value]), sums: temp("sums", kept, [value]) };
    return {
      kind: "serial",
      result: out,
      steps: batch * steps * key * value * (3 * groups + heads),
      statements: (context) => {
        const { read, write, name } = context;
        const from = (p: readonly Expr[]): Expr => (inputs.state ? a.cast(read(inputs.state, p), kept) : constant(0, kept));
        return [
          ...loops(
            dims,
            (base) => name(`${base}begin`),
            (p) => [write(state, p, from(p))],
          ),
          ...loops(
            [batch, groups, steps],
            (base) => name(`${base}step`),
            ([b = int(0), g = int(0), t = int(0)]) => new Head(context, work, b, g).step(t, attrs, out),
          ),
          ...(last && last !== state
            ? loops(
                dims,
                (base) => name(`${base}end`),
                (p) => [write(last, p, a.cast(read(state, p), last.dtype))],
              )
            : []),
        ];
      },
    };
  },
});
