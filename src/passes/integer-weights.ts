/** Constant operands of products of bytes: weights with a scale for each output channel, and biases in units of the products. */
import { input, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext } from "../ir/rewrite.ts";
import { evaluateNode } from "../ops/evaluate.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { floats, integers, transposed } from "./constants.ts";
import { roundEven } from "./integer-parts.ts";

type Producer = RewriteContext["producer"];

export interface Weights {
  /** int8, or int16 where integers around a zero point leave it: [output channel, …]. */
  readonly data: Tensor;
  /** One an output channel. */
  readonly scales: readonly number[];
}

/** The element of a list with one for each channel, or one for all. */
const ofChannel = (list: ArrayLike<number>, c: number): number => list[list.length === 1 ? 0 : c] ?? 0;
const fitsChannels = (list: ArrayLike<number>, channels: number): boolean => list.length === 1 || list.length === channels;

/**
 * Integer weights with a scale for each output channel, or one for all, and no zero point once that is taken away. Output channels lie
 * along `axis`, the first or the last; they come first in what is returned.
 */
export function weightsOf(value: Value | undefined, { producer }: RewriteContext, axis = 0): Weights | undefined {
  const node = producer(value);
  if (node?.op !== "dequantizeLinear" || Number(node.attrs["blockSize"] ?? 0) !== 0) return undefined;
  const data = dataOf(input(node, 0), producer);
  const scales = floats(node.inputs[1]);
  const zeros = node.inputs[2] ? integers(node.inputs[2]) : [0];
  if (!data || !scales || !zeros || !liesAlong(axis, node, data, scales)) return undefined;
  return centred(axis === 0 ? data : lastFirst(data), scales, zeros);
}

const lastFirst = (t: Tensor): Tensor => transposed(t, [t.dims.length - 1, ...t.dims.slice(1).map((_, i) => i)]);

/** Whether scales are one for all, or of the elements of an axis. */
function liesAlong(axis: number, { attrs }: Node, { dims }: Tensor, scales: Float32Array): boolean {
  const own = Number(attrs["axis"] ?? 1);
  return scales.length === 1 || (own < 0 ? own + dims.length : own) === axis;
}

function centred(data: Tensor, scales: Float32Array, zeros: readonly number[]): Weights | undefined {
  const [channels = 0] = data.dims;
  const isBytes = data.type === "int8" || data.type === "uint8";
  if (!isBytes || !fitsChannels(scales, channels) || !fitsChannels(zeros, channels)) return undefined;
  const each = data.data.length / channels;
  const list = Array.from(data.data as Int8Array | Uint8Array, (v, i) => v - ofChannel(zeros, Math.floor(i / each)));
  const all = Array.from({ length: channels }, (_, c) => ofChannel(scales, c));
  if (!all.every((s) => s > 0 && Number.isFinite(s))) return undefined;
  const small = list.every((v) => v >= -128 && v <= 127);
  const made = small ? tensor("int8", data.dims, Int8Array.from(list)) : tensor("int16", data.dims, Int16Array.from(list));
  return { data: made, scales: all };
}

/** A constant, or one that is quantised where it is used. */
function dataOf(value: Value, producer: Producer): Tensor | undefined {
  const node = value.data ? undefined : producer(value);
  if (!node) return value.data;
  const inputs = node.inputs.map((v) => v?.data);
  return node.op === "quantizeLinear" && inputs.every((t, i) => t || !node.inputs[i]) ? evaluateNode(node, inputs)[0] : undefined;
}

/** A bias that is kept as integers in units of the products. */
function wholeBias(node: Node | undefined, units: readonly number[]): readonly number[] | undefined {
  const scales = node?.op === "dequantizeLinear" && node.inputs[2] === undefined ? floats(node.inputs[1]) : undefined;
  return scales && units.every((u, c) => Math.abs(ofChannel(scales, c) / u - 1) < 1e-6) ? integers(node?.inputs[0]) : undefined;
}

function floatsOf(node: Node): Float32Array | undefined {
  const inputs = node.inputs.map((v) => v?.data);
  if (node.op !== "dequantizeLinear" || !inputs.every((t, i) => t || !node.inputs[i])) return undefined;
  const [t] = evaluateNode(node, inputs);
  return t?.data instanceof Float32Array ? t.data : undefined;
}

/** A bias as integers in units of the products of bytes with these weights, one an output channel, where int32 holds every sum. */
export function biasOf(value: Value | undefined, xScale: number, w: Weights, { producer }: RewriteContext): readonly number[] | undefined {
  const units = w.scales.map((s) => xScale * s);
  const node = producer(value);
  const reals = floats(value) ?? (node && floatsOf(node));
  const list = value
    ? (wholeBias(node, units) ?? (reals && Array.from(reals, (b, c) => roundEven(b / (units[c] ?? 1)))))
    : units.map(() => 0);
  const all = list?.length === 1 && units.length > 1 ? units.map(() => list[0] ?? 0) : list;
  return all?.length === units.length && fitsInt32(w, all) ? all : undefined;
}

/** Kernels sum x·w and the zero point's share apart, each of at most 255 times the weights: whatever their order, int32 holds it. */
function fitsInt32({ data }: Weights, bias: readonly number[]): boolean {
  const all = data.data as Int8Array | Int16Array;
  const each = all.length / bias.length;
  return bias.every((b, c) => {
    let reach = 0;
    for (let i = c * each, end = i + each; i < end; i++) reach += Math.abs(all[i] ?? 0);
    return Math.abs(b) + 2 * 255 * reach < 2 ** 31;
  });
}
