import { HoneError } from "../util/errors.ts";
import { compareIds, type BoxTuple, type Id } from "./records.ts";
import { WarningTally, type MetricWarning } from "./warnings.ts";

/** The faces of one image, and which of them each difficulty keeps (indices from 0). */
export interface WiderImage {
  readonly image: Id;
  readonly boxes: readonly BoxTuple[];
  readonly keep: Readonly<Record<string, readonly number[]>>;
}

export interface WiderDetection {
  readonly image: Id;
  readonly box: BoxTuple;
  readonly score: number;
}

/**
 * "int32" is the official MATLAB tool: its ground truth is int32, so MATLAB rounds coordinates and the IoU itself, to 0 or 1, and the
 * first face at or above one half is taken. "float" is what its Python ports compute: the face of largest IoU. They differ by up to a point.
 */
export type WiderMode = "int32" | "float";

export interface WiderOptions {
  /** Default "int32". */
  readonly mode?: WiderMode;
  /** Default 0.5. */
  readonly iouThreshold?: number;
  /** Number of score thresholds; default 1000. */
  readonly steps?: number;
}

export interface WiderCurve {
  readonly AP: number;
  /** Faces that count. */
  readonly faces: number;
  /** By threshold 1 − t / steps. */
  readonly recall: Float64Array;
  readonly precision: Float64Array;
}

export interface WiderResult {
  readonly protocol: "wider";
  readonly settings: Required<WiderOptions>;
  readonly images: number;
  /** AP by difficulty. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly curves: Readonly<Record<string, WiderCurve>>;
  readonly warnings: readonly MetricWarning[];
}

/** WIDER FACE's evaluation at each difficulty. An image without detections still adds its faces. */
export function evaluateWider(
  images: readonly WiderImage[],
  detections: readonly WiderDetection[],
  options: WiderOptions = {},
): WiderResult {
  const accumulator = new WiderAccumulator(options);
  accumulator.add(images, detections);
  return accumulator.result();
}

/** What matching leaves of one image: scores by falling order; by difficulty, proposals and faces found so far down that order. */
interface WiderRow {
  readonly image: Id;
  readonly scores: Float64Array;
  readonly levels: Readonly<Record<string, { readonly faces: number; readonly proposals: Int32Array; readonly found: Int32Array }>>;
}

export interface WiderPart {
  readonly rows: readonly WiderRow[];
  readonly warnings: readonly MetricWarning[];
}

/** WIDER FACE's evaluation shard by shard: scores are spread over 0 to 1 only at the end, over all shards. */
export class WiderAccumulator {
  readonly settings: Required<WiderOptions>;
  readonly #rows = new Map<Id, WiderRow>();
  readonly #warnings = new WarningTally();

  /** @throws HoneError metrics.invalid for steps or thresholds out of range */
  constructor(options: WiderOptions = {}) {
    this.settings = { mode: "int32", iouThreshold: 0.5, steps: 1000, ...options };
    const { steps, iouThreshold } = this.settings;
    if (!(Number.isInteger(steps) && steps >= 1 && steps <= 1e6))
      throw new HoneError("metrics.invalid", `${steps} score thresholds; 1 to 1000000 can be evaluated`);
    if (!(iouThreshold >= 0 && iouThreshold <= 1))
      throw new HoneError("metrics.invalid", `the IoU threshold ${iouThreshold} lies outside 0 to 1`);
  }

  /** @throws HoneError metrics.invalid when an image was added before or keeps a face that it does not have */
  add(images: readonly WiderImage[], detections: readonly WiderDetection[]): void {
    const byImage = new Map<Id, WiderDetection[]>(images.map((image) => [image.image, []]));
    for (const detection of detections) {
      const list = byImage.get(detection.image);
      if (list === undefined) this.#warnings.add("image-unknown", () => `image ${detection.image}`);
      else if (!Number.isFinite(detection.score))
        this.#warnings.add("score-not-finite", () => `score ${detection.score} in image ${detection.image}`);
      else list.push(detection);
    }
    for (const image of images) this.#put(matchWider(image, byImage.get(image.image) ?? [], this.settings));
    if (detections.length === 0) this.#warnings.add("detections-empty");
  }

  part(): WiderPart {
    return { rows: [...this.#rows.values()], warnings: this.#warnings.list() };
  }

  /** @throws HoneError metrics.invalid when the part has an image that was added before */
  merge(part: WiderPart): void {
    for (const row of part.rows) this.#put(row);
    this.#warnings.merge(part.warnings);
  }

  result(): WiderResult {
    const rows = [...this.#rows.values()].sort((a, b) => compareIds(a.image, b.image));
    const spread = scoreSpread(rows, this.#warnings);
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.levels)))];
    const curves = Object.fromEntries(names.map((name) => [name, levelCurve(rows, name, spread, this.settings.steps)]));
    return {
      protocol: "wider",
      settings: this.settings,
      images: rows.length,
      metrics: Object.fromEntries(names.map((name) => [name, curves[name]?.AP ?? -1])),
      curves,
      warnings: this.#warnings.list(),
    };
  }

