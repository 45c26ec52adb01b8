import { iou, type Box, type Point } from "./box.ts";

/** A box with its score, and points that belong to it. */
export interface Candidate {
  readonly box: Box;
  readonly score: number;
  /** Compared only when NMS is class-aware. */
  readonly classId?: number;
  readonly points?: readonly Point[];
}

export interface NmsOptions {
  /** A candidate that overlaps a kept one by more than this is dropped. */
  readonly iou: number;
  /** Only candidates of the same `classId` suppress each other. Default false. */
  readonly classAware?: boolean;
  /** At most so many are kept. Default: all. */
  readonly limit?: number;
}

/** Candidates by falling score; equal scores keep their order. Those with a score that is not a number are left out. */
export function sortByScore<C extends Candidate>(candidates: readonly C[]): C[] {
  return candidates.filter((c) => !Number.isNaN(c.score)).sort((a, b) => b.score - a.score);
}

/** Greedy non-maximum suppression. The result is ordered by falling score, stable for equal scores. O(kept × candidates). */
export function nms<C extends Candidate>(candidates: readonly C[], options: NmsOptions): C[] {
  const limit = options.limit ?? Infinity;
  const kept: C[] = [];
  for (const c of sortByScore(candidates)) {
    if (kept.length >= limit) break;
    if (!kept.some((k) => suppresses(k, c, options))) kept.push(c);
  }
  return kept;
}

/**
 * MediaPipe's weighted non-maximum suppression: the best candidate gathers all that overlap it by more than `iou`, and box and points become
 * their average weighted by score. The score stays that of the best. (Bazarevsky et al., BlazeFace, 2019, section 3.3.)
 */
export function weightedNms<C extends Candidate>(candidates: readonly C[], options: NmsOptions): C[] {
  const limit = options.limit ?? Infinity;
  const kept: C[] = [];
  let rest = sortByScore(candidates);
  while (rest.length > 0 && kept.length < limit) {
    const [best, ...others] = rest;
    if (best === undefined) break;
    const group = [best, ...others.filter((c) => suppresses(best, c, options))];
    rest = others.filter((c) => !suppresses(best, c, options));
    kept.push(group.length > 1 ? blend(best, group) : best);
  }
  return kept;
}

function suppresses(kept: Candidate, other: Candidate, options: NmsOptions): boolean {
  if (options.classAware === true && kept.classId !== other.classId) return false;
  return iou(kept.box, other.box) > options.iou;
}

function blend<C extends Candidate>(best: C, group: readonly C[]): C {
  const total = group.reduce((sum, c) => sum + c.score, 0);
  if (!(total > 0)) return best;
  const mean = (value: (c: C) => number): number => group.reduce((sum, c) => sum + c.score * value(c), 0) / total;
  const box: Box = { x: mean((c) => c.box.x), y: mean((c) => c.box.y), w: mean((c) => c.box.w), h: mean((c) => c.box.h) };
  if (best.points === undefined) return { ...best, box };
  const points = best.points.map((p, i): Point => ({ x: mean((c) => c.points?.[i]?.x ?? p.x), y: mean((c) => c.points?.[i]?.y ?? p.y) }));
  return { ...best, box, points };
}
