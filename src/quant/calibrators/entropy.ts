/**
 * Thresholds by the least loss of information when a histogram is cut and reduced to 128 levels (S. Migacz, "8-bit inference with
 * TensorRT", GTC 2017), in the three variants that are in use. Each gives the index at which the histogram is cut; they differ in how
 * bins are merged, what is smoothed, and which end of a tie wins.
 */

const LEVELS = 128;
const EPSILON = 1e-4;

const sum = (list: ArrayLike<number>, from = 0, to = list.length): number => {
  let total = 0;
  for (let i = from; i < to; i++) total += list[i] ?? 0;
  return total;
};

/** Σ p·ln(p/q) of two distributions, which are first made to sum to one; infinite where q misses something of p. */
function divergence(p: Float64Array, q: Float64Array): number {
  const [whole, other] = [sum(p), sum(q)];
  let total = 0;
  for (let i = 0; i < p.length; i++) {
    const a = (p[i] ?? 0) / whole;
    const b = (q[i] ?? 0) / other;
    if (a > 0) total += b > 0 ? a * Math.log(a / b) : Infinity;
  }
  return total;
}

/** Cumulative counts: at i, of the bins before i. */
function cumulative(bins: ArrayLike<number>): Float64Array {
  const out = new Float64Array(bins.length + 1);
  for (let i = 0; i < bins.length; i++) out[i + 1] = (out[i] ?? 0) + (bins[i] ?? 0);
  return out;
}

/**
 * NVIDIA's (TensorRT Model Optimizer): bin 0 is set to bin 1; every length from 128 on is tried; a level's count is spread evenly over
 * its bins that are not empty; nothing is smoothed; the last minimum wins. Gives the bin edge at which to cut.
 */
export function entropyNvidia(magnitudes: ArrayLike<number>): number {
  const bins = Float64Array.from(magnitudes);
  bins[0] = bins[1] ?? 0;
  const total = cumulative(bins);
  let best = { at: bins.length, value: Infinity };
  for (let length = LEVELS; length <= bins.length; length++) {
    const p = bins.slice(0, length);
    const q = spread(bins, length);
    p[length - 1] = (p[length - 1] ?? 0) + (total[bins.length] ?? 0) - (total[length] ?? 0);
    const value = divergence(p, q);
    if (value <= best.value) best = { at: length, value };
  }
  return best.at;
}

/** The level of each of the first `length` bins when they are cut into 128 of equal width. */
function levelsOf(length: number): Int32Array {
  const levels = new Int32Array(length);
  const step = length / LEVELS;
  for (let i = 0, level = 0; i < length; i++) {
    while (level + 1 < LEVELS && (level + 1) * step <= i) level++;
    levels[i] = level;
  }
  return levels;
}

/** Bins merged to 128 levels of equal width and spread again over those that are not empty. */
function spread(bins: Float64Array, length: number): Float64Array {
  const levels = levelsOf(length);
  const sums = Array.from({ length: LEVELS }, () => ({ count: 0, filled: 0 }));
  const each = (f: (level: { count: number; filled: number }, n: number, i: number) => void): void => {
    for (let i = 0; i < length; i++) {
      const [n = 0, level] = [bins[i], sums[levels[i] ?? 0]];
      if (n !== 0 && level) f(level, n, i);
    }
  };
  each((level, n) => {
    level.count += n;
    level.filled++;
  });
  const q = new Float64Array(length);
  each((level, _, i) => (q[i] = level.count / level.filled));
  return q;
}

/**
 * ONNX Runtime's (1.30): over a signed histogram of an even number of bins, symmetric windows of 64 to half of all bins on either side of
 * the middle; floor(size / 128) bins a level, the rest to the last, truncated to integers; both sides smoothed by 1e-4. Gives the
 * window as bin edges.
 */
export function entropyOrt(signed: ArrayLike<number>): readonly [number, number] {
  const bins = Float64Array.from(signed);
  const middle = Math.floor(bins.length / 2);
  const total = cumulative(bins);
  const between = (from: number, to: number): number => (total[to] ?? 0) - (total[from] ?? 0);
  let best: { readonly window: readonly [number, number]; readonly value: number } | undefined;
  for (let half = LEVELS / 2; half <= middle; half++) {
    const window = [middle - half, Math.min(middle + half + 1, bins.length)] as const;
    const value = ortDivergence(bins, window, between);
    if (best === undefined || value < best.value) best = { window, value };
  }
  return best?.window ?? [0, bins.length];
}

