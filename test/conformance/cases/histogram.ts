/** Histograms in every layout and remainder, and values whose bins are at the ends of float32. */
import type { Value } from "../../../src/ir/graph.ts";
import { rowsApart } from "../../../src/ops/histogram.ts";
import type { Maker, OpCase } from "../maker.ts";

/** A convolution gives its result in blocks of channels where schedules choose layouts. */
function behindConv(m: Maker, channels: number, height: number, width: number, every: number): Value {
  // Small integers: sums are exact in any order.
  const x = m.op("roundEven", [m.x([2, 3, height, width], { low: -9, high: 9 })]);
  const weights = Array.from({ length: channels * 3 }, (_, i) => ((i * 7) % 5) - 1);
  const y = m.op("relu", [m.op("conv", [x, m.f32(weights, [channels, 3, 1, 1])])]);
  return m.op("histogram", [y], { every });
}

/** Products with a number move a value's bins. */
function scaled(m: Maker, by: number): Value {
  const x = m.op("roundEven", [m.x([3, 77], { low: -9, high: 9 })]);
  return m.op("histogram", [m.op("mul", [x, m.f32([by])])]);
}

export const HISTOGRAM_CASES: readonly OpCase[] = [
  { name: "histogram of one element", build: (m) => m.op("histogram", [m.x([])]) },
  { name: "histogram of a row", build: (m) => m.op("histogram", [m.x([4099])]) },
  { name: "histogram of several pieces in several tables", build: (m) => m.op("histogram", [m.x([3, 5003], { low: -1, high: 3 })]) },
  ...[1, 2, 3, 7].map((every): OpCase => ({
    name: `histogram of one row in ${every}`,
    build: (m) => m.op("histogram", [m.x([2, 3, 11, 21])], { every }),
  })),
  ...[16, 13, 3].flatMap((channels) =>
    [1, 3].map((every): OpCase => ({
      name: `histogram of ${channels} channels in blocks, one row in ${every}`,
      build: (m) => behindConv(m, channels, 10, 9, every),
    })),
  ),
  ...[1e-38, 1e-42, 1e37, 3e-3].map((by): OpCase => ({ name: `histogram of values times ${by}`, build: (m) => scaled(m, by) })),
  { name: "histogram of what is not finite", build: (m) => m.op("histogram", [m.op("sqrt", [m.x([40], { low: -1, high: 1 })])]) },
  { name: "histogram of a large map", build: (m) => m.op("histogram", [m.x([1, 2, 256, 300])], { every: rowsApart([1, 2, 256, 300]) }) },
];
