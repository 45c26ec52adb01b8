import type { Pass } from "./pass.ts";
import { propagate } from "./propagate.ts";

/** Shape operands are short; larger values do not decide shapes. */
const SHAPE_LIMIT = 1024;

export const inferShapes: Pass = {
  name: "infer-shapes",
  reason: "types what the importer could not: shapes that follow from shape arithmetic",
  run: (graph) => propagate(graph, { limit: SHAPE_LIMIT, fold: false }),
};
