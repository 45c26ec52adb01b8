import type { Recipe, Signature, SignatureValue } from "../engine/recipe.ts";
import { HoneError } from "../util/errors.ts";
import type { Size } from "./decoders/decoder.ts";
import { openDecoder } from "./decoders/kinds.ts";
import { bundledRecipes } from "./recipes.ts";

/** A dimension of a model: a number, or unknown (a symbol, null, or a negative number). */
export type Dim = number | string | null;

export interface ModelValue {
  readonly name: string;
  readonly dims: readonly Dim[];
}

/** What a model looks like from outside. */
export interface ModelSignature {
  readonly inputs: readonly (ModelValue & { readonly dtype: string })[];
  readonly outputs: readonly ModelValue[];
  /** Names of the ops in its graph; absent where only the outside is known. */
  readonly ops?: ReadonlySet<string>;
}

export interface Bound {
  readonly recipe: Recipe;
  /** Why this recipe, in a sentence for a person. */
  readonly why: string;
}

/**
 * The one recipe that fits a model, judged by its inputs' shapes and dtypes and its outputs' names and shapes, never by a file's name.
 * Where the input's size is known, outputs must have exactly as many rows as the decoder has priors for it.
 * Throws `recipe.unknown` with the reason against each recipe, `recipe.ambiguous` with the candidates.
 */
export function bindRecipe(model: ModelSignature, recipes: readonly Recipe[] = bundledRecipes()): Bound {
  const tried = recipes.map((recipe) => ({ recipe, against: whyNot(model, recipe) }));
  const fitting = tried.filter((t) => t.against === undefined);
  const [only] = fitting;
  if (only === undefined) {
    throw new HoneError("recipe.unknown", `no recipe fits ${describe(model)}`, {
      problems: tried.map(({ recipe, against }) => ({ message: `${recipe.name}: ${against ?? ""}` })),
      hint: "Name one with --recipe NAME, or write one and give --recipe FILE.",
    });
  }
  if (fitting.length > 1) {
    const names = fitting.map((t) => t.recipe.name);
    throw new HoneError("recipe.ambiguous", `${names.join(" and ")} fit ${describe(model)}`, {
      problems: names.map((name) => ({ message: `${name} fits` })),
      hint: `Choose with --recipe ${names[0] ?? "NAME"}, or give the input's size with --shape: the number of outputs' rows then decides.`,
    });
  }
  return {
    recipe: only.recipe,
    why: `${describe(model)} fits ${only.recipe.name} (decoder ${only.recipe.decoder.kind}) and no other recipe`,
  };
}

/** The first reason why a recipe does not fit a model; undefined when it does. */
export function whyNot(model: ModelSignature, recipe: Recipe): string | undefined {
  const { inputs, outputs } = recipe.signature;
  if (model.inputs.length !== inputs.length) return `it wants ${inputs.length} input(s), the model has ${model.inputs.length}`;
  for (const [i, spec] of inputs.entries()) {
    const input = model.inputs[i];
    if (input === undefined || !fits(spec, input))
      return `its input is ${shapeText(spec.shape)}, the model's ${input ? valueText(input) : "absent"}`;
    if (input.dtype !== recipe.preprocess.dtype) return `its input is ${recipe.preprocess.dtype}, the model's ${input.dtype}`;
  }
  const own = ownOutputs(model.outputs);
  if (own.length !== outputs.length) return `it wants ${outputs.length} outputs, the model has ${own.length}`;
  const matched = matchOutputs(recipe, own, inputSize(recipe, model.inputs[0]?.dims ?? []));
  return typeof matched === "string" ? matched : opsAgainst(model.ops, recipe.signature);
}

/** Without the outputs that only tell how much of another one is filled (docs/adr/0014-results-sized-by-data.md). */
export function ownOutputs<V extends Pick<ModelValue, "name">>(outputs: readonly V[]): readonly V[] {
  const names = new Set(outputs.map((o) => o.name));
  return outputs.filter(({ name }) => !(name.endsWith(FILLED) && names.has(name.slice(0, -FILLED.length))));
}

export const FILLED = ".shape";

function opsAgainst(ops: ReadonlySet<string> | undefined, { has = [], lacks = [] }: Signature): string | undefined {
  if (ops === undefined) return undefined;
  const [absent, present] = [has.find((op) => !ops.has(op)), lacks.find((op) => ops.has(op))];
  if (absent !== undefined) return `it wants a graph that computes ${absent}, the model's does not`;
  return present === undefined ? undefined : `it wants a graph without ${present}, the model's has it`;
}

/** The model's output for each role of the recipe, or the reason why there is none. Rows are checked when the input's size is known. */
export function matchOutputs<V extends ModelValue>(
  recipe: Recipe,
  outputs: readonly V[],
  size: Size | undefined,
): ReadonlyMap<string, V> | string {
  const decoder = openDecoder(recipe.decoder);
  const rows = size === undefined ? {} : decoder.rows(size);
  const matched = new Map<string, V>();
  for (const spec of recipe.signature.outputs) {
    const wanted = rows[spec.role];
    const shape = spec.shape.map((d, axis) => (axis === (decoder.rowsAxis ?? 1) && wanted !== undefined ? wanted : d));
    const found = outputs.filter((o) => fits({ ...spec, shape }, o));
    const [first] = found;
    const label = `${spec.name ?? spec.role} ${shapeText(shape)}`;
    if (first === undefined) return `it wants an output ${label}`;
    if (found.length > 1) return `more than one output could be its ${label}: ${found.map((o) => o.name).join(", ")}`;
    matched.set(spec.role, first);
  }
  return matched;
}

/** Width and height in an input's dims, read by the recipe's layout; undefined when one of them is not a number. */
export function inputSize(recipe: Recipe, dims: readonly Dim[]): Size | undefined {
  const [height, width] = recipe.preprocess.layout === "NCHW" ? [dims[2], dims[3]] : [dims[1], dims[2]];
  return isKnown(height) && isKnown(width) ? { width, height } : undefined;
}

function fits(spec: Pick<SignatureValue, "name" | "shape">, value: ModelValue): boolean {
  if (spec.name !== undefined && spec.name !== value.name) return false;
  if (spec.shape.length !== value.dims.length) return false;
  return value.dims.every((d, i) => !isKnown(d) || spec.shape[i] === null || spec.shape[i] === d);
}

function isKnown(d: Dim | undefined): d is number {
  return typeof d === "number" && d > 0;
}

function describe(model: ModelSignature): string {
  const shown = model.outputs.slice(0, 4).map(valueText).join(", ");
  const rest = model.outputs.length > 4 ? `, and ${model.outputs.length - 4} more` : "";
  return `a model with input ${model.inputs.map(valueText).join(", ")} and outputs ${shown}${rest}`;
}

function valueText(value: ModelValue): string {
  return `${value.name} ${shapeText(value.dims)}`;
}

function shapeText(dims: readonly Dim[]): string {
  return `[${dims.map((d) => (isKnown(d) ? d : d === null ? "any" : d.includes("?") ? "?" : d)).join(",")}]`;
}
