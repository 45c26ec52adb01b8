import { describe, expect, test } from "vitest";
import { evaluateCoco } from "./coco/evaluate.ts";
import type { DetectionTask } from "./records.ts";
import { compareRules, evaluateByRules, RULE_SETS } from "./rules.ts";
import { randomCase } from "./testing/random-cases.ts";
import { evaluateVoc } from "./voc.ts";

const cases: DetectionTask[] = Array.from({ length: 120 }, (_, i) => {
  const task = randomCase("box", i);
  return { ...task, truths: task.truths.map((t, g) => (g % 5 === 4 ? { ...t, difficult: true } : t)) };
});

describe("the rules are those of the evaluators themselves", () => {
  test("coco and coco50", () => {
    for (const task of cases) {
      const { metrics } = evaluateCoco(task);
      expect(evaluateByRules(task, RULE_SETS.coco)).toBeCloseTo(metrics.AP ?? NaN, 11);
      expect(evaluateByRules(task, RULE_SETS.coco50)).toBeCloseTo(metrics.AP50 ?? NaN, 11);
    }
  });

  test("voc and voc07", () => {
    for (const task of cases) {
      expect(evaluateByRules(task, RULE_SETS.voc)).toBeCloseTo(evaluateVoc(task).metrics.mAP, 11);
      expect(evaluateByRules(task, RULE_SETS.voc07)).toBeCloseTo(evaluateVoc(task, { interpolation: "eleven" }).metrics.mAP, 11);
    }
  });
});

test("changes add up, and only rules that differ are steps", () => {
  for (const task of cases.slice(0, 20)) {
    const { from, to, steps } = compareRules(task, RULE_SETS.coco, RULE_SETS.voc);
    expect(steps.map((s) => s.rule)).toEqual(["thresholds", "overlap", "choice", "crowd", "difficult", "limit", "interpolation"]);
    expect(from + steps.reduce((sum, s) => sum + s.change, 0)).toBeCloseTo(to, 11);
  }
  expect(compareRules(cases[0] ?? { truths: [], detections: [] }, RULE_SETS.voc, RULE_SETS.voc).steps).toEqual([]);
});

test("the rule that is to blame gets the blame", () => {
  const box = [0, 0, 100, 100] as const;
  const task: DetectionTask = {
    truths: [
      { image: 1, category: 1, box },
      { image: 1, category: 1, box: [300, 0, 100, 100], difficult: true },
    ],
    detections: [{ image: 1, category: 1, box, score: 1 }],
  };
  const blamed = compareRules(task, RULE_SETS.coco50, RULE_SETS.voc).steps.filter((s) => Math.abs(s.change) > 0.1);
  expect(blamed.map((s) => s.rule)).toEqual(["difficult"]);
});
