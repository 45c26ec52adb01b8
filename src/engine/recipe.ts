import { HoneError, type Problem } from "../util/errors.ts";
import { decoderProblems, preprocessProblems, signatureProblems, text, unknownFields, type Report } from "./recipe-check.ts";

/** What a number in JSON can be. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** How an image of any size becomes the picture that the model sees. */
export interface ResizeRule {
  /** Whose bilinear: `cv2` takes two neighbours (no antialias), `pil` widens its triangle when it shrinks; `pil-bicubic` is Pillow's cubic, which also widens. */
  readonly dialect: "cv2" | "pil" | "pil-bicubic";
  /** `letterbox` keeps the aspect ratio and fills the rest, `stretch` does not. */
  readonly fit: "letterbox" | "stretch";
  /** Where a letterboxed picture lies: `centre` rounds as YOLO does, `top-left` truncates as InsightFace does. */
  readonly place: "centre" | "top-left";
  /** Red, green and blue of the letterbox's empty part, 0 to 255. */
  readonly fill: readonly [number, number, number];
}

/** How pixels become a tensor: value = (pixel − mean) / std, mean and std in the order of `channels`. */
export interface Preprocess {
  readonly resize: ResizeRule;
  readonly channels: "RGB" | "BGR";
  readonly layout: "NCHW" | "NHWC";
  readonly dtype: "float32" | "uint8";
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** One input or output by which a model is recognised. */
export interface SignatureValue {
  /** Given only where shapes alone cannot tell: then the model's name must be equal. */
  readonly name?: string;
  /** What the decoder calls it. */
  readonly role: string;
  /** null stands for any size. */
  readonly shape: readonly (number | null)[];
}

export interface Signature {
  readonly inputs: readonly SignatureValue[];
  readonly outputs: readonly SignatureValue[];
  /** Ops that the graph must have, or must not have: where models differ only in what their graphs do to their last values. */
  readonly has?: readonly string[];
  readonly lacks?: readonly string[];
}

/** The decoder's kind and its parameters; which kinds exist, and what each may say, is known where decoders are (vision). */
export interface DecoderRule {
  readonly kind: string;
  readonly params: { readonly [key: string]: Json };
}

/** What binds a model to its meaning. Stored in the engine file as JSON. */
export interface Recipe {
  readonly version: 1;
  readonly name: string;
  /** What the model finds: faces, or objects of `classes`. */
  readonly task: "faces" | "objects";
  /** SPDX identifier of the model's licence. */
  readonly licence: string;
  /** Where the model comes from. */
  readonly source: string;
  readonly classes: readonly string[];
  readonly signature: Signature;
  readonly preprocess: Preprocess;
  readonly decoder: DecoderRule;
}

const FIELDS = ["version", "name", "task", "licence", "source", "classes", "signature", "preprocess", "decoder"];

/** Everything that keeps `value` from being a recipe; empty when it is one. `decoder.params` is only checked to be an object. */
export function recipeProblems(value: unknown): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (message) => problems.push({ message });
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [{ message: "a recipe must be a JSON object" }];
  const r: Record<string, unknown> = { ...value };
  unknownFields(r, FIELDS, "", report);
  if (r["version"] !== 1) report(`version must be 1, got ${JSON.stringify(r["version"])}`);
  for (const field of ["name", "licence", "source"]) text(r[field], field, report);
  if (r["task"] !== "faces" && r["task"] !== "objects") report(`task must be "faces" or "objects", got ${JSON.stringify(r["task"])}`);
  const classes: unknown = r["classes"];
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((c) => typeof c === "string")) {
    report("classes must be a list of one or more names");
  }
  signatureProblems(r["signature"], report);
  preprocessProblems(r["preprocess"], report);
  decoderProblems(r["decoder"], report);
  return problems;
}

export function isRecipe(value: unknown): value is Recipe {
  return recipeProblems(value).length === 0;
}

/** The recipe in parsed JSON. Throws `recipe.invalid` with every problem; `file` names where the JSON came from. */
export function readRecipe(value: unknown, file?: string): Recipe {
  if (isRecipe(value)) return value;
  const problems = recipeProblems(value);
  throw new HoneError("recipe.invalid", `the recipe has ${problems.length} problem${problems.length === 1 ? "" : "s"}`, {
    problems,
    ...(file === undefined ? {} : { at: { file } }),
    hint: "docs/recipes.md explains every field.",
  });
}
