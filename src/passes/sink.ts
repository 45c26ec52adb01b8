/**
 * How an op whose data inputs are all transposed alike can be done before the transpose instead: which inputs and attributes
 * it then has, and by what its results are transposed. One entry an op; elementwise ops share one.
 */
import type { Attrs, Node, Value } from "../ir/graph.ts";
import type { Patch } from "../ir/patch.ts";
import { findOp } from "../ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { int64Tensor, integers, transposed } from "./constants.ts";
import { inverse, permuted, without, type Permutation } from "./permutation.ts";

export interface Sunk {
  readonly inputs: readonly (Value | undefined)[];
  readonly attrs: Attrs;
  /** Of every output. */
  readonly perm: Permutation;
}

/** `untransposed` is the value under the common transpose, or a constant transposed to fit; undefined when there is none. */
export interface SinkContext {
  readonly perm: Permutation;
  readonly patch: Patch;
  readonly untransposed: (value: Value | undefined) => Value | undefined;
}

type Sink = (node: Node, context: SinkContext) => Sunk | undefined;

const axisFromEnd = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** All inputs are data of the same rank. */
const allInputs: Sink = (node, { perm, untransposed }) => {
  const inputs = node.inputs.map(untransposed);
  return inputs.every((v) => v) ? { inputs, attrs: node.attrs, perm } : undefined;
};

/** The first input is data; the attribute `axis` names one of its axes. */
const withAxis: Sink = (node, context) => {
  const sunk = allInputs(node, context);
  const { axis } = node.attrs;
  if (!sunk || typeof axis !== "number") return undefined;
  return { ...sunk, attrs: { ...node.attrs, axis: context.perm[axisFromEnd(axis, context.perm.length)] ?? axis } };
};

const pad: Sink = (node, { perm, patch, untransposed }) => {
  const pads = integers(node.inputs[1]);
  const x = untransposed(node.inputs[0]);
  if (!pads || !x) return undefined;
  const rank = perm.length;
  const back = inverse(perm);
  const amounts = [...permuted(pads.slice(0, rank), back), ...permuted(pads.slice(rank), back)];
  return { inputs: [x, patch.constant(`${node.name}.pads`, int64Tensor(amounts)), node.inputs[2]], attrs: node.attrs, perm };
};

const slice: Sink = (node, { perm, patch, untransposed }) => {
  const [, starts, ends, given, steps] = node.inputs;
  const x = untransposed(node.inputs[0]);
  const count = integers(starts)?.length;
  if (!x || count === undefined || (given && !integers(given))) return undefined;
  const axes = integers(given) ?? Array.from({ length: count }, (_, i) => i);
  const moved = axes.map((axis) => perm[axisFromEnd(axis, perm.length)] ?? axis);
  return { inputs: [x, starts, ends, patch.constant(`${node.name}.axes`, int64Tensor(moved)), steps], attrs: node.attrs, perm };
};

function reduced(node: Node, axes: readonly number[], attrs: (moved: readonly number[]) => Attrs, context: SinkContext): Sunk | undefined {
  const { perm, untransposed } = context;
  const x = untransposed(node.inputs[0]);
  if (!x) return undefined;
  const at = axes.length > 0 ? axes.map((axis) => axisFromEnd(axis, perm.length)) : perm.map((_, i) => i);
  const keepDims = node.attrs.keepDims !== false;
  return {
    inputs: [x],
    attrs: { ...node.attrs, ...attrs(at.map((axis) => perm[axis] ?? axis)) },
    perm: keepDims ? perm : without(perm, at),
  };
}

const reduce: Sink = (node, context) => {
  const { axes = [] } = node.attrs;
  return Array.isArray(axes) ? reduced(node, axes as readonly number[], (moved) => ({ axes: moved }), context) : undefined;
};

const argReduce: Sink = (node, context) => {
  const axis = Number(node.attrs.axis ?? 0);
  return reduced(node, [axis], ([moved = 0]) => ({ axis: moved }), context);
};

const resize: Sink = (node, { perm, patch, untransposed }) => {
  const x = untransposed(node.inputs[0]);
  const back = inverse(perm);
  const moved = (value: Value | undefined, name: string): Value | undefined => {
    const { data } = value ?? {};
    return data && data.data.length === perm.length ? patch.constant(`${node.name}.${name}`, reordered(data, back)) : undefined;
  };
  const scales = moved(node.inputs[1], "scales");
  const sizes = moved(node.inputs[2], "sizes");
  return x && (scales || sizes) ? { inputs: [x, scales, sizes], attrs: node.attrs, perm } : undefined;
};

function reordered(vector: Tensor, p: Permutation): Tensor {
  const data = vector.data.slice();
  p.forEach((from, to) => {
    const element = vector.data[from];
    if (element !== undefined) data[to] = element;
  });
  return { ...vector, data };
}

const BY_OP: Readonly<Record<string, Sink>> = {
  concat: withAxis,
  split: withAxis,
  softmax: withAxis,
  logSoftmax: withAxis,
  pad,
  slice,
  resize,
  argMax: argReduce,
  argMin: argReduce,
};

/** The rule of an op, if a transpose can pass it. */
export function sinkOf(node: Node): Sink | undefined {
  const op = findOp(node.op);
  if (op?.traits.elementwise) return node.inputs.every((v) => v) ? allInputs : undefined;
  return node.op.startsWith("reduce") ? reduce : BY_OP[node.op];
}

/**
 * A constant or scalar that broadcasts to the rank, such that transposed by p it is as before; undefined for anything else.
 */
export function untransposedConstant(value: Value, p: Permutation, patch: Patch): Value | undefined {
  if (value.shape.every((d) => d === 1)) return value.shape.length <= p.length ? value : undefined;
  const { data } = value;
  if (!data || data.dims.length > p.length) return undefined;
  const full = [...new Array<number>(p.length - data.dims.length).fill(1), ...data.dims];
  return patch.constant(value.name, transposed({ ...data, dims: full }, inverse(p)));
}
