import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeImage, type Image } from "../data/image.ts";
import { loadImage } from "../data/node/decode.ts";
import type { Face } from "../vision/face.ts";
import { marksOf, scorePhotos, scoreSheet } from "./demo-eval.ts";
import labels from "./demo-faces.json" with { type: "json" };
import { packageFile } from "./detector.ts";

const face = (...box: [number, number, number, number]): Face => ({ box, score: 0.9, points: [] });

test("the boxes that were drawn lie in their photos", () => {
  expect(labels.annotations).toHaveLength(22);
  for (const { image_id, bbox, area } of labels.annotations) {
    const image = labels.images.find((i) => i.id === image_id);
    const [x = NaN, y = NaN, w = NaN, h = NaN] = bbox;
    expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
    expect(x + w).toBeLessThanOrEqual(image?.width ?? 0);
    expect(y + h).toBeLessThanOrEqual(image?.height ?? 0);
    expect(area).toBe(w * h);
  }
});

test("a photo is known by its content", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hone-demo-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "sample1.jpg");
  writeFileSync(file, "another photo of the same name");
  expect(await marksOf(file)).toBeUndefined();
  for (const { file_name, width, height } of labels.images) {
    const photo = packageFile("@vladmandic/face-api", `demo/${file_name}`);
    if (photo === undefined || !existsSync(photo)) continue;
    expect((await marksOf(photo))?.boxes.length).toBeGreaterThanOrEqual(3);
    expect(await loadImage(photo)).toMatchObject({ width, height });
  }
});

test("photos are scored by COCO's rules", () => {
  const photos = [
    { name: "a", boxes: [[10, 10, 50, 50] as const] },
    { name: "b", boxes: [[0, 0, 100, 100] as const] },
  ];
  expect(scorePhotos(photos, [[face(10, 10, 50, 50)], [face(0, 0, 100, 100)]])).toMatchObject({ AP: 1, AP50: 1, images: 2, faces: 2 });
  // Half of each box: matched at 0.5 only, the first of ten thresholds.
  const half = scorePhotos(photos, [[face(10, 10, 25, 50)], [face(0, 0, 50, 100)]]);
  expect(half.AP50).toBe(1);
  expect(half.AP).toBeCloseTo(0.1, 9);
  expect(scorePhotos(photos, [[], []]).AP).toBe(0);
});

/** A black photo with one white rectangle. */
function withRectangle(width: number, height: number, [x, y, w, h]: readonly [number, number, number, number]): Image {
  const image = makeImage(width, height);
  for (let row = y; row < y + h; row++) image.data.fill(255, (row * width + x) * 3, (row * width + x + w) * 3);
  return image;
}

/** The rectangle around what is white in columns from `from` to `to`. */
function brightIn({ width, height, data }: Image, from: number, to: number): Face {
  let [x1, y1, x2, y2] = [Infinity, Infinity, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = from; x < to; x++) {
      if ((data[(y * width + x) * 3] ?? 0) < 128) continue;
      [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x + 1), Math.max(y2, y + 1)];
    }
  }
  return face(x1, y1, x2 - x1, y2 - y1);
}

test("boxes move with their photos onto the sheet", async () => {
  const boxes = [[200, 300, 400, 400] as const, [40, 60, 240, 160] as const] as const;
  const photos = [
    { name: "tall", boxes: [boxes[0]], image: withRectangle(960, 1440, boxes[0]) },
    { name: "wide", boxes: [boxes[1]], image: withRectangle(960, 480, boxes[1]) },
  ];
  const sheet = await scoreSheet(photos, (image) => Promise.resolve([brightIn(image, 0, 498), brightIn(image, 498, image.width)]));
  expect(sheet).toMatchObject({ on: "sheet", images: 1, faces: 2, AP50: 1 });
  expect(sheet.AP).toBeGreaterThan(0.9);
  expect(sheet.faceHeight).toBeCloseTo(100, 6);
});