function ortDivergence(bins: Float64Array, [from, to]: readonly [number, number], between: (from: number, to: number) => number): number {
  const p = bins.slice(from, to);
  const size = p.length;
  p[0] = (p[0] ?? 0) + between(0, from);
  p[size - 1] = (p[size - 1] ?? 0) + between(to, bins.length);
  const q = new Float64Array(size);
  const merged = Math.floor(size / LEVELS);
  for (let level = 0; level < LEVELS; level++) {
    const [start, end] = [level * merged, (level + 1) * merged];
    const last = level === LEVELS - 1;
    const count = between(from + start, last ? to : from + end);
    let filled = 0;
    for (let i = start; i < end; i++) if ((p[i] ?? 0) !== 0) filled++;
    if (filled > 0) q.fill(Math.trunc(count / filled), start, end);
  }
  const [a, b] = [smoothed(p), smoothed(q)];
  return a && b ? divergence(a, b) : Infinity;
}

/** Every empty bin gets 1e-4, taken evenly from the others; in float32. Undefined when all are empty. */
function smoothed(bins: Float64Array): Float64Array | undefined {
  const empty = bins.reduce((n, v) => n + (v === 0 ? 1 : 0), 0);
  const full = bins.length - empty;
  if (full === 0) return undefined;
  const taken = (EPSILON * empty) / full;
  return bins.map((v) => Math.fround(Math.fround(v) + (v === 0 ? EPSILON : -taken)));
}

/**
 * ncnn's: the histogram, without exact zeros, is normalised; lengths from 128 up to one less than all are tried; bins that a level's edge
 * cuts count in part on either side, and a level is their mean; 1e-4 is added to both distributions; the first minimum wins. Gives the
 * length; the threshold is the middle of the bin there.
 */
export function entropyNcnn(magnitudes: ArrayLike<number>): number {
  const whole = sum(magnitudes);
  const bins = Float64Array.from(magnitudes, (n) => (whole > 0 ? n / whole : 0));
  const total = cumulative(bins);
  let best = { at: LEVELS, value: Infinity };
  for (let length = LEVELS; length < bins.length; length++) {
    const p = bins.slice(0, length).map((v) => v + EPSILON);
    p[length - 1] = (p[length - 1] ?? 0) + (total[bins.length] ?? 0) - (total[length] ?? 0);
    const q = overlapped(bins, length);
    let value = 0;
    for (let i = 0; i < length; i++) value += (p[i] ?? 0) * Math.log((p[i] ?? 0) / (q[i] ?? 1));
    if (value < best.value) best = { at: length, value };
  }
  return best.at;
}

/** Calls `f` with each bin between two fractional edges and how much of it lies there. */
function eachOverlap(from: number, to: number, length: number, f: (bin: number, part: number) => void): void {
  for (let bin = Math.floor(from); bin < Math.min(length, Math.ceil(to)); bin++) {
    const part = Math.min(to, bin + 1) - Math.max(from, bin);
    if (part > 0) f(bin, part);
  }
}

function overlapped(bins: Float64Array, length: number): Float64Array {
  const step = length / LEVELS;
  const q = new Float64Array(length).fill(EPSILON);
  for (let level = 0; level < LEVELS; level++) {
    const [from, to] = [level * step, level === LEVELS - 1 ? length : (level + 1) * step];
    let count = 0;
    let filled = 0;
    eachOverlap(from, to, length, (bin, part) => {
      count += part * (bins[bin] ?? 0);
      if ((bins[bin] ?? 0) !== 0) filled += part;
    });
    const mean = filled > 0 ? count / filled : 0;
    eachOverlap(from, to, length, (bin, part) => {
      if ((bins[bin] ?? 0) !== 0) q[bin] = (q[bin] ?? 0) + part * mean;
    });
  }
  return q;
}
