import { rankedRows } from "../curve.ts";
import type { CocoSettings } from "./options.ts";
import { positivesOf, type MatchTable } from "../table.ts";

/** Precision and recall at every setting; −1 where there is no ground truth. */
export interface PrecisionTable {
  readonly iouThresholds: readonly number[];
  readonly recallThresholds: readonly number[];
  readonly areas: readonly string[];
  readonly maxDetections: readonly number[];
  readonly categories: number;
  /** [iou][recall][category][area][max], flat. */
  readonly precision: Float64Array;
  /** The score at which each of those precisions was read. */
  readonly scores: Float64Array;
  /** The largest recall reached, [iou][category][area][max], flat. */
  readonly recall: Float64Array;
}

/** cocoapi's accumulate: rows of all images by falling score (ties in image order), then the interpolated curve of each setting. */
export function accumulate(table: MatchTable, settings: CocoSettings): PrecisionTable {
  const { iouThresholds, recallThresholds, areaRanges, maxDetections } = settings;
  const [T, R, K, A, M] = [iouThresholds.length, recallThresholds.length, table.categories.length, areaRanges.length, maxDetections.length];
  const { order, starts } = rankedRows(table);
  const out: PrecisionTable = {
    iouThresholds,
    recallThresholds,
    areas: areaRanges.map((a) => a.name),
    maxDetections,
    categories: K,
    precision: new Float64Array(T * R * K * A * M).fill(-1),
    scores: new Float64Array(T * R * K * A * M).fill(-1),
    recall: new Float64Array(T * K * A * M).fill(-1),
  };
  const hits = new HitLists(T);
  const positives = positivesOf(table, A);
  for (let k = 0; k < K; k++) {
    const rows = order.subarray(starts[k], starts[k + 1]);
    for (let a = 0; a < A; a++) {
      const counted = positives[k * A + a] as number;
      if (counted === 0) continue;
      for (let m = 0; m < M; m++) {
        hits.collect(table, rows, a, maxDetections[m] as number);
        for (let t = 0; t < T; t++) writeCurve(out, hits, t, counted, (k * A + a) * M + m, K * A * M);
      }
    }
  }
  return out;
}

/** For each threshold, the false positives before and the score of every true positive, by falling score. */
class HitLists {
  readonly falseBefore: number[][];
  readonly scoreAt: number[][];
  /** Score of the very first row, true or not; undefined when there is no row. */
  first: number | undefined;
  readonly #extra: Int32Array;

  constructor(thresholds: number) {
    this.falseBefore = Array.from({ length: thresholds }, () => []);
    this.scoreAt = Array.from({ length: thresholds }, () => []);
    this.#extra = new Int32Array(thresholds);
  }

  collect(table: MatchTable, rows: Int32Array, area: number, limit: number): void {
    const matched = table.matched[area] as Int32Array;
    const ignored = table.ignored[area] as Int32Array;
    const all = 2 ** this.falseBefore.length - 1;
    for (const list of [...this.falseBefore, ...this.scoreAt]) list.length = 0;
    this.#extra.fill(0);
    this.first = undefined;
    // Rows that are false at every threshold, the great majority, are counted once for all.
    let falseAtAll = 0;
    for (const row of rows) {
      if ((table.rank[row] as number) >= limit) continue;
      const score = table.score[row] as number;
      this.first ??= score;
      const hit = matched[row] as number;
      const pass = ignored[row] as number;
      if (hit === 0 && pass === 0) falseAtAll++;
      else if (pass !== all) this.#mixed(hit, pass, score, falseAtAll);
    }
  }

  #mixed(hit: number, pass: number, score: number, falseAtAll: number): void {
    const extra = this.#extra;
    for (let t = 0; t < extra.length; t++) {
      const bit = 1 << t;
      if ((pass & bit) !== 0) continue;
      if ((hit & bit) === 0) extra[t] = (extra[t] as number) + 1;
      else {
        this.falseBefore[t]?.push(falseAtAll + (extra[t] as number));
        this.scoreAt[t]?.push(score);
      }
    }
  }
}

/**
 * One curve. Precision can only rise at a true positive, so the right-to-left maximum and the search for each recall need look at
 * those alone; recall 0 is read at the first row, whatever it is.
 */
function writeCurve(out: PrecisionTable, hits: HitLists, t: number, positives: number, at: number, stride: number): void {
  const falseBefore = hits.falseBefore[t] as number[];
  const scoreAt = hits.scoreAt[t] as number[];
  const n = falseBefore.length;
  const envelope = new Float64Array(n + 1);
  for (let j = n - 1; j >= 0; j--) {
    const precision = (j + 1) / ((falseBefore[j] as number) + (j + 1) + Number.EPSILON);
    envelope[j] = Math.max(precision, envelope[j + 1] as number);
  }
  const R = out.recallThresholds.length;
  out.recall[t * stride + at] = n / positives;
  let j = 0;
  for (let r = 0; r < R; r++) {
    const wanted = out.recallThresholds[r] as number;
    const slot = (t * R + r) * stride + at;
    out.precision[slot] = 0;
    out.scores[slot] = 0;
    if (wanted <= 0) {
      out.precision[slot] = envelope[0] as number;
      out.scores[slot] = hits.first ?? 0;
      continue;
    }
    // Thresholds need not be sorted, so each search that cannot go on from the last starts over.
    if (j > 0 && j / positives >= wanted) j = 0;
    while (j < n && (j + 1) / positives < wanted) j++;
    if (j >= n) continue;
    out.precision[slot] = envelope[j] as number;
    out.scores[slot] = scoreAt[j] as number;
  }
}

/** Mean of the entries above −1 (undefined ones), or −1 if there are none; summed with compensation (Neumaier). */
export function meanDefined(values: Iterable<number>): number {
  let sum = 0;
  let lost = 0;
  let count = 0;
  for (const value of values) {
    if (value <= -1) continue;
    const next = sum + value;
    lost += sum >= value ? sum - next + value : value - next + sum;
    sum = next;
    count++;
  }
  return count === 0 ? -1 : (sum + lost) / count;
}

/** A selection of settings; what is left out means all. Indices, not values. */
export interface Selection {
  readonly iou?: number;
  readonly category?: number;
  readonly area: number;
  readonly max: number;
}

/** AP of a selection: the mean over IoU thresholds, recalls and categories. */
export function averagePrecision(table: PrecisionTable, selection: Selection): number {
  return meanDefined(select(table, table.precision, table.recallThresholds.length, selection));
}

/** AR of a selection: the mean over IoU thresholds and categories of the largest recall. */
export function averageRecall(table: PrecisionTable, selection: Selection): number {
  return meanDefined(select(table, table.recall, 1, selection));
}

function* select(table: PrecisionTable, values: Float64Array, inner: number, { iou, category, area, max }: Selection): Generator<number> {
  const { categories, areas, maxDetections } = table;
  const [A, M] = [areas.length, maxDetections.length];
  if (area < 0 || max < 0) return;
  for (let t = iou ?? 0; t < (iou === undefined ? table.iouThresholds.length : iou + 1); t++) {
    for (let r = 0; r < inner; r++) {
      for (let k = category ?? 0; k < (category === undefined ? categories : category + 1); k++) {
        yield values[(((t * inner + r) * categories + k) * A + area) * M + max] as number;
      }
    }
  }
}
