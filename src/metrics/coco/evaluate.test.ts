import { describe, expect, test } from "vitest";
import type { BoxTuple, DetectionRecord, TruthRecord } from "../records.ts";
import { CocoAccumulator, evaluateCoco, type CocoResult } from "./evaluate.ts";
import type { CocoOptions } from "./options.ts";

const truth = (box: BoxTuple, more: Partial<TruthRecord> = {}): TruthRecord => ({ image: 1, category: 1, box, ...more });
const found = (box: BoxTuple, score: number): DetectionRecord => ({ image: 1, category: 1, box, score });

function run(truths: TruthRecord[], detections: DetectionRecord[], options: CocoOptions = {}): CocoResult {
  return evaluateCoco({ images: [{ id: 1, width: 1000, height: 1000 }], categories: [{ id: 1 }], truths, detections }, options);
}

const kinds = (result: CocoResult): string[] => result.warnings.map((w) => w.kind);

describe("the twelve numbers of small cases (facts, section 3)", () => {
  test("a perfect detection", () => {
    expect(run([truth([10, 10, 50, 50])], [found([10, 10, 50, 50], 0.9)]).stats).toEqual([
      expect.closeTo(1, 12) as number,
      expect.closeTo(1, 12) as number,
      expect.closeTo(1, 12) as number,
      -1,
      expect.closeTo(1, 12) as number,
      -1,
      1,
      1,
      1,
      -1,
      1,
      -1,
    ]);
  });

  test("two of three found", () => {
    const boxes: BoxTuple[] = [
      [50, 50, 150, 150],
      [300, 300, 100, 100],
      [500, 500, 100, 100],
    ];
    const { metrics } = run(
      boxes.map((b) => truth(b)),
      boxes.slice(0, 2).map((b) => found(b, 1)),
    );
    expect(metrics.AP).toBeCloseTo(67 / 101, 12);
    expect(metrics.AR1).toBeCloseTo(1 / 3, 12);
    expect(metrics.AR10).toBeCloseTo(2 / 3, 12);
  });

  test("a crowd swallows detections without a trace", () => {
    const { metrics } = run(
      [truth([10, 10, 50, 50]), truth([200, 200, 200, 200], { crowd: true })],
      [found([210, 210, 50, 50], 0.9), found([300, 300, 60, 60], 0.8), found([10, 10, 50, 50], 0.5)],
    );
    expect(metrics.AP).toBeCloseTo(1, 12);
    expect(metrics.AR1).toBe(0);
    expect(metrics.AR10).toBe(1);
  });

  test("no ground truth: undefined; no detections: zero", () => {
    expect(run([], [found([10, 10, 50, 50], 0.9)]).stats).toEqual(new Array(12).fill(-1));
    expect(run([truth([10, 10, 50, 50])], []).metrics.AP).toBe(0);
  });

  test("a trailing false positive is invisible, an earlier one is not", () => {
    expect(run([truth([10, 10, 50, 50])], [found([10, 10, 50, 50], 0.9), found([10, 10, 50, 50], 0.8)]).metrics.AP).toBeCloseTo(1, 12);
    const { metrics } = run(
      [truth([10, 10, 50, 50]), truth([200, 200, 50, 50])],
      [found([10, 10, 50, 50], 0.9), found([11, 10, 50, 50], 0.8), found([200, 200, 50, 50], 0.7)],
    );
    expect(metrics.AP).toBeCloseTo((51 + (50 * 2) / 3) / 101, 12);
    expect(metrics.AP).toBeCloseTo(0.835, 3);
    expect(metrics.AR1).toBe(0.5);
  });

  test("an IoU equal to the threshold matches", () => {
    const { metrics } = run([truth([0, 0, 100, 100])], [found([0, 0, 50, 100], 0.9)]);
    expect(metrics.AP).toBeCloseTo(0.1, 12);
    expect(metrics.AP50).toBeCloseTo(1, 12);
    expect(metrics.AP75).toBe(0);
  });

  test("area ranges are closed and go by the annotation's own area", () => {
    const both = run([truth([0, 0, 32, 32])], [found([0, 0, 32, 32], 0.9)]).metrics;
    expect(both.APs).toBeCloseTo(1, 12);
    expect(both.APm).toBeCloseTo(1, 12);
    const small = run([truth([0, 0, 100, 100], { area: 900 })], [found([0, 0, 100, 100], 0.9)]).metrics;
    expect(small.APs).toBeCloseTo(1, 12);
    expect(small.APl).toBe(-1);
  });

  test("two identical objects, one detection", () => {
    expect(run([truth([0, 0, 50, 50]), truth([0, 0, 50, 50])], [found([0, 0, 50, 50], 0.9)]).metrics.AP).toBeCloseTo(51 / 101, 12);
  });
});

