import { expect, test } from "vitest";
import type { BoxTuple, DetectionRecord, TruthRecord } from "./records.ts";
import { evaluateVoc, VocAccumulator } from "./voc.ts";

const truth = (box: BoxTuple, more: Partial<TruthRecord> = {}): TruthRecord => ({ image: 1, category: "a", box, ...more });
const found = (box: BoxTuple, score: number, image = 1): DetectionRecord => ({ image, category: "a", box, score });

test("a duplicate is a false positive even if another free object would do", () => {
  const truths = [truth([0, 0, 99, 99]), truth([20, 0, 99, 99])];
  const { perCategory } = evaluateVoc({ truths, detections: [found([0, 0, 99, 99], 0.9), found([1, 0, 99, 99], 0.8)] });
  expect(perCategory[0]?.curve).toMatchObject({ positives: 2, truePositives: 1, falsePositives: 1 });
});

test("difficult and crowd objects count neither way", () => {
  const truths = [truth([0, 0, 99, 99], { difficult: true }), truth([200, 0, 99, 99]), truth([400, 0, 99, 99], { crowd: true })];
  const detections = [found([0, 0, 99, 99], 0.9), found([400, 0, 99, 99], 0.85), found([200, 0, 99, 99], 0.8)];
  expect(evaluateVoc({ truths, detections }).metrics.mAP).toBe(1);
});

test("pixel widths have +1: 10 of 20 columns is an IoU of 1/2 only by pixels", () => {
  const task = { truths: [truth([0, 0, 19, 19])], detections: [found([0, 0, 9, 19], 1)] };
  expect(evaluateVoc(task).metrics.mAP).toBe(1);
  expect(evaluateVoc(task, { overlap: "continuous" }).metrics.mAP).toBe(0);
});

test("eleven points and exact area of one curve", () => {
  const truths = [truth([0, 0, 9, 9]), truth([50, 0, 9, 9])];
  const detections = [found([0, 0, 9, 9], 0.9), found([90, 90, 9, 9], 0.8), found([50, 0, 9, 9], 0.7)];
  expect(evaluateVoc({ truths, detections }).metrics.mAP).toBeCloseTo(0.5 + 0.5 * (2 / 3), 12);
  expect(evaluateVoc({ truths, detections }, { interpolation: "eleven" }).metrics.mAP).toBeCloseTo((6 + 5 * (2 / 3)) / 11, 12);
});

test("shards merge to the same; nothing gives −1; a category without ground truth stays out of the mean", () => {
  const truths = [truth([0, 0, 9, 9]), truth([0, 0, 9, 9], { image: 2 })];
  const detections = [
    found([0, 0, 9, 9], 0.5),
    found([0, 0, 9, 9], 0.5, 2),
    { image: 2, category: "b", box: [0, 0, 9, 9] as const, score: 1 },
  ];
  const whole = evaluateVoc({ truths, detections });
  const merged = new VocAccumulator();
  for (const image of [2, 1]) {
    const shard = new VocAccumulator();
    shard.add({ truths: truths.filter((t) => t.image === image), detections: detections.filter((d) => d.image === image) });
    merged.merge(structuredClone(shard.part()));
  }
  expect(merged.result().metrics).toEqual(whole.metrics);
  expect(whole.metrics.mAP).toBe(1);
  expect(whole.perCategory.map((c) => c.AP)).toEqual([1, -1]);
  expect(evaluateVoc({ truths: [], detections: [] }).metrics.mAP).toBe(-1);
});

test("a threshold outside 0 to 1 is refused", () => {
  expect(() => evaluateVoc({ truths: [], detections: [] }, { iouThreshold: 50 })).toThrow(/outside 0 to 1/);
});
