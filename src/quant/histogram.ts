/**
 * Histograms that merge exactly. Bins have a width of a power of two, the least with which every value has a bin, and bin i holds
 * [i·width, (i+1)·width): doubling the width joins neighbours and moves nothing, so neither the order of the values nor how they were
 * split over histograms can be seen in the result. Exact zeros are counted apart: after a ReLU they are most of a tensor, quantise
 * without error, and would drown everything else.
 */
import { HoneError } from "../util/errors.ts";

/** Bins on either side of zero. */
export const SIDE = 2048;
/** Of the least float32 that is not zero. */
const LEAST_EXPONENT = -149;

export interface HistogramData {
  /** Bins are 2^exponent wide. */
  readonly exponent: number;
  /** Integer counts of the bins from -SIDE to SIDE - 1, zeros left out. */
  readonly counts: Float64Array;
  readonly zeros: number;
  /** Of all values; Infinity and -Infinity when there were none. */
  readonly min: number;
  readonly max: number;
}

/** The least exponent at which this magnitude has a bin. */
function exponentFor(magnitude: number): number {
  if (magnitude === 0) return LEAST_EXPONENT;
  const guess = Math.floor(Math.log2(magnitude / SIDE));
  const holds = (e: number): boolean => magnitude < SIDE * 2 ** e;
  let e = Math.max(LEAST_EXPONENT, guess - 1);
  while (!holds(e)) e++;
  return e;
}

export class Histogram implements HistogramData {
  exponent: number = LEAST_EXPONENT;
  counts: Float64Array = new Float64Array(2 * SIDE);
  zeros: number = 0;
  min: number = Infinity;
  max: number = -Infinity;

  /** Counts values. Throws `quant.not-finite` at the first that is NaN or infinite; nothing is then to be used of the histogram. */
  add(values: Float32Array): { readonly min: number; readonly max: number } {
    const [low, high] = extremes(values);
    if (values.length === 0) return { min: 0, max: 0 };
    this.#widen(exponentFor(Math.max(-low, high, 0)));
    const { counts } = this;
    const scale = 2 ** -this.exponent;
    let zeros = 0;
    for (let i = 0; i < values.length; i++) {
      const v = values[i] as number;
      if (v === 0) zeros++;
      else (counts[Math.floor(v * scale) + SIDE] as number)++;
    }
    this.zeros += zeros;
    this.min = Math.min(this.min, low);
    this.max = Math.max(this.max, high);
    return { min: low, max: high };
  }

  /** Adds what another histogram counted. */
  merge(other: HistogramData): void {
    this.#widen(other.exponent);
    const shift = this.exponent - other.exponent;
    other.counts.forEach((n, i) => {
      if (n === 0) return;
      const bin = Math.floor((i - SIDE) * 2 ** -shift) + SIDE;
      this.counts[bin] = (this.counts[bin] ?? 0) + n;
    });
    this.zeros += other.zeros;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  #widen(exponent: number): void {
    if (exponent <= this.exponent) return;
    const factor = 2 ** (this.exponent - exponent);
    const wider = new Float64Array(2 * SIDE);
    this.counts.forEach((n, i) => {
      if (n === 0) return;
      const bin = Math.floor((i - SIDE) * factor) + SIDE;
      wider[bin] = (wider[bin] ?? 0) + n;
    });
    this.counts = wider;
    this.exponent = exponent;
  }
}

/** Least and greatest of some values, all of which must be finite. */
function extremes(values: Float32Array): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number;
    // v - v is 0 for a finite number and NaN for any other.
    sum += v - v;
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  if (sum === 0) return [low, high];
  const at = values.findIndex((v) => !Number.isFinite(v));
  throw new HoneError("quant.not-finite", `element ${at} is ${values[at] ?? NaN}`);
}

/** Bin i of |x| holds [i·width, (i+1)·width), zeros left out. */
export function magnitudes({ counts }: HistogramData): Float64Array {
  // The bin below zero that ends at -i·width holds magnitudes in (i·width, (i+1)·width].
  return Float64Array.from({ length: SIDE }, (_, i) => (counts[SIDE + i] ?? 0) + (counts[SIDE - 1 - i] ?? 0));
}
