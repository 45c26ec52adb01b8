/** What keeps a build's weights in halves. */
import type { RewriteFor } from "../compiler/compile.ts";
import { halfWeights, type LeftWeights } from "../passes/half-weights.ts";
import type { Half } from "../tensor/halves.ts";

/** Precisions of weights alone. */
export const HALVES: Readonly<Record<"fp16" | "bf16", Half>> = { fp16: "float16", bf16: "bfloat16" };

export interface HalfBuild {
  readonly rewrite: RewriteFor;
  /** Of the graphs that were rewritten: how many layers have their weights in halves, and which have not. */
  readonly layers: () => { readonly half: number; readonly float: readonly LeftWeights[] };
}

/** The rewriting that keeps the weights of all layers in a half. */
export function halfBuild(precision: keyof typeof HALVES): HalfBuild {
  const float = new Map<string, LeftWeights>();
  let half = 0;
  const rewrite: RewriteFor = (graph) => {
    const result = halfWeights(graph, () => HALVES[precision]);
    half = result.layers;
    for (const l of result.left) float.set(l.layer, l);
    return result.graph;
  };
  return { rewrite, layers: () => ({ half, float: [...float.values()] }) };
}
