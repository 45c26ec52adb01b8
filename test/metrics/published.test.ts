import { describe, expect, test } from "vitest";
import { readBoxDetections, readBoxTruths } from "../../src/data/annotations/box-text.ts";
import { readWiderMat } from "../../src/data/annotations/wider-mat.ts";
import { Lcg } from "../../src/metrics/testing/random-cases.ts";
import { evaluateVoc } from "../../src/metrics/voc.ts";
import { evaluateWider, type WiderDetection, type WiderImage } from "../../src/metrics/wider.ts";
import { fixture, hasShared, sharedBytes, sharedTexts } from "./shared.ts";

describe.skipIf(!hasShared("object-detection-metrics"))("Object-Detection-Metrics' sample (skipped without ../shared)", () => {
  const task = (): Parameters<typeof evaluateVoc>[0] => ({
    ...readBoxTruths(sharedTexts("object-detection-metrics/groundtruths", ".txt"), "size"),
    ...readBoxDetections(sharedTexts("object-detection-metrics/detections", ".txt"), "size"),
  });

  test("gives the published AP", () => {
    // Published as 24.56 %, cut and not rounded: 0.245686… is the sum of the published rectangles.
    expect(evaluateVoc(task(), { iouThreshold: 0.3 }).metrics.mAP).toBeCloseTo(0.24568668, 8);
    expect(evaluateVoc(task(), { iouThreshold: 0.3, interpolation: "eleven" }).metrics.mAP).toBeCloseTo(0.2684, 4);
  });
});

describe.skipIf(!hasShared("wider-ground-truth"))("WIDER FACE's ground truth (skipped without ../shared)", async () => {
  const images = hasShared("wider-ground-truth") ? await readWider() : [];

  test("has 3,226 images, 39,708 faces and the published counts", () => {
    const kept = (level: string): number => images.reduce((n, image) => n + (image.keep[level]?.length ?? 0), 0);
    expect([images.length, images.reduce((n, image) => n + image.boxes.length, 0)]).toEqual([3226, 39708]);
    expect([kept("easy"), kept("medium"), kept("hard")]).toEqual([7211, 13319, 31958]);
  });

  test.each(["int32", "float"] as const)("%s mode agrees with an independent evaluation in numpy", (mode) => {
    const expected = (fixture("wider.json") as Record<string, Record<string, number>>)[mode];
    const { metrics, curves } = evaluateWider(images, images.flatMap(madeUpFaces), { mode });
    for (const level of ["easy", "medium", "hard"]) expect(metrics[level]).toBeCloseTo(expected?.[level] ?? NaN, 10);
    expect(curves.hard?.faces).toBe(31958);
  });
});

function readWider(): Promise<WiderImage[]> {
  const levels = ["easy", "medium", "hard"];
  return readWiderMat(
    Object.fromEntries(levels.map((level) => [level, sharedBytes(`wider-ground-truth/ground_truth/wider_${level}_val.mat`)])),
  );
}

/** The same as made_up in scripts/oracles/wider.py. */
function madeUpFaces({ image, boxes }: WiderImage, index: number): WiderDetection[] {
  const r = new Lcg(index);
  const rows: WiderDetection[] = [];
  for (const [x, y, w, h] of boxes) {
    if (r.below(5) === 0) continue;
    const count = 1 + Number(r.below(6) === 0);
    const e = Math.max(1, Math.floor(w / 4));
    const off = (): number => (r.below(2 * e + 1) - e) / 2;
    for (let i = 0; i < count; i++)
      rows.push({ image, box: [x + off(), y + off(), w + off(), h + off()], score: (r.below(900) + 100) / 1000 });
  }
  for (let i = r.below(4); i > 0; i--) {
    rows.push({ image, box: [r.below(900), r.below(700), r.below(100) + 1, r.below(100) + 1], score: r.below(700) / 1000 });
  }
  return rows;
}
