/** THE order of the passes. Each gives its reason where it is defined. */
import type { Graph } from "../ir/graph.ts";
import { HoneError, locate } from "../util/errors.ts";
import { activations } from "./activations.ts";
import { batchNormIntoConv } from "./batchnorm-into-conv.ts";
import { channelMaps } from "./channel-maps.ts";
import { constantFolding } from "./constant-folding.ts";
import { controlFlow } from "./control-flow.ts";
import { cse } from "./cse.ts";
import { deadCode } from "./dead-code.ts";
import { eliminate } from "./eliminate.ts";
import { foldBias } from "./fold-bias.ts";
import { gemmConstants } from "./gemm-constants.ts";
import { inferShapes } from "./infer-shapes.ts";
import { integerKernels } from "./integer-kernels.ts";
import { norms } from "./norms.ts";
import { padFolding } from "./pad-folding.ts";
import type { Pass } from "./pass.ts";
import { scaledProducts } from "./scaled-products.ts";
import { siblingConvs } from "./sibling-convs.ts";
import { transposes } from "./transposes.ts";

export const PIPELINE: readonly Pass[] = [
  deadCode,
  inferShapes,
  integerKernels,
  constantFolding,
  controlFlow,
  eliminate,
  cse,
  activations,
  norms,
  scaledProducts,
  transposes,
  padFolding,
  batchNormIntoConv,
  gemmConstants,
  foldBias,
  channelMaps,
  siblingConvs,
];

export interface OptimizeOptions {
  /** Called after each pass. */
  readonly onPass?: (pass: Pass, before: Graph, after: Graph) => void;
  /** The name of the last pass to run. */
  readonly stopAfter?: string;
}

/** The graph after all passes, or those up to `stopAfter`. Throws `usage` when there is no such pass. */
export function optimize(graph: Graph, options: OptimizeOptions = {}): Graph {
  const { stopAfter, onPass } = options;
  if (stopAfter !== undefined && !PIPELINE.some((p) => p.name === stopAfter)) {
    throw new HoneError("usage", `there is no pass ${stopAfter}`, { hint: `The passes are ${PIPELINE.map((p) => p.name).join(", ")}.` });
  }
  let at = graph;
  for (const pass of PIPELINE) {
    const next = run(pass, at);
    onPass?.(pass, at, next);
    at = next;
    if (pass.name === stopAfter) break;
  }
  return at;
}

function run(pass: Pass, graph: Graph): Graph {
  try {
    return pass.run(graph);
  } catch (error) {
    throw locate(error, { pass: pass.name });
  }
}
