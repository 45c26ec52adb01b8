import { describe, expect, test } from "vitest";
import { confusionMatrix } from "./confusion.ts";
import { curvesOf } from "./curve.ts";
import { bestOperatingPoint, operatingPoint } from "./operating.ts";
import type { BoxTuple, DetectionRecord, TruthRecord } from "./records.ts";
import { taskColumns } from "./columns.ts";
import { randomCase } from "./testing/random-cases.ts";
import { evaluateCoco } from "./coco/evaluate.ts";
import { tide, TIDE_KINDS } from "./tide.ts";
import { matchVoc } from "./voc.ts";
import { WarningTally } from "./warnings.ts";

const truth = (category: string, box: BoxTuple, more: Partial<TruthRecord> = {}): TruthRecord => ({ image: 1, category, box, ...more });
const found = (category: string, box: BoxTuple, score: number): DetectionRecord => ({ image: 1, category, box, score });

// One of each kind, far enough apart not to meddle.
const truths = [
  truth("cat", [0, 0, 100, 100]),
  truth("cat", [200, 0, 100, 100]),
  truth("dog", [400, 0, 100, 100]),
  truth("dog", [600, 0, 100, 100]),
  truth("dog", [800, 0, 100, 100]),
  truth("dog", [800, 300, 100, 100], { crowd: true }),
];
const detections = [
  found("cat", [0, 0, 100, 100], 0.95),
  found("cat", [2, 0, 100, 100], 0.9),
  found("cat", [260, 0, 100, 100], 0.85),
  found("cat", [400, 0, 100, 100], 0.8),
  found("cat", [670, 0, 100, 100], 0.75),
  found("cat", [0, 400, 50, 50], 0.7),
  found("dog", [810, 310, 20, 20], 0.6),
];

describe("TIDE", () => {
  test("puts each error into its kind", () => {
    const result = tide({ truths, detections });
    expect(result.counts).toEqual({ classification: 1, localisation: 1, both: 1, duplicate: 1, background: 1, missed: 2 });
    const kindOf = new Map(result.errors.flatMap((e) => (e.detection === undefined ? [] : [[e.detection, e.kind] as const])));
    expect([1, 2, 3, 4, 5, 6].map((d) => kindOf.get(d))).toEqual([
      "duplicate",
      "localisation",
      "classification",
      "both",
      "background",
      undefined,
    ]);
    expect(result.errors.filter((e) => e.kind === "missed").map((e) => e.truth)).toEqual([3, 4]);
  });

  test("mending all false negatives of a perfect ranking gives all; its AP is COCO's at 0.5 without crowds", () => {
    for (let i = 0; i < 60; i++) {
      const task = randomCase("box", i);
      const plain = { ...task, truths: task.truths.filter((t) => t.crowd !== true), detections: uniqueScores(task.detections) };
      const result = tide(plain, { maxDetections: 1e6, categories: "with objects" });
      // Not closer: TIDE's recalls are k/100, COCO's are k times 0.01.
      expect(Math.abs(result.AP - (evaluateCoco(plain).metrics.AP50 ?? NaN))).toBeLessThan(0.02);
      for (const kind of TIDE_KINDS) expect(Number.isFinite(result.gains[kind])).toBe(true);
      for (const gain of [result.gains.background, result.gains.duplicate, result.falsePositives, result.falseNegatives])
        expect(gain).toBeGreaterThanOrEqual(-1e-12);
    }
  });

  test("nothing", () => {
    expect(tide({ truths: [], detections: [] })).toMatchObject({ AP: -1, falsePositives: 0 });
  });
});

function uniqueScores(rows: readonly DetectionRecord[]): DetectionRecord[] {
  return rows.map((row, i) => ({ ...row, score: row.score + i * 1e-6 }));
}

test("the confusion matrix pairs by overlap, whatever the category, and leaves crowds out", () => {
  const { categories, counts } = confusionMatrix({ truths, detections }, { score: 0.5 });
  expect(categories).toEqual(["cat", "dog"]);
  expect([...counts]).toEqual([1, 0, 1, 1, 0, 2, 4, 0, 0]);
});

test("the best operating point keeps equal scores together", () => {
  const task = {
    truths: [truth("cat", [0, 0, 10, 10]), truth("cat", [50, 0, 10, 10])],
    detections: [
      found("cat", [0, 0, 10, 10], 0.9),
      found("cat", [90, 0, 10, 10], 0.5),
      found("cat", [50, 0, 10, 10], 0.5),
      found("cat", [90, 90, 10, 10], 0.1),
    ],
  };
  const table = matchVoc(taskColumns(task, new WarningTally()), { iouThreshold: 0.5, interpolation: "area", overlap: "continuous" });
  const [curve] = curvesOf(table);
  expect(curve && bestOperatingPoint(curve)).toEqual({
    score: 0.5,
    precision: 2 / 3,
    recall: 1,
    f1: 0.8,
    truePositives: 2,
    falsePositives: 1,
    falseNegatives: 0,
  });
  expect(curve && operatingPoint(curve, 0.6)).toMatchObject({ precision: 1, recall: 0.5, falseNegatives: 1 });
  expect(curve && operatingPoint(curve, 2)).toMatchObject({ precision: 0, recall: 0, f1: 0 });
});
