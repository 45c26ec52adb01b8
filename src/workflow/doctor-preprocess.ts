/** What a reference tensor was made by, beside what a model's recipe says: names the mismatch and the words that mend it. */
import type { Image } from "../data/image.ts";
import { placeImage } from "../data/letterbox.ts";
import { loadImage } from "../data/node/decode.ts";
import type { Distance } from "../data/preprocess-fit.ts";
import { distanceOf, SAME_PIXELS, sameResize, searchPreprocess, type PreprocessSearch, type Variant } from "../data/preprocess-search.ts";
import type { Preprocess, Recipe } from "../engine/recipe.ts";
import { readEngine } from "../engine/read.ts";
import { detectFormat } from "../formats/index.ts";
import { hashOf } from "../runtime/node/host.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { given, type JobOptions } from "./events.ts";
import { importFile, readBounded, readModelFile } from "./model-file.ts";
import { readNpy } from "./npy.ts";
import { chooseRecipe, loadRecipe, signatureOf } from "./recipe.ts";
import { recipeOf } from "./run.ts";

export interface PreprocessRequest extends JobOptions {
  /** A model or an engine. */
  readonly model: string;
  /** What a trusted pipeline fed the model for the image: .npy. */
  readonly reference: string;
  readonly image: string;
  /** In place of the model's own. */
  readonly recipe?: string | undefined;
}

/** A field in which the recipe is not what the reference was made by. */
export interface Mismatch {
  readonly field: string;
  readonly recipe: unknown;
  readonly reference: unknown;
  /** Mean distance in grey levels when this alone is wrong; undefined where the tensors would not even have one shape and type. */
  readonly costs?: number;
}

export interface PreprocessDiagnosis {
  /** `same`: a variant makes the reference; `near`: up to a few grey levels, as by another decoder; `none`: nothing that hone knows makes it. */
  readonly verdict: "same" | "near" | "none";
  readonly found: Variant;
  /** Resizes that this image cannot tell apart. */
  readonly same: PreprocessSearch["same"];
  readonly ranked: readonly Variant[];
  /** Absent when the model has no recipe. */
  readonly recipe?: {
    readonly name: string;
    readonly agrees: boolean;
    readonly distance?: Distance;
    readonly mismatches: readonly Mismatch[];
  };
}

/** Up to here another decoder or another library's rounding explains the rest. */
const NEAR_PIXELS = 2;

const MAX_REFERENCE_BYTES = 1 << 30;
const MAX_ENGINE_BYTES = 2 ** 32 - 1;

/** Throws what reading throws, and `feeds.invalid` for a reference that is no picture. */
export async function diagnosePreprocess(request: PreprocessRequest): Promise<PreprocessDiagnosis> {
  const { signal } = request;
  const recipe = await recipeFor(request);
  const reference = readNpy(await readBounded(request.reference, MAX_REFERENCE_BYTES, signal), request.reference);
  const image = await loadImage(request.image, given("signal", signal));
  request.onEvent?.({ kind: "step", text: "trying every way of preprocessing" });
  return diagnose(image, reference, recipe);
}

async function recipeFor({ model, recipe, signal }: PreprocessRequest): Promise<Recipe | undefined> {
  if (recipe !== undefined) return await loadRecipe(recipe, signal);
  const bytes = await readBounded(model, MAX_ENGINE_BYTES, signal);
  if (detectFormat(bytes) === "hone") return recipeOf(readEngine(bytes, { hash: hashOf, file: model }).manifest, model);
  const graph = importFile(await readModelFile(model, signal));
  return (await chooseRecipe(signatureOf(graph), undefined, signal)).recipe;
}

/** The same on what is in memory. */
export function diagnose(image: Image, reference: Tensor, recipe: Recipe | undefined): PreprocessDiagnosis {
  const rule = recipe?.preprocess;
  const { best, same, ranked } = searchPreprocess(image, reference, rule === undefined ? [] : [rule]);
  const found = rule === undefined ? best : likeRecipe(best, same, rule);
  const verdict = found.distance.max <= SAME_PIXELS ? "same" : found.distance.mean <= NEAR_PIXELS ? "near" : "none";
  const all = { verdict, found, same, ranked } as const;
  if (recipe === undefined || rule === undefined) return all;
  const distance = distanceOf(image, reference, rule);
  const agrees = distance !== undefined && distance.max <= SAME_PIXELS;
  const mismatches = agrees ? [] : mismatchesOf(image, reference, rule, found.rule);
  return { ...all, recipe: { name: recipe.name, agrees, mismatches, ...given("distance", distance) } };
}

/** Of resizes that cannot be told apart, the recipe's own, or the one that shares most with it. */
function likeRecipe(best: Variant, same: PreprocessSearch["same"], { resize }: Preprocess): Variant {
  const shared = (r: Preprocess["resize"]): number =>
    (sameResize(r, resize) ? 4 : 0) + (r.fit === resize.fit ? 2 : 0) + (r.dialect === resize.dialect ? 1 : 0);
  const [chosen = best.rule.resize] = same.toSorted((a, b) => shared(b) - shared(a));
  return { ...best, rule: { ...best.rule, resize: chosen } };
}

interface Field {
  readonly name: string;
  readonly of: (rule: Preprocess) => unknown;
  readonly put: (into: Preprocess, from: Preprocess) => Preprocess;
}

const resizeField = (name: "dialect" | "fit" | "place" | "fill"): Field => ({
  name: `resize.${name}`,
  of: (rule) => rule.resize[name],
  put: (into, from) => ({ ...into, resize: { ...into.resize, [name]: from.resize[name] } }),
});
const plainField = (name: "channels" | "layout" | "dtype" | "mean" | "std"): Field => ({
  name,
  of: (rule) => rule[name],
  put: (into, from) => ({ ...into, [name]: from[name] }),
});
const FIELDS: readonly Field[] = [
  ...(["dialect", "fit", "place", "fill"] as const).map(resizeField),
  ...(["channels", "layout", "dtype", "mean", "std"] as const).map(plainField),
];

function mismatchesOf(image: Image, reference: Tensor, recipe: Preprocess, found: Preprocess): Mismatch[] {
  return FIELDS.flatMap((field): Mismatch[] => {
    if (equal(field.of(recipe), field.of(found)) || !matters(field, image, reference, found)) return [];
    const costs = distanceOf(image, reference, field.put(found, recipe))?.mean;
    return [{ field: field.name, recipe: field.of(recipe), reference: field.of(found), ...given("costs", costs) }];
  });
}

/** A stretched image has no place, and what fills it has no colour. */
function matters({ name }: Field, image: Image, reference: Tensor, { resize, layout }: Preprocess): boolean {
  if (name !== "resize.place" && name !== "resize.fill") return true;
  if (resize.fit === "stretch") return false;
  const [height = 1, width = 1] = layout === "NCHW" ? reference.dims.slice(-2) : reference.dims.slice(-3);
  const placed = placeImage(image, width, height, resize);
  return placed.width < width || placed.height < height;
}

function equal(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((v, i) => Math.abs(Number(v) - Number(b[i])) <= 1e-3 * Math.max(1, Math.abs(Number(v))));
}
