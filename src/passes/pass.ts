import type { Infer } from "../ir/builder.ts";
import type { Graph } from "../ir/graph.ts";
import { everywhere } from "../ir/regions.ts";
import { rewrite, type Rule } from "../ir/rewrite.ts";
import { getOp } from "../ops/index.ts";

/** One step of optimisation: a graph of the same meaning, inputs and outputs. */
export interface Pass {
  readonly name: string;
  /** Why it is there, and there in the order. */
  readonly reason: string;
  readonly run: (graph: Graph) => Graph;
}

/** Types by the op definitions. */
export const inferOp: Infer = (op, inputs, attrs, outputs, regions) => getOp(op).infer(inputs, attrs, outputs, regions);

/** A pass that runs rewrite rules to a fixpoint. */
export function rulePass(name: string, reason: string, rules: readonly Rule[]): Pass {
  return { name, reason, run: (graph) => everywhere(graph, (g) => rewrite(g, rules, inferOp)) };
}
