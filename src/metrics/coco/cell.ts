import type { CocoSettings } from "./options.ts";
import type { Similarity } from "./similarity.ts";
import type { MatchTable } from "../table.ts";

export interface TruthFlags {
  readonly ignore: Uint8Array;
  readonly crowd: Uint8Array;
  /** Takes a detection but does not count as its match (cocoapi's id 0). */
  readonly unmatchable: Uint8Array;
}

export interface CellMatcher {
  /** Matches one image and category: detections by falling score, ground truth in the order of the file. */
  match(detections: Int32Array, truths: Int32Array, lenient: boolean): void;
  results(): Pick<MatchTable, "rank" | "matched" | "ignored" | "truthCounted"> & {
    readonly rows: number;
    readonly source: Int32Array;
    readonly partner: Int32Array;
  };
}

/**
 * cocoapi's greedy matching (evaluateImg): by falling score, each detection takes the free ground truth of largest IoU at or above the
 * threshold, a later one on a tie, an ignored one only if no other will do.
 */
export function cellMatcher(settings: CocoSettings, like: Similarity, flags: TruthFlags): CellMatcher {
  const thresholds = Float64Array.from(settings.iouThresholds, (t) => Math.min(t, 1 - 1e-10));
  const lowest = thresholds.reduce((a, b) => Math.min(a, b), Infinity);
  const all = 2 ** thresholds.length - 1;
  const areas = settings.areaRanges;
  const capacity = like.detectionArea.length;
  const source = new Int32Array(capacity);
  const rank = new Int32Array(capacity);
  const partner = new Int32Array(capacity);
  const matched = areas.map(() => new Int32Array(capacity));
  const ignored = areas.map(() => new Int32Array(capacity));
  const truthCounted = new Int32Array(like.truthArea.length);
  let rows = 0;
  // Scratch of one cell, grown as needed.
  let overlap = new Float64Array(64);
  let best = new Float64Array(16);
  let order = new Int32Array(16);
  let skipped = new Uint8Array(16);
  let taken = new Int32Array(16);

  function grow(D: number, G: number): void {
    if (overlap.length < D * G) overlap = new Float64Array(D * G * 2);
    if (best.length < D) best = new Float64Array(D * 2);
    if (order.length < G) {
      order = new Int32Array(G * 2);
      skipped = new Uint8Array(G * 2);
      taken = new Int32Array(G * 2);
    }
  }

  function compare(detections: Int32Array, truths: Int32Array): void {
    const G = truths.length;
    for (let i = 0; i < detections.length; i++) {
      let top = -1;
      for (let j = 0; j < G; j++) {
        const g = truths[j] as number;
        const value = like.between(detections[i] as number, g, flags.crowd[g] === 1);
        overlap[i * G + j] = value;
        if (value > top) top = value;
      }
      best[i] = top;
    }
  }

  /** Ground truth that counts first, the ignored after it; returns how many count. */
  function arrange(truths: Int32Array, a: number, low: number, high: number): number {
    let counted = 0;
    for (let j = 0; j < truths.length; j++) {
      const g = truths[j] as number;
      const area = like.truthArea[g] as number;
      skipped[j] = flags.ignore[g] === 1 || area < low || area > high ? 1 : 0;
      taken[j] = 0;
      if (skipped[j] === 1) continue;
      truthCounted[g] = (truthCounted[g] as number) | (1 << a);
      order[counted++] = j;
    }
    let end = counted;
    for (let j = 0; j < truths.length; j++) if (skipped[j] === 1) order[end++] = j;
    return counted;
  }

  function pick(base: number, threshold: number, bit: number, from: number, to: number, truths: Int32Array): number {
    let most = threshold;
    let found = -1;
    for (let k = from; k < to; k++) {
      const j = order[k] as number;
      if (((taken[j] as number) & bit) !== 0 && flags.crowd[truths[j] as number] !== 1) continue;
      const value = overlap[base + j] as number;
      if (value < most) continue;
      most = value;
      found = j;
    }
    return found;
  }

  /** Matches one detection at every threshold; the low half of the answer is in `hits`, ignored matches in `passes`. */
  function matchOne(i: number, truths: Int32Array, counted: number, row: number, a: number): void {
    const G = truths.length;
    let hits = 0;
    let passes = 0;
    for (let t = 0; t < thresholds.length; t++) {
      const threshold = thresholds[t] as number;
      if ((best[i] as number) < threshold) continue;
      const bit = 1 << t;
      let j = pick(i * G, threshold, bit, 0, counted, truths);
      if (j < 0) j = pick(i * G, threshold, bit, counted, G, truths);
      if (j < 0) continue;
      taken[j] = (taken[j] as number) | bit;
      if (skipped[j] === 1) passes |= bit;
      if (flags.unmatchable[truths[j] as number] !== 1) hits |= bit;
      if (t === 0 && a === 0) partner[row] = truths[j] as number;
    }
    (matched[a] as Int32Array)[row] = hits;
    (ignored[a] as Int32Array)[row] = passes;
  }

  function matchArea(a: number, detections: Int32Array, truths: Int32Array, lenient: boolean): void {
    const { low, high } = areas[a] as { low: number; high: number };
    const counted = arrange(truths, a, low, high);
    for (let i = 0; i < detections.length; i++) {
      const row = rows + i;
      if (truths.length > 0 && (best[i] as number) >= lowest) matchOne(i, truths, counted, row, a);
      const area = like.detectionArea[detections[i] as number] as number;
      if (!lenient && !(area < low || area > high)) continue;
      const passes = ignored[a] as Int32Array;
      passes[row] = (passes[row] as number) | (~((matched[a] as Int32Array)[row] as number) & all);
    }
  }

  return {
    match(detections, truths, lenient) {
      grow(detections.length, truths.length);
      compare(detections, truths);
      for (let i = 0; i < detections.length; i++) {
        source[rows + i] = detections[i] as number;
        rank[rows + i] = i;
        partner[rows + i] = -1;
      }
      for (let a = 0; a < areas.length; a++) matchArea(a, detections, truths, lenient);
      rows += detections.length;
    },
    results: () => ({
      rows,
      source: source.subarray(0, rows),
      rank: rank.subarray(0, rows),
      partner: partner.subarray(0, rows),
      matched: matched.map((bits) => bits.subarray(0, rows)),
      ignored: ignored.map((bits) => bits.subarray(0, rows)),
      truthCounted,
    }),
  };
}
