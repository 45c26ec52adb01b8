import type { Recipe } from "../engine/recipe.ts";
import { preprocess } from "../data/normalize.ts";
import type { Image } from "../data/image.ts";
import type { Placement } from "../data/letterbox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { inputSize, type Dim } from "./bind.ts";
import type { Size } from "./decoders/decoder.ts";
import { decodeDetections, type DecodeOptions } from "./detect.ts";

/**
 * A face in pixels of the original image, continuous coordinates from its top-left corner. Boxes and points may reach beyond the image.
 * RetinaFace and YuNet give five points: right eye, left eye (the person's own right and left), nose, right and left corner of the mouth.
 * BlazeFace gives six: right eye, left eye, nose, middle of the mouth, right ear, left ear.
 */
export interface Face {
  /** [x, y, w, h]; x and y are the top-left corner. */
  readonly box: readonly [number, number, number, number];
  /** 0 to 1. */
  readonly score: number;
  readonly points: readonly (readonly [number, number])[];
}

/** What a session must offer; hone's own and ONNX Runtime's do. */
export interface FaceSession {
  run(feeds: Record<string, Tensor>, options?: { readonly signal?: AbortSignal }): Promise<Readonly<Record<string, Tensor>>>;
  readonly inputNames?: readonly string[];
  readonly inputMetadata?: readonly { readonly name: string; readonly shape?: readonly Dim[] }[];
}

export interface DetectOptions extends DecodeOptions {
  /** Size of the model's input, where neither recipe nor session says it. */
  readonly size?: Size;
  readonly signal?: AbortSignal;
}

/**
 * Finds faces in an image: preprocesses it by the recipe, runs the model, decodes, merges, and maps back to the image. Best faces first.
 * Throws `usage` when the input's size is known from nowhere, `recipe.unknown` when the outputs are not those of the recipe, `aborted`.
 */
export async function detectFaces(session: FaceSession, recipe: Recipe, image: Image, options: DetectOptions = {}): Promise<Face[]> {
  checkAborted(options.signal);
  const size = options.size ?? sizeOf(session, recipe);
  const { tensor, placement } = preprocess(image, size.width, size.height, recipe.preprocess);
  const name = recipe.signature.inputs[0]?.name ?? session.inputNames?.[0] ?? session.inputMetadata?.[0]?.name ?? "input";
  const outputs = await session.run({ [name]: tensor }, options.signal === undefined ? undefined : { signal: options.signal });
  checkAborted(options.signal);
  return decodeFaces(recipe, outputs, size, placement, options);
}

/** The decoding half of `detectFaces`: outputs of a model that saw a picture of `size`, in which the image lies at `placement`. */
export function decodeFaces(
  recipe: Recipe,
  outputs: Readonly<Record<string, Tensor>>,
  size: Size,
  placement: Pick<Placement, "back">,
  options: DecodeOptions = {},
): Face[] {
  if (recipe.task !== "faces") {
    throw new HoneError("recipe.unknown", `${recipe.name} finds ${recipe.classes.slice(0, 3).join(", ")}, not faces`, {
      hint: "hone eval scores detectors of any kind; faces need a recipe whose task is faces.",
    });
  }
  return decodeDetections(recipe, outputs, size, placement, options).map(({ box, score, points }) => ({ box, score, points }));
}

function sizeOf(session: FaceSession, recipe: Recipe): Size {
  const size = inputSize(recipe, recipe.signature.inputs[0]?.shape ?? []) ?? inputSize(recipe, session.inputMetadata?.[0]?.shape ?? []);
  if (size !== undefined) return size;
  throw new HoneError("usage", `the size of the input of ${recipe.name} is not known`, { hint: "Give options.size, in pixels." });
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HoneError("aborted", "finding faces was aborted", { cause: signal.reason });
}
