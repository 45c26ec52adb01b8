import { expect, test } from "vitest";
import { randomCase } from "../metrics/testing/random-cases.ts";
import { enginesPage, type EnginesPageInput, type ReportedEngine } from "./engines.ts";
import { tensorChart, type ReportedTensor } from "./tensors.ts";
import { differenceChart, signed } from "./whiskers.ts";

const engine = (name: string, precision: string, bytes: number, ms: number): ReportedEngine => ({
  ...{ name, precision, target: "so:test", bytes, weightsBytes: bytes / 2, codeBytes: 100, arenaBytes: 1000 },
  latencyMs: { min: ms, median: ms * 1.5 },
  score: { task: randomCase("box", bytes), metrics: { AP: 0.5, AP50: 0.75, APs: -1 }, intervals: { AP: [0.4, 0.6] } },
});

const tensor: ReportedTensor = {
  ...{ name: "<relu>", min: 0, max: 4, from: -4, width: 0.5, zeros: 0.25, sqnr: 31.5 },
  counts: [0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 2, 1, 0, 0, 0, 1],
  chosen: { min: 0, max: 4 },
  methods: { minmax: { min: 0, max: 4 }, percentile: { min: 0, max: 2 } },
};

const input: EnginesPageInput = {
  title: "b against <a>",
  subtitle: "s",
  engines: [engine("<a>", "fp32", 4000, 6), engine("b", "int8", 1000, 2)],
  differences: [{ metric: "AP", points: -0.25, low: -0.75, high: 0.5 }],
  layers: [
    { nodes: ["Conv_0", "Relu_1"], op: "conv", precision: "int8", sqnr: 31.5, milliseconds: [0.4, 0.2] },
    { nodes: ["Gemm_2"], op: "gemm", precision: "fp32", why: "matrix products are computed in float32", milliseconds: [0.1, undefined] },
  ],
  tensors: Array.from({ length: 13 }, (_, i) => ({ ...tensor, name: `<relu ${i}>` })),
  notes: ["n & m"],
};

test("the page of engines says what was lost and gained, by the model's names", () => {
  const page = enginesPage(input);
  for (const text of [
    "−0.25",
    "3.00×",
    "4.00×",
    "Conv_0",
    "31.5",
    "2.00×",
    "1 because matrix products are computed in float32",
    "Gemm_2",
  ]) {
    expect(page).toContain(text);
  }
  expect(page).toContain("<summary>1 more</summary>");
  expect(page).not.toMatch(/<a>|<relu|NaN|undefined/);
  expect(page).not.toMatch(/(src|href)=|<script/);
});

test("what was not measured is not shown", () => {
  const [a, b] = [engine("a", "fp32", 4000, 6), engine("b", "fp32", 4000, 6)].map(({ score: _, ...rest }) => rest);
  if (!a || !b) throw new Error("two engines");
  const page = enginesPage({ ...input, engines: [a, b], differences: [], layers: [], tensors: [] });
  expect(page).not.toContain("<h2>Accuracy</h2>");
  expect(page).not.toContain("<h2>Layers</h2>");
  expect(page).not.toContain("<h2>Ranges</h2>");
});

test("a dot lies between the ends of its interval, and zero in the middle", () => {
  const chart = differenceChart([{ metric: "AP", points: -1, low: -2, high: 0.5 }], "t");
  const dot = Number(/cx="([\d.]+)"/.exec(chart)?.[1]);
  const [, low, high] = /x1="([\d.]+)" x2="([\d.]+)"[^>]*stroke-width/.exec(chart) ?? [];
  expect(Number(low)).toBeLessThan(dot);
  expect(dot).toBeLessThan(Number(high));
  expect((dot - Number(low)) / (Number(high) - Number(low))).toBeCloseTo(0.4, 2);
  expect([signed(-0.004, 2), signed(0.5, 1), signed(-2, 0)]).toEqual(["0.00", "+0.5", "−2"]);
});

test("a histogram is as high as the logarithm of its counts, and a range as wide as it is", () => {
  const chart = tensorChart(tensor);
  const widths = [...chart.matchAll(/width="([\d.]+)" height="5"/g)].map((m) => Number(m[1]));
  // The engine's range, minmax and percentile.
  expect(widths).toHaveLength(3);
  expect(widths[0]).toBe(widths[1]);
  expect((widths[2] ?? 0) / (widths[1] ?? 1)).toBeCloseTo(0.5, 2);
  const heights = [...chart.matchAll(/V([\d.]+)H/g)].map((m) => 100 - Number(m[1]));
  expect(Math.max(...heights)).toBeCloseTo(74, 1);
  expect(heights.some((h) => Math.abs(h - (74 * Math.log1p(4)) / Math.log1p(9)) < 0.1)).toBe(true);
});
