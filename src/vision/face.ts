import type { Recipe } from "../engine/recipe.ts";
import { preprocess } from "../data/normalize.ts";
import type { Image } from "../data/image.ts";
import type { Placement } from "../data/letterbox.ts";
import { nms, sortByScore, weightedNms } from "../geometry/nms.ts";
import { moveBox, movePoint } from "../geometry/transform.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { inputSize, matchOutputs, type Dim } from "./bind.ts";
import type { Rows, Size } from "./decoders/decoder.ts";
import { openDecoder } from "./decoders/kinds.ts";

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

export interface DecodeOptions {
  /** Faces below this are dropped. Default: the recipe's. */
  readonly minScore?: number;
  /** Two boxes that overlap by more are one face. Default: the recipe's. */
  readonly iou?: number;
  /** At most so many faces, the best ones. Default 1000. */
  readonly limit?: number;
}

export interface DetectOptions extends DecodeOptions {
  /** Size of the model's input, where neither recipe nor session says it. */
  readonly size?: Size;
  readonly signal?: AbortSignal;
}

/** So many of the best candidates enter NMS, whose time grows with their square. */
const MAX_CANDIDATES = 5000;
const DEFAULT_LIMIT = 1000;

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
  const decoder = openDecoder(recipe.decoder);
  const matched = matchOutputs(
    recipe,
    Object.entries(outputs).map(([name, tensor]) => ({ name, dims: tensor.dims, tensor })),
    size,
  );
  if (typeof matched === "string") {
    throw new HoneError("recipe.unknown", `the model's outputs are not those of ${recipe.name}: ${matched}`, {
      hint: "Choose another recipe with --recipe NAME|FILE.",
    });
  }
  const candidates = decoder.candidates((role) => floats(role, matched.get(role)?.tensor), size, options.minScore ?? decoder.minScore);
  const best = sortByScore(candidates).slice(0, MAX_CANDIDATES);
  const merge = decoder.merge === "weighted" ? weightedNms : nms;
  return merge(best, { iou: options.iou ?? decoder.iou, limit: options.limit ?? DEFAULT_LIMIT }).map(({ box, score, points = [] }) => {
    const { x, y, w, h } = moveBox(placement.back, box);
    const moved = points.map((p) => movePoint(placement.back, p));
    return { box: [x, y, w, h], score, points: moved.map((p) => [p.x, p.y]) };
  });
}

function sizeOf(session: FaceSession, recipe: Recipe): Size {
  const size = inputSize(recipe, recipe.signature.inputs[0]?.shape ?? []) ?? inputSize(recipe, session.inputMetadata?.[0]?.shape ?? []);
  if (size !== undefined) return size;
  throw new HoneError("usage", `the size of the input of ${recipe.name} is not known`, { hint: "Give options.size, in pixels." });
}

function floats(role: string, tensor: Tensor | undefined): Rows {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new HoneError("recipe.unknown", `the output ${role} is ${tensor?.type ?? "absent"}, the decoder needs float32`);
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HoneError("aborted", "finding faces was aborted", { cause: signal.reason });
}