  #put(row: WiderRow): void {
    if (this.#rows.has(row.image)) throw new HoneError("metrics.invalid", `image ${row.image} was evaluated twice`);
    this.#rows.set(row.image, row);
  }
}

function matchWider(image: WiderImage, detections: readonly WiderDetection[], settings: Required<WiderOptions>): WiderRow {
  const ranked = [...detections].sort((a, b) => b.score - a.score);
  const best = ranked.map((d) => bestFace(image.boxes, d.box, settings));
  const levels = Object.entries(image.keep).map(([name, keep]) => {
    const kept = new Uint8Array(image.boxes.length);
    for (const face of keep) {
      if (kept[face] === undefined)
        throw new HoneError("metrics.invalid", `image ${image.image} keeps face ${face} of ${image.boxes.length} as ${name}`);
      kept[face] = 1;
    }
    return [name, { faces: keep.length, ...countDown(best, kept) }] as const;
  });
  return { image: image.image, scores: Float64Array.from(ranked, (d) => d.score), levels: Object.fromEntries(levels) };
}

/** A proposal on a face that is not kept counts neither way; a later one on a kept face counts as one more proposal. */
function countDown(best: readonly number[], kept: Uint8Array): { proposals: Int32Array; found: Int32Array } {
  const proposals = new Int32Array(best.length);
  const found = new Int32Array(best.length);
  const seen = new Uint8Array(kept.length);
  let [p, f] = [0, 0];
  best.forEach((face, i) => {
    const counts = face < 0 || kept[face] === 1;
    if (counts) p++;
    if (counts && face >= 0 && seen[face] === 0) {
      seen[face] = 1;
      f++;
    }
    proposals[i] = p;
    found[i] = f;
  });
  return { proposals, found };
}

/** The first face of largest overlap if that reaches the threshold, else −1. */
function bestFace(boxes: readonly BoxTuple[], box: BoxTuple, { mode, iouThreshold }: Required<WiderOptions>): number {
  const overlap = mode === "int32" ? matlabIntegerIou : portIou;
  let found = -1;
  let most = -Infinity;
  boxes.forEach((face, i) => {
    const value = overlap(face, box);
    if (value > most) {
      most = value;
      found = i;
    }
  });
  return most >= iouThreshold ? found : -1;
}

function portIou(face: BoxTuple, box: BoxTuple): number {
  const w = Math.min(face[0] + face[2], box[0] + box[2]) - Math.max(face[0], box[0]) + 1;
  const h = Math.min(face[1] + face[3], box[1] + box[3]) - Math.max(face[1], box[1]) + 1;
  if (!(w > 0 && h > 0)) return 0;
  const iou = (w * h) / ((face[2] + 1) * (face[3] + 1) + (box[2] + 1) * (box[3] + 1) - w * h);
  return Number.isFinite(iou) ? iou : 0;
}

/** MATLAB's int32: results of mixed arithmetic are rounded half away from zero and saturate. */
function int32(value: number): number {
  if (Number.isNaN(value)) return 0;
  const rounded = Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
  return Math.min(Math.max(rounded, -2147483648), 2147483647);
}

function matlabIntegerIou(face: BoxTuple, box: BoxTuple): number {
  const [fx, fy, fw, fh] = [int32(face[0]), int32(face[1]), int32(face[2]), int32(face[3])];
  const [fx2, fy2] = [int32(fx + fw), int32(fy + fh)];
  const [bx2, by2] = [box[0] + box[2], box[1] + box[3]];
  const w = int32(int32(Math.min(fx2, bx2)) - int32(Math.max(fx, box[0])) + 1);
  const h = int32(int32(Math.min(fy2, by2)) - int32(Math.max(fy, box[1])) + 1);
  if (w <= 0 || h <= 0) return 0;
  const shared = int32(w * h);
  const faceArea = int32((fx2 - fx + 1) * (fy2 - fy + 1));
  const boxArea = (bx2 - box[0] + 1) * (by2 - box[1] + 1);
  return int32(shared / int32(int32(faceArea + boxArea) - shared));
}

/** Maps scores to 0 … 1 over the whole set. */
function scoreSpread(rows: readonly WiderRow[], warnings: WarningTally): (score: number) => number {
  let [low, high] = [Infinity, -Infinity];
  for (const { scores } of rows) {
    for (const score of scores) {
      if (score < low) low = score;
      if (score > high) high = score;
    }
  }
  if (high > low) return (score) => (score - low) / (high - low);
  if (high === low) warnings.add("scores-equal", () => `every score is ${low}`);
  return () => 1;
}

function levelCurve(rows: readonly WiderRow[], name: string, spread: (score: number) => number, steps: number): WiderCurve {
  const proposals = new Float64Array(steps);
  const found = new Float64Array(steps);
  let faces = 0;
  for (const { scores, levels } of rows) {
    const level = levels[name];
    if (level === undefined) continue;
    faces += level.faces;
    let reached = 0;
    for (let t = 0; t < steps; t++) {
      const threshold = 1 - (t + 1) / steps;
      while (reached < scores.length && spread(scores[reached] as number) >= threshold) reached++;
      if (reached === 0) continue;
      proposals[t] = (proposals[t] as number) + (level.proposals[reached - 1] as number);
      found[t] = (found[t] as number) + (level.found[reached - 1] as number);
    }
  }
  const recall = found.map((f) => (faces > 0 ? f / faces : 0));
  const precision = found.map((f, t) => f / (proposals[t] as number));
  return { AP: faces > 0 ? areaUnder(recall, precision) : -1, faces, recall, precision };
}

/** VOC's exact area over thresholds; a precision of 0/0 takes no part (MATLAB's max skips NaN). */
function areaUnder(recall: Float64Array, precision: Float64Array): number {
  let area = 0;
  let top = 0;
  for (let t = recall.length - 1; t >= 0; t--) {
    if ((precision[t] as number) > top) top = precision[t] as number;
    area += ((recall[t] as number) - (t > 0 ? (recall[t - 1] as number) : 0)) * top;
  }
  return area;
}
