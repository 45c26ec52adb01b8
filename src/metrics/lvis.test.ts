import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { evaluateLvis } from "./lvis.ts";
import { evaluateOpenImages } from "./open-images.ts";
import type { BoxTuple, DetectionTask, TruthRecord } from "./records.ts";
import { Lcg, randomCase } from "./testing/random-cases.ts";

// Written by scripts/oracles/lvis.py from the lvis package; null where that cannot run.
const expected = JSON.parse(readFileSync(join(import.meta.dirname, "../../test/fixtures/metrics/lvis.json"), "utf8")) as (
  number[] | null
)[];

/** The same as federated in scripts/oracles/lvis.py. */
function federatedCase(index: number): DetectionTask {
  const { images = [], categories = [], truths, detections } = randomCase("box", index);
  const r = new Lcg(index + 5000);
  const lists = images.map((image) => ({
    ...image,
    absent: categories.filter(() => r.below(2) > 0).map((c) => c.id),
    notExhaustive: categories.filter(() => r.below(3) === 0).map((c) => c.id),
  }));
  const named = categories.map((c) => ({ ...c, frequency: (["r", "c", "f"] as const)[r.below(3)] ?? "r" }));
  return { images: lists, categories: named, truths: truths.map((t) => ({ ...t, crowd: false })), detections };
}

test("LVIS: thirteen numbers equal to the lvis package on 200 generated cases", () => {
  const wrong: string[] = [];
  expected.forEach((stats, i) => {
    if (stats === null) return;
    const got = Object.values(evaluateLvis(federatedCase(i)).metrics);
    if (got.some((v, s) => !(Math.abs(v - (stats[s] ?? NaN)) < 1e-11))) wrong.push(`case ${i}: ${got.join(" ")} not ${stats.join(" ")}`);
  });
  expect(wrong).toEqual([]);
});

test("LVIS: only the best 300 of an image count, and frequencies come from the images when not given", () => {
  const box: BoxTuple = [0, 0, 10, 10];
  const detections = Array.from({ length: 301 }, (_, i) => ({
    image: 1,
    category: 1,
    box: i === 300 ? box : ([50, 50, 5, 5] as const),
    score: 1 - i / 1000,
  }));
  const { metrics, perCategory } = evaluateLvis({ images: [{ id: 1 }], truths: [{ image: 1, category: 1, box }], detections });
  expect(metrics.AP).toBe(0);
  expect(perCategory[0]?.frequency).toBe("r");
});

test("Open Images: groups, unverified categories and the hierarchy", () => {
  const truth = (category: string, box: BoxTuple, more: Partial<TruthRecord> = {}): TruthRecord => ({ image: 1, category, box, ...more });
  const found = (category: string, box: BoxTuple, score: number): DetectionTask["detections"][number] => ({
    image: 1,
    category,
    box,
    score,
  });
  const truths = [truth("cat", [0, 0, 10, 10]), truth("cat", [100, 0, 100, 100], { crowd: true })];
  const detections = [
    found("cat", [0, 0, 10, 10], 0.9),
    found("cat", [110, 10, 20, 20], 0.8),
    found("cat", [150, 10, 20, 20], 0.7),
    found("dog", [0, 0, 10, 10], 0.95),
  ];
  const task: DetectionTask = { images: [{ id: 1 }], categories: [{ id: "cat" }, { id: "dog" }], truths, detections };
  const plain = evaluateOpenImages(task);
  expect(plain.metrics.mAP).toBe(1);
  expect(plain.perCategory[0]?.curve).toMatchObject({ positives: 2, truePositives: 2, falsePositives: 0 });
  expect(plain.perCategory[1]?.curve.falsePositives).toBe(0);
  const absent = evaluateOpenImages({ ...task, images: [{ id: 1, absent: ["dog"] }] });
  expect(absent.perCategory[1]?.curve.falsePositives).toBe(1);
  const lifted = evaluateOpenImages(
    { ...task, categories: [...(task.categories ?? []), { id: "animal" }] },
    { parents: new Map([["cat", ["animal"]]]) },
  );
  expect(lifted.perCategory.find((c) => c.category === "animal")?.AP).toBe(1);
});
