import type { EncodedMask, Polygons } from "./mask/rle.ts";

/** Images and categories are named by whatever the data set names them by. */
export type Id = number | string;

/** x, y, width, height in pixels; (x, y) is the top-left corner. */
export type BoxTuple = readonly [x: number, y: number, width: number, height: number];

/** A region as COCO writes it: run lengths (plain or compressed) or polygons [x, y, x, y, …]. */
export type Segmentation = EncodedMask | Polygons;

/** One annotated object. What a protocol does not use it does not read. */
export interface TruthRecord {
  /** Absent means distinct from every other; given, it matters only to protocols that look at ids. */
  readonly id?: Id;
  readonly image: Id;
  readonly category: Id;
  readonly box: BoxTuple;
  /** The annotation's own area in square pixels; COCO sorts objects into sizes by it. Default: the box's, or the mask's. */
  readonly area?: number;
  /** A region of many objects (COCO's iscrowd, Open Images' group-of). */
  readonly crowd?: boolean;
  /** Counts neither for nor against (VOC's difficult, LVIS's ignore). */
  readonly difficult?: boolean;
  readonly segmentation?: Segmentation;
  /** x, y, visibility for each keypoint; visibility 0 means not labelled. */
  readonly keypoints?: readonly number[];
  /** How many keypoints are labelled, if the annotation says so itself; default: counted from the visibilities. */
  readonly keypointCount?: number;
}

/** One detection. */
export interface DetectionRecord {
  readonly image: Id;
  readonly category: Id;
  readonly box: BoxTuple;
  readonly score: number;
  /** Square pixels; default: the box's, or the mask's, or that of the keypoints' bounds. */
  readonly area?: number;
  readonly segmentation?: Segmentation;
  /** x, y, anything for each keypoint. */
  readonly keypoints?: readonly number[];
}

export interface ImageRecord {
  readonly id: Id;
  /** Needed only to draw polygons into masks. */
  readonly width?: number;
  readonly height?: number;
  readonly file?: string;
  /** Categories verified to be absent (LVIS, Open Images). */
  readonly absent?: readonly Id[];
  /** Categories of which not every instance is annotated (LVIS). */
  readonly notExhaustive?: readonly Id[];
}

export interface CategoryRecord {
  readonly id: Id;
  readonly name?: string;
  /** LVIS: r (rare), c (common), f (frequent). */
  readonly frequency?: "r" | "c" | "f";
}

/** Everything an evaluation needs. Images and categories that are not listed are taken from the records. */
export interface DetectionTask {
  readonly images?: readonly ImageRecord[];
  readonly categories?: readonly CategoryRecord[];
  readonly truths: readonly TruthRecord[];
  readonly detections: readonly DetectionRecord[];
}

/** Numbers by size before strings by code unit: the order in which images and categories are visited. */
export function compareIds(a: Id, b: Id): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
}
