import { expect, test } from "vitest";
import { bootstrap, pairedBootstrap } from "./bootstrap.ts";
import { taskColumns } from "./columns.ts";
import type { DetectionTask } from "./records.ts";
import { Lcg } from "./testing/random-cases.ts";
import type { MatchTable } from "./table.ts";
import { evaluateVoc, matchVoc } from "./voc.ts";
import { WarningTally } from "./warnings.ts";

/** A detector that finds each of 200 objects, one an image, with a chance in percent. */
function detector(chance: number, seed: number): DetectionTask {
  const r = new Lcg(seed);
  const images = Array.from({ length: 200 }, (_, i) => i);
  return {
    images: images.map((id) => ({ id })),
    truths: images.map((image) => ({ image, category: 1, box: [0, 0, 10, 10] as const })),
    detections: images.map((image) => ({
      image,
      category: 1,
      box: [r.below(100) < chance ? 0 : 50, 0, 10, 10] as const,
      score: 0.5 + r.below(1000) / 2000,
    })),
  };
}

const table = (task: DetectionTask): MatchTable =>
  matchVoc(taskColumns(task, new WarningTally()), { iouThreshold: 0.5, interpolation: "area", overlap: "continuous" });

test("the value is the evaluator's own, the interval surrounds it, and a seed repeats it", () => {
  const task = detector(70, 1);
  const interval = bootstrap(table(task), { rounds: 300, interpolation: "area" });
  expect(interval.value).toBeCloseTo(evaluateVoc(task, { overlap: "continuous" }).metrics.mAP, 12);
  expect(interval.low).toBeLessThan(interval.value);
  expect(interval.high).toBeGreaterThan(interval.value);
  expect(interval.high - interval.low).toBeCloseTo(2 * 1.96 * interval.standardError, 1);
  expect(bootstrap(table(task), { rounds: 300, interpolation: "area" })).toEqual(interval);
  expect(bootstrap(table(task), { rounds: 300, interpolation: "area", seed: 2 })).not.toEqual(interval);
});

test("paired: the same detector differs by nothing, a better one is better, and pairing narrows the interval", () => {
  const [a, b] = [table(detector(60, 1)), table(detector(80, 1))];
  expect(pairedBootstrap(a, a, { rounds: 50 })).toMatchObject({ value: 0, low: 0, high: 0, notBetter: 1 });
  const paired = pairedBootstrap(a, b, { rounds: 300 });
  expect(paired.low).toBeGreaterThan(0);
  expect(paired.notBetter).toBe(0);
  const apart = Math.hypot(bootstrap(a, { rounds: 300 }).standardError, bootstrap(b, { rounds: 300 }).standardError);
  expect(paired.standardError).toBeLessThan(apart);
});

test("an image drawn twice counts as two copies of it", () => {
  const one = detector(50, 3);
  const doubled = {
    images: [...(one.images ?? []), ...(one.images ?? []).map(({ id }) => ({ id: Number(id) + 1000 }))],
    truths: [...one.truths, ...one.truths.map((t) => ({ ...t, image: Number(t.image) + 1000 }))],
    detections: [...one.detections, ...one.detections.map((d) => ({ ...d, image: Number(d.image) + 1000 }))],
  };
  // With every image twice, precision and recall at each score are those of the set itself.
  expect(bootstrap(table(doubled), { rounds: 1, interpolation: "area" }).value).toBeCloseTo(
    bootstrap(table(one), { rounds: 1, interpolation: "area" }).value,
    1,
  );
});

test("what cannot be drawn is refused", () => {
  expect(() => bootstrap(table({ truths: [], detections: [] }))).toThrow(/no image/);
  expect(() => bootstrap(table(detector(50, 1)), { rounds: 0 })).toThrow(/resamples/);
  expect(() => pairedBootstrap(table(detector(50, 1)), table({ ...detector(50, 1), images: [{ id: 1 }] }))).toThrow(/same images/);
});
