import { everywhere } from "../ir/regions.ts";
import { neededNodes } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const deadCode: Pass = {
  name: "dead-code",
  reason: "drops what no output needs, so that the passes after it see real uses only",
  run: (graph) => everywhere(graph, (g) => ({ ...g, nodes: neededNodes(g.nodes, g.outputs) })),
};
