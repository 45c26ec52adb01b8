import { HoneError } from "../util/errors.ts";

/** One face: points as x, y, x, y, … in pixels. */
export interface LandmarkPair {
  readonly truth: ArrayLike<number>;
  readonly predicted: ArrayLike<number>;
  /** x, y, width, height of the face, for the "box" norm; default: that of the ground-truth points. */
  readonly box?: readonly [number, number, number, number];
}

/** What the error is divided by: the distance of two points, or √(width · height) of a box. */
export type LandmarkNorm = { readonly points: readonly [number, number] } | "box";

/** Outer eye corners of the 68-point scheme: the inter-ocular distance of 300-W. */
export const INTER_OCULAR_68: LandmarkNorm = { points: [36, 45] };

export interface LandmarkResult {
  readonly faces: number;
  /** Of each face, in the order given; Infinity where nothing finite was predicted. */
  readonly errors: Float64Array;
  /** Mean over faces whose error is finite; −1 without any. */
  readonly nme: number;
  /** By threshold: area under the cumulative error curve up to it, over the threshold; and the share of faces beyond it. */
  readonly thresholds: readonly { readonly threshold: number; readonly auc: number; readonly failureRate: number }[];
}

/**
 * Normalised mean error of each face (mean point distance over the norm), its mean, AUC and failure rate.
 * The AUC is the exact area under the step curve of sorted errors, not a sum over bins.
 * @throws HoneError metrics.invalid when point counts differ or a norm is zero or undefined
 */
export function evaluateLandmarks(
  pairs: readonly LandmarkPair[],
  norm: LandmarkNorm,
  thresholds: readonly number[] = [0.08, 0.1],
): LandmarkResult {
  const errors = Float64Array.from(pairs, (pair, i) => faceError(pair, norm, i));
  const finite = errors.filter((e) => Number.isFinite(e));
  return {
    faces: errors.length,
    errors,
    nme: finite.length > 0 ? finite.reduce((a, b) => a + b, 0) / finite.length : -1,
    thresholds: thresholds.map((threshold) => ({
      threshold,
      auc: errors.length > 0 ? errors.reduce((sum, e) => sum + Math.max(0, threshold - e), 0) / (threshold * errors.length) : -1,
      failureRate: errors.length > 0 ? errors.filter((e) => e > threshold).length / errors.length : -1,
    })),
  };
}

/** The cumulative error distribution: the share of faces with at most each error, as points to draw. */
export function cumulativeErrors(errors: Float64Array, upTo: number): { readonly error: number; readonly share: number }[] {
  const sorted = errors.slice().sort();
  const points = [{ error: 0, share: 0 }];
  sorted.forEach((error, i) => {
    if (error <= upTo) points.push({ error, share: (i + 1) / sorted.length });
  });
  return [...points, { error: upTo, share: points.at(-1)?.share ?? 0 }];
}

function faceError({ truth, predicted, box }: LandmarkPair, norm: LandmarkNorm, index: number): number {
  const count = truth.length >> 1;
  if (truth.length !== predicted.length || truth.length % 2 === 1 || count === 0) {
    throw new HoneError("metrics.invalid", `face ${index} has ${truth.length} numbers of ground truth and ${predicted.length} predicted`);
  }
  const scale = norm === "box" ? boxScale(truth, box) : pointDistance(truth, norm.points);
  if (!(scale > 0 && Number.isFinite(scale)))
    throw new HoneError("metrics.invalid", `face ${index}: its error would be divided by ${scale}`);
  let sum = 0;
  for (let p = 0; p < count; p++)
    sum += Math.hypot(
      (truth[p * 2] as number) - (predicted[p * 2] as number),
      (truth[p * 2 + 1] as number) - (predicted[p * 2 + 1] as number),
    );
  const error = sum / count / scale;
  return Number.isNaN(error) ? Infinity : error;
}

function pointDistance(points: ArrayLike<number>, [a, b]: readonly [number, number]): number {
  return Math.hypot((points[a * 2] ?? NaN) - (points[b * 2] ?? NaN), (points[a * 2 + 1] ?? NaN) - (points[b * 2 + 1] ?? NaN));
}

function boxScale(points: ArrayLike<number>, box: LandmarkPair["box"]): number {
  if (box) return Math.sqrt(box[2] * box[3]);
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i + 1 < points.length; i += 2) {
    x0 = Math.min(x0, points[i] as number);
    x1 = Math.max(x1, points[i] as number);
    y0 = Math.min(y0, points[i + 1] as number);
    y1 = Math.max(y1, points[i + 1] as number);
  }
  return Math.sqrt((x1 - x0) * (y1 - y0));
}

export interface YawBinsResult {
  /** Yaw up to 30°, 30° to 60°, beyond 60°. */
  readonly bins: readonly { readonly from: number; readonly to: number; readonly faces: number; readonly nme: number }[];
  /** Mean and standard deviation of the bins' means (of bins with faces). */
  readonly mean: number;
  readonly deviation: number;
}

/**
 * AFLW2000-3D's protocol for sparse alignment: error by √(w · h) of the ground-truth points' bounds, mean of each bin of absolute yaw,
 * then the mean of the bins' means.
 * @param yaw degrees, of each pair
 */
export function evaluateAflw2000(pairs: readonly LandmarkPair[], yaw: ArrayLike<number>): YawBinsResult {
  if (pairs.length !== yaw.length) throw new HoneError("metrics.invalid", `${pairs.length} faces have ${yaw.length} yaw angles`);
  const { errors } = evaluateLandmarks(pairs, "box");
  const edges = [0, 30, 60, Infinity];
  const bins = edges.slice(0, 3).map((from, b) => {
    const to = edges[b + 1] ?? Infinity;
    const own = errors.filter((_, i) => {
      const angle = Math.abs(yaw[i] as number);
      return angle <= to && (b === 0 || angle > from);
    });
    return { from, to, faces: own.length, nme: own.length > 0 ? own.reduce((a, e) => a + e, 0) / own.length : -1 };
  });
  const means = bins.filter((b) => b.faces > 0).map((b) => b.nme);
  const mean = means.length > 0 ? means.reduce((a, b) => a + b, 0) / means.length : -1;
  const deviation = means.length > 0 ? Math.sqrt(means.reduce((a, b) => a + (b - mean) ** 2, 0) / means.length) : -1;
  return { bins, mean, deviation };
}
