/**
 * Small convolutions of one input become one: a detector's heads have one, four or ten channels each, which fill a vector
 * badly and read the same features again and again.
 */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { floats, floatTensor } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** Channels of a wide vector: what a convolution's channels are rounded up to. */
const WIDE = 16;
/** Convolutions with more channels fill vectors well enough alone. */
const FEW = 32;

const rounded = (channels: number): number => Math.ceil(channels / WIDE);

const channelsOf = (node: Node): number => Number(output(node).shape[1]);

/** A convolution over two axes with constant float32 weights. */
function isPlainConv(node: Node): boolean {
  const [, w, bias] = node.inputs;
  return (
    node.op === "conv" && output(node).shape.length === 4 && floats(w) !== undefined && (bias === undefined || floats(bias) !== undefined)
  );
}

/** What convolutions must have in common to be one. */
const windowOf = (node: Node): string => {
  const { strides, dilations, pads } = node.attrs;
  return JSON.stringify([strides, dilations, pads, input(node, 1).shape.slice(2), node.inputs[2] !== undefined]);
};

const group = (node: Node): number => Number(node.attrs["group"] ?? 1);

function joinedConstants(nodes: readonly Node[], i: 1 | 2, order?: readonly number[]): Float32Array {
  const parts = nodes.flatMap((node) => {
    const data = floats(node.inputs[i]) ?? new Float32Array();
    const length = data.length / channelsOf(node);
    return Array.from({ length: channelsOf(node) }, (_, c) => data.subarray(c * length, (c + 1) * length));
  });
  const sorted = order ? parts.map((_, c) => parts[order.indexOf(c)] ?? new Float32Array()) : parts;
  const joined = new Float32Array(sorted.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of sorted) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Adds the convolution that has the channels of all, those of the first node first unless `order` says where each goes. */
function addJoined(
  context: RewriteContext,
  x: Value,
  nodes: readonly [Node, ...Node[]],
  groups: number,
  order?: readonly number[],
): ReturnType<RewriteContext["patch"]> {
  const [first] = nodes;
  const patch = context.patch(first, ...nodes.slice(1));
  const w = joinedConstants(nodes, 1, order);
  const channels = nodes.reduce((sum, node) => sum + channelsOf(node), 0);
  const tail = input(first, 1).shape.slice(1).map(Number);
  const weights = patch.constant(`${first.name}.w`, floatTensor([channels, ...tail], w));
  const bias = first.inputs[2] && patch.constant(`${first.name}.bias`, floatTensor([channels], joinedConstants(nodes, 2, order)));
  const joined = patch.op("conv", [x, weights, ...(bias ? [bias] : [])], { ...first.attrs, group: groups });
  let at = 0;
  for (const node of nodes) {
    const count = channelsOf(node);
    const taken = Array.from({ length: count }, (_, c) => order?.[at + c] ?? at + c);
    patch.op("takeChannels", [joined], { channels: taken }, { name: node.name, replaces: node.outputs });
    at += count;
  }
  return patch;
}

const joinDense: Rule = {
  name: "join-siblings",
  match: (node, context) => {
    if (!isPlainConv(node) || group(node) !== 1 || channelsOf(node) > FEW || Number(input(node, 0).shape[1]) < 2) return undefined;
    const x = input(node, 0);
    const window = windowOf(node);
    const siblings = context
      .consumers(x)
      .filter(
        (other) =>
          other !== node &&
          isPlainConv(other) &&
          other.inputs[0] === x &&
          group(other) === 1 &&
          channelsOf(other) <= FEW &&
          windowOf(other) === window,
      );
    const all = [node, ...siblings] as const;
    const apart = all.reduce((sum, n) => sum + rounded(channelsOf(n)), 0);
    const together = rounded(all.reduce((sum, n) => sum + channelsOf(n), 0));
    return siblings.length > 0 && together < apart ? addJoined(context, x, all, 1) : undefined;
  },
};

/** Whether each channel of the result comes from the one channel of the input. */
const isDepthwise = (node: Node): boolean =>
  isPlainConv(node) && group(node) === Number(input(node, 0).shape[1]) && group(node) === channelsOf(node);

/** Depthwise convolutions of the parts of one value, together of all its channels, are one of that value. */
const joinDepthwise: Rule = {
  name: "join-depthwise",
  match: (node, context) => {
    const own = isDepthwise(node) ? context.producer(input(node, 0)) : undefined;
    if (own?.op !== "takeChannels" || own.inputs.length !== 1) return undefined;
    const x = input(own, 0);
    const takes = context.consumers(x).filter((n) => n.op === "takeChannels" && n.inputs.length === 1);
    const readers = takes.map((take) => (context.usedOnce(output(take)) ? context.consumers(output(take))[0] : undefined));
    const convs = readers.filter((n) => n !== undefined && isDepthwise(n) && windowOf(n) === windowOf(node)).filter((n) => n !== undefined);
    const order = takes.flatMap((take) => take.attrs["channels"] as readonly number[]);
    const whole = order.length === Number(x.shape[1]) && new Set(order).size === order.length;
    const [first, ...rest] = convs;
    if (first !== node || convs.length !== takes.length || rest.length === 0 || !whole) return undefined;
    return addJoined(context, x, [first, ...rest], order.length, order);
  },
};

export const siblingConvs: Pass = rulePass("sibling-convs", "fills vectors and reads an input once; when convolutions are final", [
  joinDense,
  joinDepthwise,
]);
