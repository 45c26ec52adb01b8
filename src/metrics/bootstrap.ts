import { HoneError } from "../util/errors.ts";
import type { Interpolation } from "./curve.ts";
import { rankedRows } from "./curve.ts";
import type { MatchTable } from "./table.ts";

export interface BootstrapOptions {
  /** Resamples; default 1000. */
  readonly rounds?: number;
  /** Share of resamples inside the interval; default 0.95. */
  readonly confidence?: number;
  readonly seed?: number;
  readonly interpolation?: Interpolation;
  /** Bits of the IoU thresholds to average over; default all that the table has: pass how many. */
  readonly thresholds?: number;
  readonly area?: number;
}

export interface BootstrapInterval {
  /** From all images as they are. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly standardError: number;
  readonly rounds: number;
}

/** The interval of B − A, each resample drawing the same images for both. */
export interface PairedInterval extends BootstrapInterval {
  /** Share of resamples in which B is not better than A. */
  readonly notBetter: number;
}

/**
 * Percentile bootstrap of mean average precision over images (Efron): images are drawn with replacement; a category without ground
 * truth in a resample stays out of its mean. The same seed gives the same interval.
 * @throws HoneError metrics.invalid without images or with options out of range
 */
export function bootstrap(table: MatchTable, options: BootstrapOptions = {}): BootstrapInterval {
  const settings = check(options, table);
  const sampler = meanPrecision(table, settings);
  const values = resamples(table.images.length, settings, (weights) => sampler(weights));
  return interval(sampler(new Float64Array(table.images.length).fill(1)), values, settings.confidence);
}

/**
 * The difference of two detectors on the same images.
 * @throws HoneError metrics.invalid when the tables are not of the same images
 */
export function pairedBootstrap(a: MatchTable, b: MatchTable, options: BootstrapOptions = {}): PairedInterval {
  const settings = check(options, a);
  if (a.images.length !== b.images.length || a.images.some((id, i) => id !== b.images[i])) {
    throw new HoneError("metrics.invalid", "the two results are not of the same images, so they cannot be paired");
  }
  const [first, second] = [meanPrecision(a, settings), meanPrecision(b, settings)];
  const values = resamples(a.images.length, settings, (weights) => second(weights) - first(weights));
  const ones = new Float64Array(a.images.length).fill(1);
  const notBetter = values.filter((v) => v <= 0).length / values.length;
  return { ...interval(second(ones) - first(ones), values, settings.confidence), notBetter };
}

type Settings = Required<BootstrapOptions>;

function check(options: BootstrapOptions, table: MatchTable): Settings {
  const settings = { rounds: 1000, confidence: 0.95, seed: 1, interpolation: "101" as const, thresholds: 1, area: 0, ...options };
  const { rounds, confidence, thresholds, area } = settings;
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 1e6))
    throw new HoneError("metrics.invalid", `${rounds} resamples; 1 to 1000000 can be drawn`);
  if (!(confidence > 0 && confidence < 1)) throw new HoneError("metrics.invalid", `the confidence ${confidence} lies outside 0 to 1`);
  if (!(thresholds >= 1 && thresholds <= 30) || table.matched[area] === undefined)
    throw new HoneError("metrics.invalid", "the table has no such thresholds or area range");
  if (table.images.length === 0) throw new HoneError("metrics.invalid", "there is no image to resample");
  return settings;
}

/** Mulberry32: a small generator with a 32-bit state, so that intervals can be repeated. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function resamples(images: number, { rounds, seed }: Settings, value: (weights: Float64Array) => number): Float64Array {
  const random = generator(seed);
  const weights = new Float64Array(images);
  return Float64Array.from({ length: rounds }, () => {
    weights.fill(0);
    for (let i = 0; i < images; i++) {
      const at = Math.floor(random() * images);
      weights[at] = (weights[at] as number) + 1;
    }
    return value(weights);
  });
}

function interval(value: number, values: Float64Array, confidence: number): BootstrapInterval {
  const sorted = values.slice().sort();
  const n = sorted.length;
  const at = (q: number): number => sorted[Math.min(n - 1, Math.max(0, Math.round(q * (n - 1))))] as number;
  const mean = sorted.reduce((a, b) => a + b, 0) / n;
  const standardError = n > 1 ? Math.sqrt(sorted.reduce((a, v) => a + (v - mean) ** 2, 0) / (n - 1)) : 0;
  return { value, low: at((1 - confidence) / 2), high: at(1 - (1 - confidence) / 2), standardError, rounds: n };
}

/** mAP as a function of how often each image was drawn. An image drawn twice is as two images of the same scores, side by side. */
function meanPrecision(table: MatchTable, { thresholds, area, interpolation }: Settings): (weights: Float64Array) => number {
  const { order, starts } = rankedRows(table);
  const K = table.categories.length;
  const positives = new Float64Array(K);
  return (weights) => {
    positives.fill(0);
    for (let g = 0; g < table.truthCounted.length; g++) {
      if (((table.truthCounted[g] as number) >> area) & 1) {
        const k = table.truthCategory[g] as number;
        positives[k] = (positives[k] as number) + (weights[table.truthImage[g] as number] as number);
      }
    }
    let sum = 0;
    let count = 0;
    for (let k = 0; k < K; k++) {
      const counted = positives[k] as number;
      if (counted === 0) continue;
      const rows = order.subarray(starts[k], starts[k + 1]);
      for (let t = 0; t < thresholds; t++) {
        sum += weightedPrecision(table, rows, weights, counted, t, area, interpolation);
        count++;
      }
    }
    return count > 0 ? sum / count : -1;
  };
}

/** One category's AP with weighted rows; the curve is kept only at true positives, where alone precision rises. */
function weightedPrecision(
  table: MatchTable,
  rows: Int32Array,
  weights: Float64Array,
  positives: number,
  t: number,
  area: number,
  interpolation: Interpolation,
): number {
  const [matched, ignored] = [table.matched[area] as Int32Array, table.ignored[area] as Int32Array];
  const recall: number[] = [];
  const precision: number[] = [];
  let [hits, all] = [0, 0];
  for (const row of rows) {
    const weight = weights[table.image[row] as number] as number;
    if (weight === 0 || (((ignored[row] as number) >> t) & 1) === 1) continue;
    all += weight;
    if ((((matched[row] as number) >> t) & 1) === 0) continue;
    hits += weight;
    recall.push(hits / positives);
    precision.push(hits / all);
  }
  return areaOf(recall, precision, interpolation);
}

function areaOf(recall: readonly number[], precision: number[], interpolation: Interpolation): number {
  for (let i = precision.length - 2; i >= 0; i--) precision[i] = Math.max(precision[i] as number, precision[i + 1] as number);
  if (interpolation === "area") {
    return recall.reduce((sum, r, i) => sum + (r - (i > 0 ? (recall[i - 1] as number) : 0)) * (precision[i] as number), 0);
  }
  const points = interpolation === "eleven" ? 11 : 101;
  let sum = 0;
  let i = 0;
  for (let p = 0; p < points; p++) {
    const wanted = p === points - 1 ? 1 : p * (1 / (points - 1));
    while (i < recall.length && (recall[i] as number) < wanted) i++;
    if (i < recall.length) sum += precision[i] as number;
  }
  return sum / points;
}
