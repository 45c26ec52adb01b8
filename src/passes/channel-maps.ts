/**
 * Chains of reshapes, transposes and gathers that in the end only move channels become one op that says so. Exporters write a
 * channel shuffle (Zhang et al., "ShuffleNet", CVPR 2018) and a split as such chains, each link of them a copy.
 */
import { input, output, type Attrs, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { evaluateNode } from "../ops/evaluate.ts";
import { isStatic } from "../tensor/dim.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { floats, floatTensor } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** Ops that move elements, as their constant operands say. */
const MOVES: ReadonlySet<string> = new Set(["reshape", "flatten", "squeeze", "unsqueeze", "transpose", "gather", "slice"]);

const MAX_LINKS = 8;
/** Elements that are followed through the chain one by one. */
const MAX_ELEMENTS = 1 << 22;

interface Chain {
  readonly source: Value;
  /** From the source on. */
  readonly nodes: readonly Node[];
}

const isMove = (node: Node | undefined): node is Node =>
  node !== undefined && MOVES.has(node.op) && node.inputs.slice(1).every((v) => !v || v.data !== undefined);

const isMap = (v: Value): boolean => v.shape.length === 4 && isStatic(v.shape) && v.dtype === "float32" && v.data === undefined;

/** Back from a node to the nearest value with the same batch and space. */
function chainTo(node: Node, { producer }: RewriteContext): Chain | undefined {
  const result = output(node);
  const nodes: Node[] = [];
  for (let at: Node | undefined = node; isMove(at) && nodes.length < MAX_LINKS; at = producer(at.inputs[0])) {
    nodes.unshift(at);
    const source = input(at, 0);
    if (isMap(source) && [0, 2, 3].every((axis) => source.shape[axis] === result.shape[axis])) return { source, nodes };
  }
  return undefined;
}

/** Which channel of the source each channel of the result is, if that is all the chain does: every element is followed. */
function channelsOf({ source, nodes }: Chain): readonly number[] | undefined {
  const dims = source.shape.map(Number);
  const count = elementCount(dims);
  if (count > MAX_ELEMENTS || count === 0) return undefined;
  const positions: Tensor = { type: "int32", dims, data: Int32Array.from({ length: count }, (_, i) => i) };
  const moved = nodes.reduce<Tensor | undefined>(
    (t, node) => t && evaluateNode(node, [t, ...node.inputs.slice(1).map((v) => v?.data)])[0],
    positions,
  );
  const [batch = 1, from = 1, ...space] = dims;
  const area = elementCount(space);
  const to = moved?.dims[1] ?? 0;
  const at = (n: number, c: number, i: number): number => Number(moved?.data[(n * to + c) * area + i]);
  const channels = Array.from({ length: to }, (_, c) => Math.floor(at(0, c, 0) / area));
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < to; c++) {
      const first = (n * from + (channels[c] ?? 0)) * area;
      for (let i = 0; i < area; i++) if (at(n, c, i) !== first + i) return undefined;
    }
  }
  return channels;
}

const isWhole = (channels: readonly number[], count: number): boolean => channels.length === count && channels.every((c, i) => c === i);

/** The values whose channels a value joins, or the value itself. */
function partsOf(value: Value, { producer }: RewriteContext): readonly [readonly Value[], Node | undefined] {
  const node = producer(value);
  const inputs = node?.op === "concat" && node.attrs["axis"] === 1 ? node.inputs.filter((v) => v !== undefined) : [];
  return inputs.length > 0 && inputs.every(isMap) ? [inputs, node] : [[value], undefined];
}

const takeChannels: Rule = {
  name: "take-channels",
  match: (node, context) => {
    const chain = isMove(node) && isMap(output(node)) ? chainTo(node, context) : undefined;
    const channels = chain && channelsOf(chain);
    if (!chain || !channels) return undefined;
    const [parts, join] = partsOf(chain.source, context);
    const patch = context.patch(node, ...chain.nodes.slice(0, -1).reverse(), ...(join ? [join] : []));
    if (isWhole(channels, Number(chain.source.shape[1])) && !context.isOutput(output(node)))
      return patch.replace(output(node), chain.source);
    patch.op("takeChannels", parts, { channels }, { replaces: node.outputs });
    return patch;
  },
};

const isDenseConv = (node: Node): boolean => node.op === "conv" && Number(node.attrs["group"] ?? 1) === 1;

/** Weights [out, in, ...kernel] with the input channel i at `channels[i]`. */
function reordered(dims: readonly number[], data: Float32Array, channels: readonly number[]): Float32Array {
  const [out = 0, count = 0, ...kernel] = dims;
  const area = elementCount(kernel);
  const moved = new Float32Array(data.length);
  for (let o = 0; o < out; o++)
    channels.forEach((to, i) => {
      moved.set(data.subarray((o * count + i) * area, (o * count + i + 1) * area), (o * count + to) * area);
    });
  return moved;
}

/** Channels in another order before a convolution: its weights take that order instead, as a model that wants blue first does. */
const intoWeights: Rule = {
  name: "channels-into-weights",
  match: (node, context) => {
    const taken = isDenseConv(node) ? context.producer(node.inputs[0]) : undefined;
    const [, w, ...rest] = node.inputs;
    const data = floats(w);
    if (taken?.op !== "takeChannels" || taken.inputs.length !== 1 || !w?.data || !data) return undefined;
    const channels = integerList(taken.attrs["channels"]);
    const isOrder = new Set(channels).size === channels.length && input(taken, 0).shape[1] === channels.length;
    if (!isOrder) return undefined;
    const patch = context.patch(node, taken);
    const weights = patch.constant(w.name, floatTensor(w.data.dims, reordered(w.data.dims, data, channels)));
    patch.op("conv", [input(taken, 0), weights, ...rest], node.attrs, { replaces: node.outputs });
    return patch;
  },
};

const integerList = (attr: Attrs[string] | undefined): readonly number[] => (Array.isArray(attr) ? (attr as readonly number[]) : []);

export const channelMaps: Pass = rulePass(
  "channel-maps",
  "spares the copies of channel shuffles and splits; before layouts are chosen, which it lets stay",
  [takeChannels, intoWeights],
);
