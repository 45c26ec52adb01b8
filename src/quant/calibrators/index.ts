/** How a range is chosen from what was observed, by name. */
import { SIDE } from "../../ops/histogram.ts";
import { magnitudes } from "../histogram.ts";
import type { Observed } from "../observations.ts";
import type { Range } from "../scale.ts";
import { entropyNcnn, entropyNvidia, entropyOrt } from "./entropy.ts";
import { leastError } from "./error.ts";

type Calibrator = (o: Observed) => Range;

/** Of each new sample, by which the range moves; PyTorch's default. */
const MOVING = 0.01;
/** Of all elements that stay inside the range, for `percentile`. */
const INSIDE = 0.9999;

const minmax: Calibrator = ({ min, max }) => ({ min, max });

/** The range of the first sample, moved towards that of each further one. */
const moving: Calibrator = ({ samples: [first, ...rest], min, max }) =>
  rest.reduce<Range>((r, s) => ({ min: r.min + MOVING * (s.min - r.min), max: r.max + MOVING * (s.max - r.max) }), first ?? { min, max });

/** The least bin edges with at most so many elements beyond either of them. */
const percentile: Calibrator = ({ counts, zeros, exponent, min, max }) => {
  const width = 2 ** exponent;
  const allowed = (1 - INSIDE) * (counts.reduce((n, c) => n + c, 0) + zeros);
  const edge = (bin: (i: number) => number): number => {
    let beyond = 0;
    for (let i = SIDE - 1; i >= 0; i--) {
      beyond += counts[bin(i)] ?? 0;
      if (beyond > allowed) return (i + 1) * width;
    }
    return 0;
  };
  return {
    min: Math.max(min, -edge((i) => SIDE - 1 - i)),
    max: Math.min(
      max,
      edge((i) => SIDE + i),
    ),
  };
};

/** A threshold for |x|, cut to what was seen. */
const symmetric = ({ min, max }: Observed, threshold: number): Range => ({ min: Math.max(min, -threshold), max: Math.min(max, threshold) });

/** Bins up to the largest magnitude that was seen. */
function used(o: Observed): number {
  const largest = Math.max(-o.min, o.max, 0);
  return Math.min(SIDE, Math.floor(largest / 2 ** o.exponent) + 1);
}

/** The counts of |x| without exact zeros. */
const magnitudesOf = (o: Observed): Float64Array => magnitudes(o).subarray(0, used(o));

const nvidia: Calibrator = (o) => symmetric(o, entropyNvidia(magnitudesOf(o)) * 2 ** o.exponent);

const ncnn: Calibrator = (o) => symmetric(o, (entropyNcnn(magnitudesOf(o)) + 0.5) * 2 ** o.exponent);

/** Zeros belong to the bin above zero here, which is one of the two that ruin this method after a ReLU. */
const ort: Calibrator = (o) => {
  const half = used(o);
  const signed = o.counts.slice(SIDE - half, SIDE + half);
  signed[half] = (signed[half] ?? 0) + o.zeros;
  const [from, to] = entropyOrt(signed);
  const width = 2 ** o.exponent;
  return { min: Math.max(o.min, (from - half) * width), max: Math.min(o.max, (to - half) * width) };
};

export type CalibratorName = "minmax" | "moving" | "percentile" | "mse" | "entropy-nvidia" | "entropy-ort" | "entropy-ncnn";

/** What a histogram of one value cannot be searched for: the value itself. */
const unlessConstant =
  (choose: Calibrator): Calibrator =>
  (o) =>
    o.min === o.max ? { min: o.min, max: o.max } : choose(o);

/** By the names that --method takes. */
export const CALIBRATORS: Readonly<Record<CalibratorName, Calibrator>> = {
  minmax,
  moving,
  percentile: unlessConstant(percentile),
  mse: unlessConstant(leastError),
  "entropy-nvidia": unlessConstant(nvidia),
  "entropy-ort": unlessConstant(ort),
  "entropy-ncnn": unlessConstant(ncnn),
};
