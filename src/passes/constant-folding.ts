import type { Pass } from "./pass.ts";
import { FOLD_LIMIT } from "../ops/evaluate.ts";
import { propagate } from "./propagate.ts";
import { neededNodes } from "../ir/walk.ts";

export const constantFolding: Pass = {
  name: "constant-folding",
  reason: "computes once and for all what depends on constants only, shape arithmetic above all",
  run: (graph) => {
    const folded = propagate(graph, { limit: FOLD_LIMIT, fold: true });
    return { ...folded, nodes: neededNodes(folded.nodes, folded.outputs) };
  },
};
