/** Which recipe belongs to a model: the one asked for, or the only one that its signature fits. */
import { existsSync } from "node:fs";
import type { Manifest } from "../engine/format.ts";
import type { Recipe } from "../engine/recipe.ts";
import type { Graph } from "../ir/graph.ts";
import { HoneError, locate } from "../util/errors.ts";
import { bindRecipe, whyNot, type ModelSignature } from "../vision/bind.ts";
import { bundledRecipes, parseRecipe, recipeNamed } from "../vision/recipes.ts";
import { readBounded } from "./model-file.ts";

const MAX_RECIPE_BYTES = 16 * 2 ** 20;

export interface ChosenRecipe {
  /** Absent: the engine is built without one. */
  readonly recipe?: Recipe;
  /** Why this one, or why none, in a sentence. */
  readonly why: string;
}

const dims = (shape: Graph["inputs"][number]["shape"]): readonly (number | string)[] =>
  shape.map((d) => (typeof d === "number" ? d : d.text));

export function signatureOf(graph: Graph): ModelSignature {
  return {
    inputs: graph.inputs.map((v) => ({ name: v.name, dtype: v.dtype, dims: dims(v.shape) })),
    outputs: graph.outputs.map((v) => ({ name: v.name, dims: dims(v.shape) })),
    ops: new Set(graph.nodes.map((n) => n.op)),
  };
}

/** The signature of a profile of an engine. */
export function signatureOfProfile(manifest: Manifest, index: number): ModelSignature {
  const profile = manifest.profiles[index];
  return {
    inputs: manifest.inputs.map((v, i) => ({ name: v.name, dtype: v.type, dims: profile?.inputs[i] ?? v.dims })),
    outputs: manifest.outputs.map((v, i) => ({ name: v.name, dims: profile?.outputs[i] ?? v.dims })),
  };
}

/** A bundled recipe by name, or one from a JSON file. Throws `recipe.unknown`, `recipe.invalid`, `file.*`. */
export async function loadRecipe(nameOrFile: string, signal?: AbortSignal): Promise<Recipe> {
  const isFile = /[/\\]|\.json$/i.test(nameOrFile) || (existsSync(nameOrFile) && !bundledRecipes().some((r) => r.name === nameOrFile));
  if (!isFile) return recipeNamed(nameOrFile);
  const bytes = await readBounded(nameOrFile, MAX_RECIPE_BYTES, signal);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new HoneError("recipe.invalid", "the recipe is not JSON", {
      at: { file: nameOrFile },
      cause,
      hint: "docs/recipes.md shows one.",
    });
  }
  return parseRecipe(json, nameOrFile);
}

/**
 * With `asked`, that recipe, which must fit; otherwise the one bundled recipe that fits, or none. Throws `recipe.unknown` when the one asked for
 * does not fit.
 */
export async function chooseRecipe(model: ModelSignature, asked?: string, signal?: AbortSignal): Promise<ChosenRecipe> {
  if (asked === undefined) return chooseBundled(model);
  const recipe = await loadRecipe(asked, signal);
  const against = whyNot(model, recipe);
  if (against === undefined) return { recipe, why: `asked for with --recipe, and it fits` };
  throw new HoneError("recipe.unknown", `the recipe ${recipe.name} does not fit the model: ${against}`, {
    hint: "Leave --recipe away to let the model's signature choose.",
  });
}

/** As {@link chooseRecipe}, where a recipe must be had: throws `recipe.unknown` or `recipe.ambiguous` with all reasons. */
export async function requireRecipe(model: ModelSignature, asked: string | undefined, file: string, signal?: AbortSignal): Promise<Recipe> {
  try {
    const chosen = asked === undefined ? bindRecipe(model) : await chooseRecipe(model, asked, signal);
    if (chosen.recipe !== undefined) return chosen.recipe;
    throw new HoneError("recipe.unknown", chosen.why);
  } catch (error) {
    throw locate(error, { file });
  }
}

function chooseBundled(model: ModelSignature): ChosenRecipe {
  try {
    const { recipe } = bindRecipe(model);
    return { recipe, why: `the only bundled recipe that fits the model's inputs and outputs (decoder ${recipe.decoder.kind})` };
  } catch (error) {
    if (!(error instanceof HoneError) || (error.code !== "recipe.unknown" && error.code !== "recipe.ambiguous")) throw error;
    if (error.code === "recipe.unknown") return { why: "no bundled recipe fits the model's inputs and outputs" };
    return { why: `${error.message}; choose one with --recipe` };
  }
}
