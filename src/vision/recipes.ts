import { readRecipe, recipeProblems, type Recipe } from "../engine/recipe.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { openDecoder } from "./decoders/kinds.ts";
import blazefaceFull from "./recipes/blazeface-full.json" with { type: "json" };
import blazefaceShort from "./recipes/blazeface-short.json" with { type: "json" };
import facemaskSsd from "./recipes/facemask-ssd.json" with { type: "json" };
import fastestdet from "./recipes/fastestdet.json" with { type: "json" };
import nanodetPlus from "./recipes/nanodet-plus.json" with { type: "json" };
import picodet from "./recipes/picodet.json" with { type: "json" };
import retinafaceMobilenet from "./recipes/retinaface-mobilenet0.25.json" with { type: "json" };
import retinafaceSlim from "./recipes/retinaface-slim.json" with { type: "json" };
import ultraLight from "./recipes/ultra-light-320.json" with { type: "json" };
import ultraLightRaw from "./recipes/ultra-light-320-raw.json" with { type: "json" };
import yoloFinished from "./recipes/yolo-finished.json" with { type: "json" };
import yolov5 from "./recipes/yolov5.json" with { type: "json" };
import yolov8 from "./recipes/yolov8.json" with { type: "json" };
import yunet from "./recipes/yunet.json" with { type: "json" };

const BUNDLED: readonly unknown[] = [
  blazefaceFull,
  blazefaceShort,
  facemaskSsd,
  fastestdet,
  nanodetPlus,
  picodet,
  retinafaceMobilenet,
  retinafaceSlim,
  ultraLight,
  ultraLightRaw,
  yoloFinished,
  yolov5,
  yolov8,
  yunet,
];

/** The recipes that come with hone, by name. */
export function bundledRecipes(): readonly Recipe[] {
  return BUNDLED.map((json) => parseRecipe(json));
}

/** The bundled recipe of that name. Throws `recipe.unknown` with the names there are. */
export function recipeNamed(name: string): Recipe {
  const recipes = bundledRecipes();
  const found = recipes.find((r) => r.name === name);
  if (found !== undefined) return found;
  throw new HoneError("recipe.unknown", `there is no recipe "${name}"`, {
    hint: `Known recipes: ${recipes.map((r) => r.name).join(", ")}.`,
  });
}

/** A recipe from parsed JSON, its decoder's parameters checked too. Throws `recipe.invalid` with every problem; `file` names where it came from. */
export function parseRecipe(value: unknown, file?: string): Recipe {
  const problems = [...recipeProblems(value), ...decoderParamProblems(value)];
  if (problems.length === 0) return readRecipe(value, file);
  throw new HoneError("recipe.invalid", `the recipe has ${problems.length} problem${problems.length === 1 ? "" : "s"}`, {
    problems,
    ...(file === undefined ? {} : { at: { file } }),
  });
}

/** Problems of the decoder's kind and parameters; none when there is no decoder to speak of, which the schema reports. */
function decoderParamProblems(value: unknown): readonly Problem[] {
  if (!isRecord(value) || !isRecord(value["decoder"])) return [];
  const { kind, params } = value["decoder"];
  if (typeof kind !== "string" || !isRecord(params)) return [];
  try {
    openDecoder({ kind, params: JSON.parse(JSON.stringify(params)) as Recipe["decoder"]["params"] });
    return [];
  } catch (error) {
    if (!(error instanceof HoneError)) throw error;
    return error.problems.length > 0
      ? error.problems
      : [{ message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }];
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