describe("ids", () => {
  test("0 is read as unmatched like the original, with a warning, unless ids are distinct", () => {
    const records: [TruthRecord[], DetectionRecord[]] = [[truth([0, 0, 50, 50], { id: 0 })], [found([0, 0, 50, 50], 0.9)]];
    const original = run(...records);
    expect(original.metrics.AP).toBe(0);
    expect(kinds(original)).toContain("truth-id-zero");
    const distinct = run(...records, { ids: "distinct" });
    expect(distinct.metrics.AP).toBeCloseTo(1, 12);
    expect(kinds(distinct)).toContain("truth-id-zero");
  });

  test("repeated: the last record stands in for each", () => {
    const records: [TruthRecord[], DetectionRecord[]] = [
      [truth([0, 0, 50, 50], { id: 7 }), truth([200, 0, 50, 50], { id: 7 })],
      [found([0, 0, 50, 50], 0.9), found([200, 0, 50, 50], 0.8)],
    ];
    const original = run(...records);
    expect(original.metrics.AR100).toBe(0.5);
    expect(kinds(original)).toContain("truth-id-repeated");
    expect(run(...records, { ids: "distinct" }).metrics.AR100).toBe(1);
  });
});

describe("odd records are counted, never fatal", () => {
  test("NaN, empty and outside boxes, NaN scores, unknown names", () => {
    const result = run(
      [truth([0, 0, 50, 50]), truth([5, 5, 0, 10]), truth([990, 990, 50, 50])],
      [
        found([NaN, 0, 10, 10], 0.9),
        found([0, 0, Infinity, 10], 0.9),
        found([0, 0, 50, 50], NaN),
        { image: 2, category: 1, box: [0, 0, 1, 1], score: 1 },
        { image: 1, category: "cat", box: [0, 0, 1, 1], score: 1 },
      ],
    );
    expect(kinds(result).sort()).toEqual([
      "box-empty",
      "box-not-finite",
      "box-outside",
      "category-unknown",
      "image-unknown",
      "score-not-finite",
    ]);
    expect(result.stats.every((v) => v >= -1 && v <= 1)).toBe(true);
    expect(result.metrics.AR100).toBeCloseTo(1 / 3, 12);
  });

  test("nothing at all", () => {
    expect(evaluateCoco({ truths: [], detections: [] }).stats).toEqual(new Array(12).fill(-1));
  });

  test("a mask that does not decode overlaps nothing and is named", () => {
    const task = {
      images: [{ id: 1 }],
      truths: [
        truth([0, 0, 5, 5], { segmentation: { size: [10, 10], counts: [5, 5] } }),
        truth([0, 0, 5, 5], { segmentation: [[0, 0, 5, 0, 5, 5]] }),
      ],
      detections: [{ ...found([0, 0, 5, 5], 1), segmentation: { size: [1e9, 1e9] as const, counts: "~~~" } }],
    };
    const result = evaluateCoco(task, { kind: "mask" });
    expect(result.warnings.find((w) => w.kind === "mask-invalid")?.count).toBe(3);
    expect(result.metrics.AR100).toBe(0);
  });

  test("options that cannot be evaluated", () => {
    expect(() => evaluateCoco({ truths: [], detections: [] }, { iouThresholds: [] })).toThrow(/1 to 30/);
    expect(() => evaluateCoco({ truths: [], detections: [] }, { iouThresholds: [2] })).toThrow(/outside 0 to 1/);
    expect(() => evaluateCoco({ truths: [], detections: [] }, { maxDetections: [] })).toThrow(/maxDetections/);
  });

  test("an image in two shards is refused", () => {
    const accumulator = new CocoAccumulator();
    accumulator.add({ truths: [truth([0, 0, 5, 5])], detections: [] });
    accumulator.add({ truths: [], detections: [found([0, 0, 5, 5], 1)] });
    expect(() => accumulator.result()).toThrow(/two parts/);
  });
});

test("without categories everything is one class, and limits other than 100 leave AP undefined as in the original", () => {
  const other: DetectionRecord = { image: 1, category: 2, box: [0, 0, 50, 50], score: 1 };
  expect(evaluateCoco({ truths: [truth([0, 0, 50, 50])], detections: [other] }, { useCategories: false }).metrics.AP50).toBeCloseTo(1, 12);
  const limited = run([truth([0, 0, 50, 50])], [found([0, 0, 50, 50], 1)], { maxDetections: [1, 10, 300] });
  expect(limited.stats[0]).toBe(-1);
  expect(limited.metrics.AP50).toBeCloseTo(1, 12);
});
