import type { Attrs, Value } from "../../../ir/graph.ts";
import { ACTIVATIONS } from "../../../ops/activations.ts";
import type { Mapper, NodeView } from "./node.ts";

const DIRECTIONS: Readonly<Record<string, readonly number[]>> = { forward: [0], reverse: [1], bidirectional: [0, 1] };

/** The activations of all directions, by their numbers in hone's list. */
function activationsOf(n: NodeView, defaults: readonly string[], directions: number): Attrs {
  const names = n.texts("activations") ?? Array.from({ length: directions }, () => defaults).flat();
  const numbers = names.map((name) => ACTIVATIONS.findIndex((f) => f.name.toLowerCase() === name.toLowerCase()));
  if (numbers.includes(-1) || numbers.length !== defaults.length * directions) throw n.unsupported(`the activations ${names.join(", ")}`);
  // Parameters are listed only for those that take some.
  const taken = (which: "alpha" | "beta"): number[] => {
    const given = [...(n.floats(`activation_${which}`) ?? [])];
    return numbers.map((i) => {
      const f = ACTIVATIONS[i];
      const takes = f && (f[which] !== 0 || (which === "beta" && f.name === "Affine"));
      return takes ? (given.shift() ?? f[which]) : 0;
    });
  };
  return { activations: numbers, alphas: taken("alpha"), betas: taken("beta"), clip: n.float("clip", 0) };
}

/** The part of the second axis that belongs to some gates. */
const rows = (n: NodeView, x: Value, from: number, to: number): Value =>
  n.step("slice", [x, n.ints64([from]), n.ints64([to]), n.ints64([1])]);

const swapped = (n: NodeView, x: Value | undefined): Value | undefined => x && n.step("transpose", [x], { perm: [1, 0, 2] });

interface Layer {
  readonly op: string;
  readonly gates: number;
  readonly defaults: readonly string[];
  readonly outputs: number;
  /** Attributes and inputs behind the first four that only this layer has. */
  readonly attrs?: (n: NodeView) => Attrs;
  readonly more?: (n: NodeView, batchFirst: boolean, hidden: number) => readonly (Value | undefined)[];
  /** Gates whose recurrent bias is not simply added. */
  readonly apart?: (n: NodeView) => boolean;
}

/** X·Wᵀ and the biases, for all steps: [T,D,B,gates·H]. */
function projected(n: NodeView, x: Value, hidden: number, { gates, apart }: Layer): Value {
  const [w, bias] = [n.input(1), n.inputs[3]];
  const sums = n.step("matMul", [n.step("unsqueeze", [x], { axes: [1] }), n.step("transpose", [w], { perm: [0, 2, 1] })]);
  if (!bias) return sums;
  const width = gates * hidden;
  const added = (b: Value, to: Value): Value => n.step("add", [to, n.step("unsqueeze", [b], { axes: [1] })]);
  const own = added(rows(n, bias, 0, width), sums);
  if (!apart?.(n)) return added(rows(n, bias, width, 2 * width), own);
  const most = rows(n, bias, width, 2 * width - hidden);
  const zeros = n.step("mul", [rows(n, bias, 2 * width - hidden, 2 * width), n.scalarLike(bias, 0)]);
  return added(n.step("concat", [most, zeros], { axis: 1 }), own);
}

const layer =
  (l: Layer): Mapper =>
  (n) => {
    const reverse = DIRECTIONS[n.text("direction", "forward")];
    if (!reverse) throw n.unsupported(`the direction "${n.text("direction", "")}"`);
    const batchFirst = n.flag("layout");
    const hidden = n.input(2).shape[2];
    if (typeof hidden !== "number") throw n.unsupported("weights of unknown shape");
    const x = batchFirst ? n.step("transpose", [n.input(0)], { perm: [1, 0, 2] }) : n.input(0);
    const state = batchFirst ? swapped(n, n.inputs[5]) : n.inputs[5];
    const attrs = { reverse, ...activationsOf(n, l.defaults, reverse.length), ...l.attrs?.(n) };
    const inputs = [projected(n, x, hidden, l), n.input(2), state, n.inputs[4], ...(l.more?.(n, batchFirst, hidden) ?? [])];
    const outputs = n.emitAll(l.op, inputs, attrs, l.outputs);
    if (!batchFirst) return outputs;
    return outputs.map((y, i) => n.step("transpose", [y], { perm: i === 0 ? [2, 0, 1, 3] : [1, 0, 2] }));
  };

/** The recurrent bias of the candidate, which a GRU that resets after its product adds before. */
const resetBias: Layer["more"] = (n, _, hidden) => {
  const bias = n.inputs[3];
  return bias && n.flag("linear_before_reset") ? [rows(n, bias, 5 * hidden, 6 * hidden)] : [];
};

const resetAfter = (n: NodeView): boolean => n.flag("linear_before_reset");

/** Recurrent layers. */
export const RECURRENT: Readonly<Record<string, Mapper>> = {
  GRU: layer({
    op: "gru",
    gates: 3,
    defaults: ["Sigmoid", "Tanh"],
    outputs: 2,
    attrs: (n) => ({ resetAfter: resetAfter(n) }),
    more: resetBias,
    apart: resetAfter,
  }),
  LSTM: layer({
    op: "lstm",
    gates: 4,
    defaults: ["Sigmoid", "Tanh", "Tanh"],
    outputs: 3,
    attrs: (n) => ({ coupled: n.flag("input_forget") }),
    more: (n, batchFirst) => [batchFirst ? swapped(n, n.inputs[6]) : n.inputs[6], n.inputs[7]],
  }),
  RNN: layer({ op: "rnn", gates: 1, defaults: ["Tanh"], outputs: 2 }),
};
