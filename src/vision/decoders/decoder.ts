import type { Candidate } from "../../geometry/nms.ts";
import type { ParamReader } from "./params.ts";

/** Width and height of the picture that a model sees, pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A model's output, by its role: rows × columns numbers, row by row. */
export type Rows = Float32Array;

/** What turns a detector's outputs into boxes, scores, classes and points. */
export interface Decoder {
  /** What the points are, in order; none where there are none. */
  readonly points: readonly string[];
  readonly minScore: number;
  /** Overlap from which two boxes are the same object; only those of one class are compared. */
  readonly iou: number;
  /** Whether overlapping boxes are dropped or averaged. */
  readonly merge: "greedy" | "weighted";
  /** The model has dropped what overlaps already: its rows are in the order of scores. */
  readonly suppressed?: true;
  /** Rows that each output must have for a picture of this size, by role. */
  rows(size: Size): Record<string, number>;
  /** The axis that counts them; 1 when absent. */
  readonly rowsAxis?: number;
  /** All candidates with a score of at least `minScore`, in pixels of the picture. `output` gives the values of a role. */
  candidates(output: (role: string) => Rows, size: Size, minScore: number): Candidate[];
}

/** Calls `visit` for every cell of a model's grid, row by row: grids are rounded up. */
export function eachCell(size: Size, stride: number, visit: (column: number, row: number) => void): void {
  const columns = Math.ceil(size.width / stride);
  const rows = Math.ceil(size.height / stride);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) visit(column, row);
}

export function cellCount(size: Size, stride: number): number {
  return Math.ceil(size.width / stride) * Math.ceil(size.height / stride);
}

/** Whether a decoded candidate is made of finite numbers; damaged weights must not become boxes. */
export function isFiniteCandidate({ box, score }: Candidate): boolean {
  return Number.isFinite(box.x + box.y + box.w + box.h) && Number.isFinite(score);
}

/** What detectors of objects without points share: thresholds from the recipe, and greedy suppression. */
export function objectThresholds(params: ParamReader): Pick<Decoder, "points" | "minScore" | "iou" | "merge"> {
  return { points: [], minScore: params.number("minScore", 0, 1), iou: params.number("iou", 0, 1), merge: "greedy" };
}

/** The largest of `count` class scores from `start` on, `step` apart, and which it is; the first of equal ones. */
export function bestClass(
  scores: Rows,
  start: number,
  count: number,
  step: number = 1,
): { readonly score: number; readonly classId: number } {
  let [score, classId] = [-Infinity, 0];
  for (let c = 0; c < count; c++) {
    const value = scores[start + c * step] ?? NaN;
    if (value > score) [score, classId] = [value, c];
  }
  return { score, classId };
}
