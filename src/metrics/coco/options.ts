import { HoneError } from "../../util/errors.ts";

export type CocoKind = "box" | "mask" | "keypoints";

/** A closed range of object areas in square pixels. */
export interface AreaRange {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

export interface CocoOptions {
  /** What is compared: boxes and masks by IoU, keypoints by OKS. Default "box". */
  readonly kind?: CocoKind;
  /** Default 0.5, 0.55, … 0.95. At most 30. */
  readonly iouThresholds?: readonly number[];
  /** Recalls at which precision is read; default 0, 0.01, … 1. */
  readonly recallThresholds?: readonly number[];
  /** Most detections an image and category may have; default [1, 10, 100], or [20] for keypoints. */
  readonly maxDetections?: readonly number[];
  readonly areaRanges?: readonly AreaRange[];
  /** false compares all categories as one (cocoapi's useCats = 0). Default true. */
  readonly useCategories?: boolean;
  /**
   * "cocoapi" (default) reproduces what the original does with ground-truth ids: a match to id 0 counts as none, and of records with
   * one id the last is used in place of each. "distinct" takes every record for what it is. Both warn.
   */
  readonly ids?: "cocoapi" | "distinct";
  /** Per-keypoint standard deviations of OKS; default COCO's 17. */
  readonly sigmas?: readonly number[];
}

export type CocoSettings = Required<CocoOptions>;

/** numpy's linspace, to the last bit: the last value is the end itself. */
export function linspace(start: number, end: number, count: number): number[] {
  const step = (end - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? end : i * step + start));
}

export const COCO_IOU_THRESHOLDS: readonly number[] = linspace(0.5, 0.95, 10);
export const COCO_RECALL_THRESHOLDS: readonly number[] = linspace(0, 1, 101);

const LARGEST = 1e5 ** 2;
export const COCO_AREAS: readonly AreaRange[] = [
  { name: "all", low: 0, high: LARGEST },
  { name: "small", low: 0, high: 32 ** 2 },
  { name: "medium", low: 32 ** 2, high: 96 ** 2 },
  { name: "large", low: 96 ** 2, high: LARGEST },
];

/** The 17 of COCO's person: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles. */
export const COCO_SIGMAS: readonly number[] = [
  0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
];

/** Options with defaults filled in. @throws HoneError metrics.invalid when they cannot be evaluated. */
export function cocoSettings(options: CocoOptions = {}): CocoSettings {
  const keypoints = options.kind === "keypoints";
  const settings: CocoSettings = {
    kind: "box",
    iouThresholds: COCO_IOU_THRESHOLDS,
    recallThresholds: COCO_RECALL_THRESHOLDS,
    areaRanges: keypoints ? COCO_AREAS.filter((a) => a.name !== "small") : COCO_AREAS,
    useCategories: true,
    ids: "cocoapi",
    sigmas: COCO_SIGMAS,
    ...options,
    maxDetections: [...(options.maxDetections ?? (keypoints ? [20] : [1, 10, 100]))].sort((a, b) => a - b),
  };
  checkSettings(settings);
  return settings;
}

const MAX_BITS = 30;

function checkSettings({ iouThresholds, recallThresholds, maxDetections, areaRanges }: CocoSettings): void {
  const share = (t: number): boolean => t >= 0 && t <= 1;
  const bits = (list: readonly unknown[]): boolean => list.length >= 1 && list.length <= MAX_BITS;
  if (!bits(iouThresholds)) throw invalid(`${iouThresholds.length} IoU thresholds; 1 to ${MAX_BITS} can be evaluated`);
  if (!bits(areaRanges)) throw invalid(`${areaRanges.length} area ranges; 1 to ${MAX_BITS} can be evaluated`);
  if (!iouThresholds.every(share)) throw invalid("an IoU threshold lies outside 0 to 1");
  if (!recallThresholds.every(share)) throw invalid("a recall threshold lies outside 0 to 1");
  if (maxDetections.length < 1 || !maxDetections.every((m) => m >= 1)) throw invalid("maxDetections must be numbers of at least 1");
}

function invalid(message: string): HoneError {
  return new HoneError("metrics.invalid", `COCO evaluation: ${message}`);
}
