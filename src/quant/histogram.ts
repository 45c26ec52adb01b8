/**
 * Histograms that merge exactly. Bins have a width of a power of two, the least with which every value has a bin, and bin i holds
 * magnitudes of [i·width, (i+1)·width), on either side of zero: doubling the width joins neighbours and moves nothing, so neither the
 * order of the values nor how they were split over histograms can be seen in the result. Exact zeros are counted apart: after a ReLU
 * they are most of a tensor, quantise without error, and would drown everything else. The op `histogram` counts.
 */
import { exponentOf, SIDE, SLOTS } from "../ops/histogram.ts";
import { HoneError, invariant } from "../util/errors.ts";

/** Of the histogram of zeros. */
const LEAST_EXPONENT = exponentOf(0);

export interface HistogramData {
  /** Bins are 2^exponent wide. */
  readonly exponent: number;
  /** Integer counts of the bins from -SIDE to SIDE - 1, zeros left out. Bin -1 - i holds negative numbers of the magnitudes of bin i. */
  readonly counts: Float64Array;
  readonly zeros: number;
  /** Of all values; Infinity and -Infinity when there were none. */
  readonly min: number;
  readonly max: number;
}

export class Histogram implements HistogramData {
  exponent: number = LEAST_EXPONENT;
  counts: Float64Array = new Float64Array(2 * SIDE);
  zeros: number = 0;
  min: number = Infinity;
  max: number = -Infinity;

  /**
   * Adds what the op `histogram` gives, int32 by its slots, and tells the range of those values. Throws `quant.not-finite` when one of
   * them is NaN or infinite.
   */
  add(slots: Int32Array): { readonly min: number; readonly max: number } {
    invariant(slots.length === SLOTS.length, "the slots of a histogram");
    const floats = new Float32Array(slots.buffer, slots.byteOffset, slots.length);
    const [min = 0, max = 0] = [floats[SLOTS.min], floats[SLOTS.max]];
    const most = floats[SLOTS.most] ?? NaN;
    if (!Number.isFinite(most)) throw new HoneError("quant.not-finite", most === Infinity ? "an element is infinite" : "an element is NaN");
    const exponent = exponentOf(slots[SLOTS.most] ?? 0);
    this.#widen(exponent);
    this.#take(slots, exponent, min, max);
    this.zeros += slots[SLOTS.zeros] ?? 0;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    return { min, max };
  }

  /** Adds what another histogram counted. */
  merge(other: HistogramData): void {
    this.#widen(other.exponent);
    this.#take(other.counts, other.exponent, other.min, other.max);
    this.zeros += other.zeros;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  /** Adds bins that are no wider than these; outside of the range all are empty. */
  #take(from: ArrayLike<number>, exponent: number, min: number, max: number): void {
    const { counts } = this;
    const shift = this.exponent - exponent;
    const edge = (x: number): number => Math.min(SIDE, Math.floor(Math.abs(x) * 2 ** -exponent) + 1);
    const end = max > 0 ? SIDE + edge(max) : SIDE;
    for (let i = min < 0 ? SIDE - edge(min) : SIDE; i < end; i++) {
      const n = from[i] as number;
      // Wider by more than all bins, everything is in the two at zero.
      if (n !== 0) (counts[((i - SIDE) >> Math.min(shift, 31)) + SIDE] as number) += n;
    }
  }

  #widen(exponent: number): void {
    if (exponent <= this.exponent) return;
    const { counts, min, max } = this;
    const before = this.exponent;
    this.counts = new Float64Array(2 * SIDE);
    this.exponent = exponent;
    this.#take(counts, before, min, max);
  }
}

/** Bin i of |x| holds [i·width, (i+1)·width), zeros left out. */
export function magnitudes({ counts }: HistogramData): Float64Array {
  return Float64Array.from({ length: SIDE }, (_, i) => (counts[SIDE + i] ?? 0) + (counts[SIDE - 1 - i] ?? 0));
}
