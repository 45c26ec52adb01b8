/** What calibration knows of a model's values: for each one histogram, and the range in every sample. */
import { locate, must } from "../util/errors.ts";
import { Histogram, type HistogramData } from "./histogram.ts";
import type { Range } from "./scale.ts";

/** What is known of one value of the graph. */
export interface Observed extends HistogramData {
  /** The range in each sample, in the order of the samples' hashes. */
  readonly samples: readonly Range[];
}

/**
 * Collects samples in any order, from any number of collectors: a sample is known by the hash of its content and counts once, and what
 * is read out is in the order of the hashes.
 */
export class Observations {
  readonly #histograms = new Map<string, Histogram>();
  readonly #ranges = new Map<string, Map<string, Range>>();

  /** Hashes of the samples, sorted. */
  get samples(): readonly string[] {
    return [...this.#ranges.keys()].sort();
  }

  has(sample: string): boolean {
    return this.#ranges.has(sample);
  }

  /** Adds the histograms of the model's values for one sample, as the op counts them. Throws `quant.not-finite`, located at the value. */
  add(sample: string, values: ReadonlyMap<string, Int32Array>): void {
    if (this.has(sample)) return;
    const ranges = new Map<string, Range>();
    for (const [name, data] of values) {
      const histogram = this.#histograms.get(name) ?? new Histogram();
      this.#histograms.set(name, histogram);
      try {
        ranges.set(name, histogram.add(data));
      } catch (error) {
        throw locate(error, { node: name });
      }
    }
    this.#ranges.set(sample, ranges);
  }

  /** Adds what another collector saw of other samples. */
  merge(other: Observations): void {
    for (const [name, histogram] of other.#histograms) {
      const mine = this.#histograms.get(name) ?? new Histogram();
      this.#histograms.set(name, mine);
      mine.merge(histogram);
    }
    for (const [sample, ranges] of other.#ranges) this.#ranges.set(sample, ranges);
  }

  /** By the names of the values, in the order in which they were first seen. */
  all(): ReadonlyMap<string, Observed> {
    const samples = this.samples.map((hash) => must(this.#ranges.get(hash), "a sample"));
    return new Map(
      [...this.#histograms].map(([name, h]) => [
        name,
        {
          exponent: h.exponent,
          counts: h.counts,
          zeros: h.zeros,
          min: h.min,
          max: h.max,
          samples: samples.flatMap((s) => s.get(name) ?? []),
        },
      ]),
    );
  }
}
