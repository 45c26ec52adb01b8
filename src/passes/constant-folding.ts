import type { Pass } from "./pass.ts";
import { propagate } from "./propagate.ts";
import { neededNodes } from "../ir/walk.ts";

/** Above this many elements a value is left to run time: it would only make the engine larger. */
const LIMIT = 1 << 24;

export const constantFolding: Pass = {
  name: "constant-folding",
  reason: "computes once and for all what depends on constants only, shape arithmetic above all",
  run: (graph) => {
    const folded = propagate(graph, { limit: LIMIT, fold: true });
    return { ...folded, nodes: neededNodes(folded.nodes, folded.outputs) };
  },
};
