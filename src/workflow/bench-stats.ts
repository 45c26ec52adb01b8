/** What a series of times says: the figures that trtexec prints. */

/** Milliseconds. */
export interface Latency {
  readonly min: number;
  readonly mean: number;
  readonly median: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Beyond this coefficient of variation a single series cannot be trusted. */
export const TRUSTED_VARIATION = 0.025;

/** Percentile by the nearest rank: the least value that `share` of all values do not exceed. `sorted` rises. */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length)));
  return sorted[rank - 1] ?? NaN;
}

/** Figures of a series in milliseconds; all NaN for an empty one. */
export function latencyOf(times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b);
  return {
    min: sorted[0] ?? NaN,
    mean: meanOf(times),
    median: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? NaN,
  };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Standard deviation over the mean; 0 for fewer than two values. */
export function variationOf(times: readonly number[]): number {
  if (times.length < 2) return 0;
  const mean = meanOf(times);
  const squares = times.reduce((sum, t) => sum + (t - mean) ** 2, 0);
  return Math.sqrt(squares / (times.length - 1)) / mean;
}
