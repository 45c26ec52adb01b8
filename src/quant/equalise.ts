/**
 * Cross-layer equalisation (Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019) where
 * it costs nothing: in front of a depthwise convolution every channel may be scaled by a factor of its own, which the weights before
 * it give and those behind it take back. All channels then use the whole range of the bytes between, though one scale serves them all.
 * ReLU and its leaky kin let factors pass; the float results stay what they are, but for rounding.
 */
import { makeConstant, output, type Graph, type Node, type Value } from "../ir/graph.ts";
import { consumersOf } from "../ir/walk.ts";
import { floats } from "../passes/constants.ts";
import { must } from "../util/errors.ts";

/** Factors of the channels of values, by the values' names. */
export type Factors = ReadonlyMap<string, readonly number[]>;

interface Seam {
  /** What the depthwise convolution reads. */
  readonly value: Value;
  readonly before: Node;
  readonly behind: Node;
}

const HOMOGENEOUS: ReadonlySet<string> = new Set(["relu", "leakyRelu", "prelu"]);

/** A convolution whose weights and bias are float32 constants. */
function isConv(node: Node | undefined): node is Node {
  const [, w, bias] = node?.inputs ?? [];
  return node?.op === "conv" && floats(w) !== undefined && (bias === undefined || floats(bias) !== undefined);
}

const isDepthwise = (node: Node): boolean =>
  Number(node.attrs["group"] ?? 1) > 1 && node.inputs[1]?.data?.dims[1] === 1 && node.attrs["group"] === node.inputs[1].data.dims[0];

function seams(graph: Graph): readonly Seam[] {
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  /** The only reader of a value. */
  const reader = (v: Value): Node | undefined => {
    const [next, ...others] = consumers.get(v) ?? [];
    return others.length === 0 && !outputs.has(v) ? next : undefined;
  };
  return graph.nodes.flatMap((before): Seam[] => {
    if (!isConv(before)) return [];
    const own = output(before);
    const next = reader(own);
    const value = next && HOMOGENEOUS.has(next.op) ? output(next) : own;
    const behind = reader(value);
    return isConv(behind) && isDepthwise(behind) && behind.inputs[0] === value ? [{ value, before, behind }] : [];
  });
}

/** The values whose channels can be scaled, in the graph's order. */
export const equalisable = (graph: Graph): readonly Value[] => seams(graph).map((s) => s.value);

/** No channel is scaled by more: what it holds would be of the size of the others' rounding in float32 otherwise. */
const MOST = 256;

/** Factors that bring every channel's magnitude to the greatest one; a channel that is always zero keeps its own. */
export function factorsFor(magnitudes: readonly number[]): readonly number[] {
  const greatest = Math.max(...magnitudes);
  return magnitudes.map((m) => (m > 0 ? Math.min(MOST, greatest / m) : 1));
}

/** The graph with the channels of the given values scaled, and its outputs as they were. Values that it does not have are passed over. */
export function equalise(graph: Graph, factors: Factors): Graph {
  const given = new Map<Node, readonly number[]>();
  const taken = new Map<Node, readonly number[]>();
  for (const { value, before, behind } of seams(graph)) {
    const own = factors.get(value.name);
    if (own === undefined || own.length !== value.shape[1]) continue;
    given.set(before, own);
    taken.set(behind, own);
  }
  return {
    ...graph,
    nodes: graph.nodes.map((node) => (given.has(node) || taken.has(node) ? scaled(node, given.get(node), taken.get(node)) : node)),
  };
}

/** A convolution whose output channels are multiplied by `give`, and each of whose own channels is divided by `take`. */
function scaled(node: Node, give: readonly number[] | undefined, take: readonly number[] | undefined): Node {
  const [x, w, bias] = node.inputs;
  const weights = must(floats(w), "weights");
  const dims = w?.data?.dims ?? [];
  const each = weights.length / (dims[0] ?? 1);
  const factor = (c: number): number => (give?.[c] ?? 1) / (take?.[c] ?? 1);
  const constant = (like: Value | undefined, data: Float32Array): Value | undefined =>
    like && makeConstant(like.name, { type: "float32", dims: like.data?.dims ?? [], data });
  const scaledBias = floats(bias)?.map((b, c) => b * (give?.[c] ?? 1));
  return {
    ...node,
    inputs: [
      x,
      constant(
        w,
        weights.map((v, i) => v * factor(Math.floor(i / each))),
      ),
      scaledBias && constant(bias, scaledBias),
    ],
  };
}
