/** The range with the least mean squared error of quantising, by a histogram. */
import { SIDE } from "../../ops/histogram.ts";
import type { HistogramData } from "../histogram.ts";
import type { Range } from "../scale.ts";

/** Steps of a byte. */
const STEPS = 255;

/** At each bin edge on one side, Σ n·(x - edge)² over the bins beyond it: the squared error of cutting there. */
function cutErrors(counts: (i: number) => number, width: number): Float64Array {
  const errors = new Float64Array(SIDE + 1);
  // Bins from the far end: n0, n1 and n2 are the counts beyond with the 0th, 1st and 2nd power of their distance to the edge.
  let [n0, n1, n2] = [0, 0, 0];
  for (let i = SIDE - 1; i >= 0; i--) {
    // Moving the edge in by one bin adds `width` to every distance, and a bin whose middle is half a bin away.
    n2 += 2 * width * n1 + width * width * n0;
    n1 += width * n0;
    const n = counts(i);
    n0 += n;
    n1 += (n * width) / 2;
    n2 += (n * width * width) / 4;
    errors[i] = n2;
  }
  return errors;
}

/**
 * Searches both ends at the bin edges, one after the other until neither moves. Inside the range the error of rounding is that of a
 * uniform distribution, step²/12; exact zeros have none.
 */
export function leastError(h: HistogramData): Range {
  const width = 2 ** h.exponent;
  const above = cutErrors((i) => h.counts[SIDE + i] ?? 0, width);
  const below = cutErrors((i) => h.counts[SIDE - 1 - i] ?? 0, width);
  const elements = h.counts.reduce((n, c) => n + c, 0);
  const error = (low: number, high: number): number => {
    const step = ((low + high) * width) / STEPS;
    return (above[high] ?? 0) + (below[low] ?? 0) + (elements * step * step) / 12;
  };
  const most = (x: number): number => Math.min(SIDE, Math.max(0, Math.ceil(x / width)));
  let [low, high] = [most(-h.min), most(h.max)];
  const search = (limit: number, f: (at: number) => number): number => {
    let best = limit;
    for (let at = limit - 1; at > 0; at--) if (f(at) < f(best)) best = at;
    return best;
  };
  for (let round = 0; round < 8; round++) {
    const next = search(most(h.max), (at) => error(low, at));
    const nextLow = search(most(-h.min), (at) => error(at, next));
    if (next === high && nextLow === low) break;
    [low, high] = [nextLow, next];
  }
  return { min: Math.max(h.min, -low * width), max: Math.min(h.max, high * width) };
}
