import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { evaluateOp } from "../../ops/evaluate.ts";
import { tensor } from "../../tensor/tensor.ts";
import { must } from "../../util/errors.ts";
import { Histogram } from "../histogram.ts";
import type { Observed } from "../observations.ts";
import type { Range } from "../scale.ts";
import { entropyNcnn, entropyNvidia, entropyOrt } from "./entropy.ts";
import { CALIBRATORS, type CalibratorName } from "./index.ts";

interface EntropyCase {
  readonly name: string;
  readonly magnitudes: readonly number[];
  readonly signed: readonly number[];
  readonly nvidia: number;
  readonly ncnn: number;
  readonly ort: readonly [number, number];
}

/** Made by scripts/oracles/entropy.py. */
const oracle = JSON.parse(readFileSync(new URL("../../../test/fixtures/quant/entropy.json", import.meta.url), "utf8")) as {
  readonly cases: readonly EntropyCase[];
  readonly default: Pick<EntropyCase, "signed" | "ort">;
};

describe("entropy as others compute it", () => {
  test.for(oracle.cases)("$name", (c) => {
    expect(entropyNvidia(c.magnitudes)).toBe(c.nvidia);
    expect(entropyNcnn(c.magnitudes)).toBe(c.ncnn);
    expect(entropyOrt(c.signed)).toEqual(c.ort);
  });

  test("with ONNX Runtime's default of 128 bins there is one candidate: everything", () => {
    const { signed, ort } = oracle.default;
    expect(ort).toEqual([0, signed.length]);
    expect(entropyOrt(signed)).toEqual(ort);
  });
});

/** mulberry32, and a normal distribution by Box and Muller. */
function normal(seed: number): () => number {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 1) / (2 ** 32 + 1);
  };
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}

function observe(values: Float32Array): Observed {
  const h = new Histogram();
  const [counted] = evaluateOp("histogram", [tensor("float32", [values.length], values)], {});
  const range = h.add(must(counted, "counts").data as Int32Array);
  return { exponent: h.exponent, counts: h.counts, zeros: h.zeros, min: h.min, max: h.max, samples: [range] };
}

/** Mean squared error of 256 steps over a range that holds zero. */
function errorOf(values: Float32Array, { min, max }: Range): number {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const step = (high - low) / 255;
  return values.reduce((sum, v) => sum + (v - Math.round(Math.min(high, Math.max(low, v)) / step) * step) ** 2, 0) / values.length;
}

const draw = normal(3);
const gaussian = Float32Array.from({ length: 20000 }, draw);
const outliers = Float32Array.from({ length: 20000 }, (_, i) => (i < 4 ? 40 + i : draw()));
const relu = gaussian.map((v) => Math.max(0, v));
/** Mostly small, with a tail that matters: what regresses boxes. */
const boxes = Float32Array.from({ length: 20000 }, () => Math.exp(1.2 * draw()) * (draw() > 0 ? 1 : -1));
const choose = (name: CalibratorName, values: Float32Array): Range => CALIBRATORS[name](observe(values));

describe("calibrators", () => {
  const NAMES = Object.keys(CALIBRATORS) as CalibratorName[];

  test.for(NAMES)("%s stays inside what was seen", (name) => {
    for (const values of [gaussian, outliers, relu, boxes]) {
      const { min, max } = choose(name, values);
      expect(min).toBeGreaterThanOrEqual(values.reduce((a, b) => Math.min(a, b)));
      expect(max).toBeLessThanOrEqual(values.reduce((a, b) => Math.max(a, b)));
      expect(max).toBeGreaterThan(min);
    }
  });

  test.for(NAMES)("%s takes tensors that are constant, or always zero", (name) => {
    expect(choose(name, new Float32Array(100))).toEqual({ min: 0, max: 0 });
    const { min, max } = choose(name, new Float32Array(100).fill(3));
    expect(Math.min(0, min)).toBe(0);
    expect(max).toBe(3);
  });

  test("mse is never worse than min-max, and better with outliers", () => {
    for (const values of [gaussian, outliers, relu, boxes])
      expect(errorOf(values, choose("mse", values))).toBeLessThanOrEqual(errorOf(values, choose("minmax", values)) * 1.001);
    const sparse = Float32Array.from({ length: 200000 }, (_, i) => (i === 0 ? 60 : draw()));
    expect(errorOf(sparse, choose("mse", sparse))).toBeLessThan(0.8 * errorOf(sparse, choose("minmax", sparse)));
  });

  test("mse finds the least error there is on a grid of ranges", () => {
    const found = errorOf(outliers, choose("mse", outliers));
    const { min, max } = choose("minmax", outliers);
    for (let i = 1; i <= 40; i++)
      for (let j = 1; j <= 40; j++)
        expect(found).toBeLessThanOrEqual(errorOf(outliers, { min: (min * j) / 40, max: (max * i) / 40 }) * 1.02);
  });

  test("the spike of exact zeros after a ReLU moves no entropy threshold that leaves zeros out", () => {
    const spiked = Float32Array.from([...relu.filter((v) => v > 0), ...new Float32Array(200000)]);
    const bare = relu.filter((v) => v > 0);
    for (const name of ["mse", "entropy-nvidia", "entropy-ncnn"] as const) expect(choose(name, spiked).max).toBe(choose(name, bare).max);
    expect(errorOf(bare, choose("mse", spiked))).toBeLessThanOrEqual(errorOf(bare, choose("minmax", spiked)) * 1.001);
  });

  test("mse does not clip what regresses boxes as entropy does", () => {
    expect(errorOf(boxes, choose("mse", boxes))).toBeLessThan(errorOf(boxes, choose("entropy-ncnn", boxes)));
  });

  test("percentile leaves out a ten-thousandth at most", () => {
    const { max } = choose("percentile", outliers);
    expect(outliers.filter((v) => v > max).length).toBeLessThanOrEqual(2);
    expect(
      choose(
        "percentile",
        Float32Array.from({ length: 100000 }, (_, i) => (i < 5 ? 100 : draw())),
      ).max,
    ).toBeLessThan(10);
  });

  test("moving goes a hundredth of the way to each sample", () => {
    const o: Observed = {
      ...observe(gaussian),
      samples: [
        { min: -1, max: 1 },
        { min: -1, max: 3 },
        { min: -2, max: 1 },
      ],
    };
    const { min, max } = CALIBRATORS.moving(o);
    expect(min).toBeCloseTo(-1.01, 12);
    expect(max).toBeCloseTo(1.02 - 0.01 * 0.02, 12);
  });
});
