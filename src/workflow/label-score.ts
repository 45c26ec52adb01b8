/** What a model in int8 loses by labels. */
import { must } from "../util/errors.ts";
import { buildModel, type BuildModelOptions } from "./build.ts";
import { honeRunner } from "./eval-backends.ts";
import { evaluateModels, type EvaluateModelsRequest } from "./eval-models.ts";
import type { Half } from "./halves.ts";

/** Photos with labels, and the rules by which what is found on them counts. */
export type Labelled = Pick<EvaluateModelsRequest, "images" | "annotations" | "format" | "anyClass" | "minScore">;

/** COCO's, as shares of one. */
export interface LabelScore {
  readonly images: number;
  readonly AP: number;
  readonly AP50: number;
}

/** Points that the worse of both metrics loses. */
export const dropOf = (float: LabelScore, int8: LabelScore): number => 100 * Math.max(float.AP - int8.AP, float.AP50 - int8.AP50);

/** The score of a model, built for this machine, on the photos of one half. Throws what building, and reading annotations and photos throw. */
export async function labelScore(
  model: string,
  labelled: Labelled,
  half: Half | undefined,
  options: BuildModelOptions,
): Promise<LabelScore> {
  const request: EvaluateModelsRequest = {
    ...options,
    ...labelled,
    models: [model],
    protocol: "coco",
    rounds: 0,
    leaveOut: half && (({ path }) => !half.has(path)),
  };
  const here = { ...options, machine: undefined, targets: undefined };
  const [run] = await evaluateModels(request, async () => honeRunner((await buildModel(model, here)).engine, model, options));
  const { images, metrics } = must(run, "a run");
  return { images, AP: metrics["AP"] ?? 0, AP50: metrics["AP50"] ?? 0 };
}
