import { expect, test } from "vitest";
import { latencyOf, percentile, variationOf } from "./bench-stats.ts";

test("percentiles are values of the series, by the nearest rank", () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  expect([0, 0.5, 0.9, 0.95, 0.99, 1].map((share) => percentile(sorted, share))).toEqual([1, 50, 90, 95, 99, 100]);
  expect(percentile([7], 0.99)).toBe(7);
});

test("the figures of a series do not depend on its order", () => {
  expect(latencyOf([3, 1, 2, 10])).toEqual({ min: 1, mean: 4, median: 2, p90: 10, p95: 10, p99: 10, max: 10 });
});

test("the coefficient of variation is the sample's", () => {
  expect(variationOf([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7) / 5, 12);
  expect(variationOf([3, 3, 3])).toBe(0);
  expect(variationOf([3])).toBe(0);
});
