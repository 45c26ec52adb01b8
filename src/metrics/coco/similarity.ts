import { HoneError } from "../../util/errors.ts";
import type { Columns, TaskColumns } from "../columns.ts";
import { maskFromPolygons } from "../mask/polygon.ts";
import { decodeMask, maskArea, maskIou, type RunLengths } from "../mask/rle.ts";
import { cocoIou } from "../overlap.ts";
import type { BoxTuple, ImageRecord, Segmentation } from "../records.ts";
import type { WarningTally } from "../warnings.ts";
import type { CocoSettings } from "./options.ts";

/** How alike a detection and a ground truth are, by their rows; and each row's area. */
export interface Similarity {
  readonly between: (detection: number, truth: number, crowd: boolean) => number;
  readonly detectionArea: Float64Array;
  readonly truthArea: Float64Array;
}

export function similarity(columns: TaskColumns, settings: CocoSettings, warnings: WarningTally): Similarity {
  if (settings.kind === "mask") return maskSimilarity(columns, warnings);
  if (settings.kind === "keypoints") return keypointSimilarity(columns, settings.sigmas, warnings);
  const { truths, detections } = columns;
  return {
    between: (d, g, crowd) => cocoIou(detections.box, d * 4, truths.box, g * 4, crowd),
    detectionArea: areas(detections),
    truthArea: areas(truths),
  };
}

interface HasArea {
  readonly area?: number;
  readonly box: BoxTuple;
}

function areas<T extends HasArea>(
  side: Columns<T>,
  fallback: (row: T, at: number) => number = (row) => row.box[2] * row.box[3],
): Float64Array {
  return Float64Array.from(side.rows, (row, i) => row.area ?? fallback(row, i));
}

function maskSimilarity(columns: TaskColumns, warnings: WarningTally): Similarity {
  const masksOf = (side: Columns<HasArea & { readonly segmentation?: Segmentation }>): (RunLengths | undefined)[] =>
    side.rows.map((row, i) => {
      try {
        return readMask(row.segmentation, columns.images[side.image[i] as number]);
      } catch (error) {
        if (!(error instanceof HoneError)) throw error;
        warnings.add("mask-invalid", () => error.message);
        return undefined;
      }
    });
  const detectionMasks = masksOf(columns.detections);
  const truthMasks = masksOf(columns.truths);
  return {
    between: (d, g, crowd) => {
      const [detection, truth] = [detectionMasks[d], truthMasks[g]];
      return detection && truth ? maskIou(detection, truth, crowd) : 0;
    },
    detectionArea: areas(columns.detections, (_, i) => areaOf(detectionMasks[i])),
    truthArea: areas(columns.truths, (_, i) => areaOf(truthMasks[i])),
  };
}

function areaOf(mask: RunLengths | undefined): number {
  return mask ? maskArea(mask) : 0;
}

/** A record's mask; polygons need the image's size. @throws HoneError metrics.invalid */
export function readMask(segmentation: Segmentation | undefined, image: ImageRecord | undefined): RunLengths {
  if (segmentation === undefined) throw new HoneError("metrics.invalid", `a record of image ${image?.id ?? "?"} has no segmentation`);
  if ("counts" in segmentation) return decodeMask(segmentation);
  const { width, height } = image ?? {};
  if (width === undefined || height === undefined) {
    throw new HoneError("metrics.invalid", `polygons of image ${image?.id ?? "?"} cannot be drawn: its width and height are not known`);
  }
  return maskFromPolygons(segmentation, height, width);
}

function keypointSimilarity(columns: TaskColumns, sigmas: readonly number[], warnings: WarningTally): Similarity {
  const { truths, detections } = columns;
  const length = sigmas.length * 3;
  const points = (side: Columns<HasArea & { readonly keypoints?: readonly number[] }>): Float64Array => {
    const flat = new Float64Array(side.rows.length * length);
    side.rows.forEach((row, i) => {
      if (row.keypoints?.length === length) flat.set(row.keypoints, i * length);
      else warnings.add("keypoints-invalid", () => `${row.keypoints?.length ?? 0} numbers instead of ${length}`);
    });
    return flat;
  };
  const truthPoints = points(truths);
  const detectionPoints = points(detections);
  const truthArea = areas(truths);
  const spread = sigmas.map((s) => (s * 2) ** 2);
  return {
    between: (d, g) =>
      objectKeypointSimilarity(detectionPoints, d * length, truthPoints, g * length, truths.box, g * 4, truthArea[g] as number, spread),
    detectionArea: areas(detections, (_, i) => boundsArea(detectionPoints.subarray(i * length, (i + 1) * length))),
    truthArea,
  };
}

/** Area of the upright rectangle around keypoints, whatever their third number says (cocoapi's loadRes). */
function boundsArea(points: Float64Array): number {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 3) {
    x0 = Math.min(x0, points[i] as number);
    x1 = Math.max(x1, points[i] as number);
    y0 = Math.min(y0, points[i + 1] as number);
    y1 = Math.max(y1, points[i + 1] as number);
  }
  return (x1 - x0) * (y1 - y0);
}

/**
 * OKS: the mean over labelled keypoints of exp(−d² / (2 · area · (2σ)²)). Without any labelled keypoint, the distance to the
 * ground-truth box widened to thrice its size (cocoapi, computeOks).
 */
function objectKeypointSimilarity(
  detection: Float64Array,
  d: number,
  truth: Float64Array,
  g: number,
  boxes: Float64Array,
  b: number,
  area: number,
  spread: readonly number[],
): number {
  const distance2 = anyLabelled(truth, g, spread.length)
    ? (k: number): number => {
        if (!((truth[g + k + 2] as number) > 0)) return NaN;
        return (
          ((detection[d + k] as number) - (truth[g + k] as number)) ** 2 +
          ((detection[d + k + 1] as number) - (truth[g + k + 1] as number)) ** 2
        );
      }
    : (k: number): number =>
        beyond(detection[d + k] as number, boxes[b] as number, boxes[b + 2] as number) ** 2 +
        beyond(detection[d + k + 1] as number, boxes[b + 1] as number, boxes[b + 3] as number) ** 2;
  let sum = 0;
  let count = 0;
  spread.forEach((variance, i) => {
    const squared = distance2(i * 3);
    if (Number.isNaN(squared)) return;
    sum += Math.exp(-(squared / variance / (area + Number.EPSILON) / 2));
    count++;
  });
  return count > 0 ? sum / count : 0;
}

function anyLabelled(truth: Float64Array, g: number, count: number): boolean {
  for (let i = 0; i < count; i++) if ((truth[g + i * 3 + 2] as number) > 0) return true;
  return false;
}

function beyond(v: number, start: number, size: number): number {
  return Math.max(0, start - size - v) + Math.max(0, v - (start + size * 2));
}
