import type { Placement } from "../data/letterbox.ts";
import type { Recipe } from "../engine/recipe.ts";
import { nms, sortByScore, weightedNms, type Candidate } from "../geometry/nms.ts";
import { moveBox, movePoint } from "../geometry/transform.ts";
import { elementCount, tensor as makeTensor, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { FILLED, matchOutputs, ownOutputs } from "./bind.ts";
import { isFiniteCandidate, type Rows, type Size } from "./decoders/decoder.ts";
import { openDecoder } from "./decoders/kinds.ts";

/** An object in pixels of the original image, continuous coordinates from its top-left corner. Boxes may reach beyond the image. */
export interface Detection {
  /** [x, y, w, h]; x and y are the top-left corner. */
  readonly box: readonly [number, number, number, number];
  /** 0 to 1. */
  readonly score: number;
  /** Index into the recipe's classes. */
  readonly classId: number;
  /** What they are the recipe's decoder says; most detectors have none. */
  readonly points: readonly (readonly [number, number])[];
}

export interface DecodeOptions {
  /** Detections below this are dropped. Default: the recipe's. */
  readonly minScore?: number;
  /** Two boxes of one class that overlap by more are one object. Default: the recipe's. */
  readonly iou?: number;
  /** At most so many, the best ones. Default 1000. */
  readonly limit?: number;
}

/** So many of the best candidates enter NMS, whose time grows with their square. */
const MAX_CANDIDATES = 5000;
const DEFAULT_LIMIT = 1000;

/**
 * What a model found, from its outputs for a picture of `size`, in which the image lies at `placement`. Best first.
 * Throws `recipe.unknown` when the outputs are not those of the recipe.
 */
export function decodeDetections(
  recipe: Recipe,
  outputs: Readonly<Record<string, Tensor>>,
  size: Size,
  placement: Pick<Placement, "back">,
  options: DecodeOptions = {},
): Detection[] {
  const decoder = openDecoder(recipe.decoder);
  const candidates = decodeCandidates(recipe, outputs, size, options.minScore ?? decoder.minScore);
  const best = sortByScore(candidates.filter(isFiniteCandidate)).slice(0, MAX_CANDIDATES);
  const merge = decoder.merge === "weighted" ? weightedNms : nms;
  const merged = merge(best, { iou: options.iou ?? decoder.iou, limit: options.limit ?? DEFAULT_LIMIT, classAware: true });
  return merged.map(({ box, score, classId = 0, points = [] }) => {
    const { x, y, w, h } = moveBox(placement.back, box);
    const moved = points.map((p) => movePoint(placement.back, p));
    return { box: [x, y, w, h], score, classId, points: moved.map((p) => [p.x, p.y]) };
  });
}

/**
 * What {@link decodeDetections} begins with: all candidates with a score of at least `minScore`, in pixels of the picture of `size`, in the order of
 * the model's outputs. Throws `recipe.unknown` when the outputs are not those of the recipe.
 */
export function decodeCandidates(
  recipe: Recipe,
  outputs: Readonly<Record<string, Tensor>>,
  size: Size,
  minScore: number,
): readonly Candidate[] {
  const own = ownOutputs(Object.entries(outputs).map(([name, full]) => named(name, filled(full, outputs[name + FILLED]))));
  const matched = matchOutputs(recipe, own, size);
  if (typeof matched === "string") {
    throw new HoneError("recipe.unknown", `the model's outputs are not those of ${recipe.name}: ${matched}`, {
      hint: "Choose another recipe with --recipe NAME|FILE.",
    });
  }
  return openDecoder(recipe.decoder).candidates((role) => floats(role, matched.get(role)?.tensor), size, minScore);
}

/**
 * Reads what a model's outputs say of every place that the decoder looks at, whatever its score: as many candidates for each picture of `size`, in
 * one order. Undefined for models that suppress by themselves, whose rows have no places.
 */
export function candidatesReader(
  recipe: Recipe,
  size: Size,
): ((outputs: Readonly<Record<string, Tensor>>) => readonly Candidate[]) | undefined {
  if (openDecoder(recipe.decoder).suppressed === true) return undefined;
  return (outputs) => decodeCandidates(recipe, outputs, size, 0);
}

const named = (name: string, tensor: Tensor): { name: string; dims: readonly number[]; tensor: Tensor } => ({
  name,
  dims: tensor.dims,
  tensor,
});

/** The part of a result that is there, where an output tells its true shape: rows after rows, so it comes first. */
function filled(full: Tensor, shape: Tensor | undefined): Tensor {
  if (!(full.data instanceof Float32Array) || shape?.data.length !== full.dims.length) return full;
  const dims = Array.from(shape.data, Number);
  const axis = dims.findIndex((d, i) => d !== full.dims[i]);
  const leads = full.dims.slice(0, Math.max(0, axis)).every((d) => d === 1);
  return axis < 0 || !leads ? full : makeTensor("float32", dims, full.data.slice(0, elementCount(dims)));
}

function floats(role: string, tensor: Tensor | undefined): Rows {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new HoneError("recipe.unknown", `the output ${role} is ${tensor?.type ?? "absent"}, the decoder needs float32`);
}
