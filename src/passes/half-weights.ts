/**
 * Keeps the weights of convolutions and matrix products in halves, rounded to nearest even. They are read as float32, in which all
 * is computed: the engine is half as large, and a layer that waits for its weights waits half as long.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { consumersOf } from "../ir/walk.ts";
import { FLOAT16_MAX, narrowed, type Half } from "../tensor/halves.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Which inputs of a node are weights. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  conv: [1],
  convTranspose: [1],
  gemm: [0, 1],
  matMul: [0, 1],
};

/** A layer whose weights stay in float32. */
export interface LeftWeights {
  readonly layer: string;
  readonly why: string;
}

export interface HalfWeights {
  readonly graph: Graph;
  /** Layers whose weights are in halves. */
  readonly layers: number;
  readonly left: readonly LeftWeights[];
}

/** Of a layer, the half its weights are to be kept in; undefined for float32. */
export type HalfOf = (node: Node) => Half | undefined;

/** Rounding to float16 adds half of this at most: the unit in the last place of its largest numbers. */
const LARGEST_UNIT = 32;

/** Why weights cannot be kept in a half. */
function refusal({ data }: Tensor, half: Half): string | undefined {
  let most = 0;
  for (const v of data as Float32Array) {
    if (!Number.isFinite(v)) return "its weights are not finite";
    most = Math.max(most, Math.abs(v));
  }
  return half === "float16" && most >= FLOAT16_MAX + LARGEST_UNIT / 2 ? `a weight of ${most} is too large for float16` : undefined;
}

const weightsOf = ({ op, inputs }: Node): readonly Value[] =>
  (WEIGHTS[op] ?? []).flatMap((i) => {
    const v = inputs[i];
    return v?.data?.type === "float32" ? [v] : [];
  });

/** The halves that all readers of a value want; undefined when they differ or read it as something else. */
function wantedBy(value: Value, readers: readonly Node[], halfOf: HalfOf): Half | undefined {
  const [first, ...others] = readers.map((n) => (weightsOf(n).includes(value) ? halfOf(n) : undefined));
  return others.every((h) => h === first) ? first : undefined;
}

/** The graph with the weights of layers in halves, those of layers in regions too. */
export function halfWeights(graph: Graph, halfOf: HalfOf): HalfWeights {
  const readers = consumersOf(graph);
  const kept = new Map<Value, Value>();
  const left: LeftWeights[] = [];
  const outputs = new Set(graph.outputs);
  let layers = 0;
  const keep = (value: Value, node: Node): Value => {
    const known = kept.get(value);
    if (known || !value.data) return known ?? value;
    const half = outputs.has(value) ? undefined : wantedBy(value, readers.get(value) ?? [], halfOf);
    const why = half && refusal(value.data, half);
    if (why !== undefined) left.push({ layer: node.origin.join(", ") || node.name, why });
    const result = half && why === undefined ? { ...value, data: narrowed(value.data, half) } : value;
    kept.set(value, result);
    return result;
  };
  const nodes = graph.nodes.map((node): Node => {
    const own = new Set(weightsOf(node));
    const inputs = node.inputs.map((v) => (v && own.has(v) ? keep(v, node) : v));
    if (inputs.some((v, i) => v !== node.inputs[i])) layers++;
    const regions = node.regions?.map((r) => halfWeights(r, halfOf));
    regions?.forEach((r) => {
      layers += r.layers;
      left.push(...r.left);
    });
    return { ...node, inputs, ...(regions && { regions: regions.map((r) => r.graph) }) };
  });
  return { graph: { ...graph, nodes }, layers, left };
}
