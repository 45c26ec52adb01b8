import { describe, expect, test } from "vitest";
import { topK } from "./classification.ts";
import { cumulativeErrors, evaluateAflw2000, evaluateLandmarks, INTER_OCULAR_68 } from "./landmarks.ts";
import { ParsingAccumulator } from "./parsing.ts";

describe("landmarks", () => {
  const square = [0, 0, 10, 0, 10, 10, 0, 10];
  const moved = (by: number): number[] => square.map((v, i) => (i % 2 === 0 ? v + by : v));

  test("NME, AUC and failure rate of known errors", () => {
    const pairs = [0, 0.5, 2].map((by) => ({ truth: square, predicted: moved(by) }));
    const { errors, nme, thresholds } = evaluateLandmarks(pairs, "box", [0.1]);
    expect([...errors]).toEqual([0, 0.05, 0.2]);
    expect(nme).toBeCloseTo(0.25 / 3, 12);
    expect(thresholds[0]?.auc).toBeCloseTo((1 + 0.5 + 0) / 3, 12);
    expect(thresholds[0]?.failureRate).toBeCloseTo(1 / 3, 12);
    expect(cumulativeErrors(errors, 0.1)).toEqual([
      { error: 0, share: 0 },
      { error: 0, share: 1 / 3 },
      { error: 0.05, share: 2 / 3 },
      { error: 0.1, share: 2 / 3 },
    ]);
  });

  test("the inter-ocular norm is that of points 36 and 45", () => {
    const truth = new Float64Array(136);
    truth[45 * 2] = 50;
    const predicted = truth.map((v, i) => (i % 2 === 1 ? v + 5 : v));
    expect(evaluateLandmarks([{ truth, predicted }], INTER_OCULAR_68).nme).toBeCloseTo(0.1, 12);
  });

  test("what cannot be judged: no points, no scale, NaN", () => {
    expect(() => evaluateLandmarks([{ truth: [1, 2], predicted: [1] }], "box")).toThrow(/face 0 has 2 numbers/);
    expect(() => evaluateLandmarks([{ truth: [1, 2], predicted: [1, 2] }], "box")).toThrow(/divided by 0/);
    const lost = evaluateLandmarks([{ truth: square, predicted: square.map(() => NaN) }], "box");
    expect(lost.errors[0]).toBe(Infinity);
    expect(lost.nme).toBe(-1);
    expect(lost.thresholds[0]?.failureRate).toBe(1);
    expect(evaluateLandmarks([], "box")).toMatchObject({ faces: 0, nme: -1 });
  });

  test("AFLW2000-3D: closed bins of absolute yaw, and the mean of their means", () => {
    const pairs = [1, 2, 3, 4].map((by) => ({ truth: square, predicted: moved(by) }));
    const result = evaluateAflw2000(pairs, [-30, 30.5, -60, 61]);
    expect(result.bins.map((b) => [b.faces, b.nme])).toEqual([
      [1, 0.1],
      [2, 0.25],
      [1, 0.4],
    ]);
    expect(result.mean).toBeCloseTo(0.25, 12);
    expect(result.deviation).toBeCloseTo(Math.sqrt(0.015), 12);
    expect(() => evaluateAflw2000(pairs, [0])).toThrow(/4 faces have 1 yaw/);
  });
});

describe("parsing", () => {
  test("IoU and F1 from one matrix of the set, with and without the background; shards add up", () => {
    const whole = new ParsingAccumulator(3);
    const shards = [new ParsingAccumulator(3), new ParsingAccumulator(3)] as const;
    const pictures = [
      [
        [0, 1, 1, 2],
        [0, 1, 0, 2],
      ],
      [
        [0, 0, 1, 255],
        [0, 1, 1, 0],
      ],
    ] as const;
    pictures.forEach(([truth, predicted], i) => {
      whole.add(truth, predicted);
      shards[i === 0 ? 0 : 1].add(truth, predicted);
    });
    const result = whole.result(false);
    expect(result.perClass.map((c) => c.iou)).toEqual([0.5, 0.5, 1]);
    expect(result.meanIou).toBe(0.75);
    expect(result.perClass[1]?.f1).toBeCloseTo(2 / 3, 12);
    expect(whole.result(true).meanIou).toBeCloseTo(2 / 3, 12);
    expect(result.pixelAccuracy).toBeCloseTo(5 / 7, 12);
    shards[1].merge(shards[0]);
    expect(shards[1].result(false)).toEqual(result);
  });

  test("labels that are no class, and sizes that differ, are refused; nothing is −1", () => {
    const parsing = new ParsingAccumulator(2);
    expect(() => parsing.add([0], [7])).toThrow(/labels 0 and 7/);
    expect(() => parsing.add([0], [0, 1])).toThrow(/1 and 2 pixels/);
    expect(() => new ParsingAccumulator(0)).toThrow(/1 to 4096/);
    expect(parsing.result(true)).toMatchObject({ meanIou: -1, meanF1: -1, pixelAccuracy: -1 });
  });
});

test("top-k: ties go to the lower class, NaN ranks last", () => {
  const scores = [0.5, 0.5, 0.1, NaN, 0.2, 0.3, 0.9, 0.05, 0.05];
  expect(topK(scores, 3, [1, 0, 0], [1, 2, 3]).top).toEqual({ 1: 1 / 3, 2: 2 / 3, 3: 2 / 3 });
  expect(() => topK(scores, 3, [3, 0, 0])).toThrow(/label 3 of row 0/);
  expect(() => topK(scores, 4, [0])).toThrow(/not 1 rows/);
  expect(topK([], 5, []).top).toEqual({ 1: -1, 5: -1 });
});
