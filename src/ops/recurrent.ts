/**
 * Recurrent layers (ONNX operator specification: RNN, GRU, LSTM). Their input comes projected, for all steps at once and with its
 * biases: what is left is one step after the other.
 */
import { compare, constant, indexVar, int, sub, variable } from "../loop/expr.ts";
import type { Operand, SerialContext, SerialNest } from "../loop/nest.ts";
import { forLoop, ifThen, letMutable, setVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import type { ValueType } from "../ir/graph.ts";
import type { Shape } from "../tensor/dim.ts";
import * as a from "./arith.ts";
import { ACTIVATIONS } from "./activations.ts";
import { defineOp, misfit, type Computed, type Known, type Op } from "./define.ts";
import { accumulator, loops } from "./nests.ts";

const ATTRS = {
  /** Of each direction: whether it runs from the last step to the first. */
  reverse: [0] as number[],
  /** Numbers of ACTIVATIONS, as many for each direction as the layer has, with their parameters. */
  activations: [] as number[],
  alphas: [] as number[],
  betas: [] as number[],
  /** Bound on what goes into activations; 0 for none. */
  clip: 0,
};

type Attrs = { readonly [K in keyof typeof ATTRS]: (typeof ATTRS)[K] extends number ? number : readonly number[] };

interface Inputs<T> {
  /** [T, D, B, gates·H] */
  readonly x: T;
  /** [D, gates·H, H] */
  readonly weights: T;
  /** [D, B, H] */
  readonly state: T | undefined;
  /** [B] */
  readonly lengths: T | undefined;
}

const sameDims = (a: Shape | undefined, b: Shape): boolean =>
  a === undefined || (a.length === b.length && a.every((d, i) => typeof d !== "number" || typeof b[i] !== "number" || d === b[i]));

/** What does not fit, if anything. */
function problemOf(
  gates: number,
  { x, weights, state, lengths }: Inputs<Known>,
  more: readonly (Known | undefined)[],
  a: Attrs,
): string | undefined {
  const [, directions = 1, batch = 1, width] = x.shape;
  const hidden = weights.shape[2];
  if (x.shape.length !== 4 || typeof hidden !== "number" || width !== gates * hidden) return "the projected input does not fit the weights";
  if (!sameDims(weights.shape, [directions, gates * hidden, hidden])) return "the weights do not fit";
  const last: Shape = [directions, batch, hidden];
  if ([state, ...more].some((s) => s && !sameDims(s.shape, last))) return "a state does not fit";
  if (!sameDims(lengths?.shape, [batch])) return "there is not one length for each sequence";
  const settings = directions === a.reverse.length && a.activations.length % a.reverse.length === 0;
  return settings ? undefined : "there is not one setting for each direction";
}

/** [T,D,B,H] of all steps and [D,B,H] of the last; throws `graph.shape`. */
function typesOf(op: string, gates: number, inputs: Inputs<Known>, more: readonly (Known | undefined)[], a: Attrs): readonly ValueType[] {
  const { x, weights, state } = inputs;
  const wrong = problemOf(gates, inputs, more, a);
  if (wrong !== undefined) throw misfit(op, wrong, [x, weights, state, ...more]);
  const [steps = 1, directions = 1, batch = 1] = x.shape;
  const hidden = weights.shape[2] ?? 1;
  return [
    { dtype: x.dtype, shape: [steps, directions, batch, hidden] },
    { dtype: x.dtype, shape: [directions, batch, hidden] },
  ];
}

/** What the statements of one step of one batch entry are made with. */
class Step {
  readonly #context: SerialContext;
  readonly #inputs: Inputs<Computed>;
  readonly #attrs: Attrs;
  readonly direction: number;
  readonly t: Expr;
  readonly b: Expr;
  readonly hidden: number;
  readonly kept: Operand["dtype"];
  readonly #scratch: Operand;
  readonly #h: Operand;
  #loops = 0;

  constructor(context: SerialContext, layer: Layer, direction: number, t: Expr, b: Expr) {
    this.#context = context;
    this.#inputs = layer.inputs;
    this.#attrs = layer.attrs;
    this.direction = direction;
    this.t = t;
    this.b = b;
    this.hidden = layer.inputs.weights.dims[2] ?? 1;
    this.kept = layer.scratch.dtype;
    this.#scratch = layer.scratch;
    this.#h = layer.last;
  }

  /** An element of a state, [D,B,H]. */
  state(of: Operand, j: Expr): Expr {
    return a.cast(this.#context.read(of, [int(this.direction), this.b, j]), this.kept);
  }

  setState(of: Operand, j: Expr, value: Expr): Stmt {
    return this.#context.write(of, [int(this.direction), this.b, j], a.cast(value, of.dtype));
  }

  h(j: Expr): Expr {
    return this.state(this.#h, j);
  }

  /** What of a gate's sum does not come from the state. */
  input(gate: number, j: Expr): Expr {
    return a.cast(this.#context.read(this.#inputs.x, [this.t, int(this.direction), this.b, a.add(j, int(gate * this.hidden))]), this.kept);
  }

  /** A vector of the layer's own, such as peepholes: [D, n·H]. */
  vector(of: Operand, part: number, j: Expr): Expr {
    return a.cast(this.#context.read(of, [int(this.direction), a.add(j, int(part * this.hidden))]), this.kept);
  }

  scratch(gate: number, j: Expr): Expr {
    return this.#context.read(this.#scratch, [a.add(j, int(gate * this.hidden))]);
  }

  setScratch(gate: number, j: Expr, value: Expr): Stmt {
    return this.#context.write(this.#scratch, [a.add(j, int(gate * this.hidden))], value);
  }

  activation(which: number, x: Expr): Expr {
    const { activations, alphas, betas, clip, reverse } = this.#attrs;
    const at = (activations.length / reverse.length) * this.direction + which;
    const f = ACTIVATIONS[activations[at] ?? 0];
    return f ? f.body(clip > 0 ? a.clamp(x, -clip, clip) : x, alphas[at] ?? 0, betas[at] ?? 0) : x;
  }

  each(body: (j: Expr) => readonly Stmt[]): Stmt {
    const j = indexVar(this.#context.name(`d${this.direction}j${this.#loops++}`));
    return forLoop(j, this.hidden, body(j));
  }

  /** For each unit: the sum over the state, or what `of` makes of it, with a gate's weights, and what follows from it. */
  eachSum(gate: number, of: (k: Expr) => Expr, body: (sum: Expr, j: Expr) => readonly Stmt[]): Stmt {
    const tag = `d${this.direction}s${this.#loops++}`;
    const acc = variable(this.#context.name(`${tag}acc`), { dtype: this.kept, lanes: 1 });
    const k = indexVar(this.#context.name(`${tag}k`));
    return this.each((j) => {
      const weight = this.#context.read(this.#inputs.weights, [int(this.direction), a.add(j, int(gate * this.hidden)), k]);
      return [
        letMutable(acc, constant(0, this.kept)),
        forLoop(k, this.hidden, [setVar(acc, a.add(acc, a.mul(a.cast(weight, this.kept), of(k))))]),
        ...body(acc, j),
      ];
    });
  }
}

interface Layer {
  readonly inputs: Inputs<Computed>;
  readonly attrs: Attrs;
  readonly all: Operand;
  readonly last: Operand;
  /** Other states of the layer, with what they start from. */
  readonly states: readonly (readonly [Operand, Operand | undefined])[];
  readonly scratch: Operand;
  readonly step: (s: Step) => readonly Stmt[];
}

/** Direction by direction, step by step, entry by entry; steps past the end of a sequence leave the state and give 0. */
function layerNest(layer: Layer): SerialNest {
  const { inputs, attrs, all, last, states } = layer;
  const [steps = 1, , batch = 1, hidden = 1] = all.dims;
  return {
    kind: "serial",
    result: all,
    steps: steps * attrs.reverse.length * batch * (inputs.weights.dims[1] ?? 1) * hidden,
    statements: (context) => [
      ...[[last, inputs.state] as const, ...states].flatMap(([to, from], i) =>
        loops(
          to.dims,
          (base) => context.name(`${base}f${i}`),
          (p) => [context.write(to, p, from ? context.read(from, p) : constant(0, to.dtype))],
        ),
      ),
      ...attrs.reverse.map((reverse, d) => {
        const [v, b] = [indexVar(context.name(`t${d}`)), indexVar(context.name(`b${d}`))];
        const t = reverse === 0 ? v : sub(int(steps - 1), v);
        const step = new Step(context, layer, d, t, b);
        const put = (value: (j: Expr) => Expr): Stmt => step.each((j) => [context.write(all, [t, int(d), b, j], value(j))]);
        const run = [...layer.step(step), put((j) => context.read(last, [int(d), b, j]))];
        const inside = inputs.lengths && compare("lt", t, a.cast(context.read(inputs.lengths, [b]), "index"));
        return forLoop(v, steps, [forLoop(b, batch, inside ? [ifThen(inside, run, [put(() => constant(0, all.dtype))])] : run)]);
      }),
    ],
  };
}

const STATES = { x: "float", weights: "float", state: "float?", lengths: "integer?" } as const;

/** h = f(x + R·h) */
export const rnn: Op = defineOp({
  name: "rnn",
  inputs: STATES,
  attrs: ATTRS,
  infer: (inputs, attrs) => typesOf("rnn", 1, inputs, [], attrs),
  compute: ({ outputs: [all, given], out, temp }, inputs, attrs) => {
    const hidden = inputs.weights.dims[2] ?? 1;
    const last = given ?? temp("h", out.dtype, out.dims.slice(1));
    return layerNest({
      inputs,
      attrs,
      all: all ?? out,
      last,
      states: [],
      scratch: temp("sums", accumulator(out.dtype), [hidden]),
      step: (s) => [
        s.eachSum(
          0,
          (k) => s.h(k),
          (sum, j) => [s.setScratch(0, j, a.add(sum, s.input(0, j)))],
        ),
        s.each((j) => [s.setState(last, j, s.activation(0, s.scratch(0, j)))]),
      ],
    });
  },
});

/** Update and reset gates and a candidate, in this order (Cho and others, 2014); `resetBias` is added before the reset. */
export const gru: Op = defineOp({
  name: "gru",
  inputs: { ...STATES, resetBias: "float?" },
  attrs: { ...ATTRS, resetAfter: false },
  infer: (inputs, attrs) => {
    const types = typesOf("gru", 3, inputs, [], attrs);
    const { resetBias, weights } = inputs;
    if (resetBias && !sameDims(resetBias.shape, [weights.shape[0] ?? 1, weights.shape[2] ?? 1]))
      throw misfit("gru", "the bias does not fit", [resetBias]);
    return types;
  },
  compute: ({ outputs: [all, given], out, temp }, inputs, attrs) => {
    const hidden = inputs.weights.dims[2] ?? 1;
    const last = given ?? temp("h", out.dtype, out.dims.slice(1));
    const { resetBias } = inputs;
    const biased = (s: Step, sum: Expr, j: Expr): Expr => (resetBias ? a.add(sum, s.vector(resetBias, 0, j)) : sum);
    const gate = (s: Step, g: number): Stmt =>
      s.eachSum(
        g,
        (k) => s.h(k),
        (sum, j) => [s.setScratch(g, j, s.activation(0, a.add(sum, s.input(g, j))))],
      );
    return layerNest({
      inputs,
      attrs,
      all: all ?? out,
      last,
      states: [],
      scratch: temp("gates", accumulator(out.dtype), [3 * hidden]),
      step: (s) => [
        gate(s, 0),
        gate(s, 1),
        s.eachSum(2, attrs.resetAfter ? (k) => s.h(k) : (k) => a.mul(s.scratch(1, k), s.h(k)), (sum, j) => {
          const past = attrs.resetAfter ? a.mul(s.scratch(1, j), biased(s, sum, j)) : sum;
          return [s.setScratch(2, j, s.activation(1, a.add(past, s.input(2, j))))];
        }),
        s.each((j) => [s.setState(last, j, a.add(a.mul(a.sub(1, s.scratch(0, j)), s.scratch(2, j)), a.mul(s.scratch(0, j), s.h(j))))]),
      ],
    });
  },
});

/** Input, output and forget gates and a candidate, in this order (Hochreiter and Schmidhuber, 1997), with peepholes. */
export const lstm: Op = defineOp({
  name: "lstm",
  inputs: { ...STATES, cell: "float?", peepholes: "float?" },
  attrs: { ...ATTRS, coupled: false },
  infer: (inputs, attrs) => {
    const types = typesOf("lstm", 4, inputs, [inputs.cell], attrs);
    const { peepholes, weights } = inputs;
    const hidden = Number(weights.shape[2]);
    if (peepholes && !sameDims(peepholes.shape, [weights.shape[0] ?? 1, 3 * hidden]))
      throw misfit("lstm", "the peepholes do not fit", [peepholes]);
    const [all, last] = types;
    return all && last ? [all, last, last] : types;
  },
  compute: ({ outputs: [all, givenH, givenC], out, temp }, inputs, attrs) => {
    const hidden = inputs.weights.dims[2] ?? 1;
    const stateDims = out.dims.slice(1);
    const last = givenH ?? temp("h", out.dtype, stateDims);
    const cell = givenC ?? temp("c", out.dtype, stateDims);
    const { peepholes } = inputs;
    const peep = (s: Step, part: number, j: Expr, c: Expr): Expr =>
      peepholes ? a.mul(s.vector(peepholes, part, j), c) : constant(0, s.kept);
    const sums = (s: Step, g: number): Stmt =>
      s.eachSum(
        g,
        (k) => s.h(k),
        (sum, j) => [s.setScratch(g, j, a.add(sum, s.input(g, j)))],
      );
    return layerNest({
      inputs,
      attrs,
      all: all ?? out,
      last,
      states: [[cell, inputs.cell]],
      scratch: temp("gates", accumulator(out.dtype), [4 * hidden]),
      step: (s) => [
        ...[0, 1, 2, 3].map((g) => sums(s, g)),
        s.each((j) => {
          const c = s.state(cell, j);
          const admit = s.activation(0, a.add(s.scratch(0, j), peep(s, 0, j, c)));
          const forget = attrs.coupled ? a.sub(1, admit) : s.activation(0, a.add(s.scratch(2, j), peep(s, 2, j, c)));
          return [s.setState(cell, j, a.add(a.mul(forget, c), a.mul(admit, s.activation(1, s.scratch(3, j)))))];
        }),
        s.each((j) => {
          const c = s.state(cell, j);
          return [s.setState(last, j, a.mul(s.activation(0, a.add(s.scratch(1, j), peep(s, 1, j, c))), s.activation(2, c)))];
        }),
      ],
    });
  },
});
