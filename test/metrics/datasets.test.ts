import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  CELEBAMASK_CLASSES,
  readBoxDetections,
  readBoxTruths,
  readCoco,
  readDlibXml,
  readLabelPng,
  readMat5,
  readVocXml,
  writeCoco,
  writeVocXml,
} from "../../src/data/annotations/annotations.ts";
import { evaluateCoco, evaluateVoc, ParsingAccumulator } from "../../src/metrics.ts";
import { hasShared, SHARED, sharedBytes, sharedTexts } from "./shared.ts";

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("the data sets in ../shared (each skipped without it)", () => {
  test.skipIf(!hasShared("facemask-photos"))("VOC XML: 80 photos, 386 faces, written and read again", () => {
    const set = readVocXml(sharedTexts("facemask-photos/annotations", ".xml"));
    expect([set.images.length, set.truths.length, set.problems.length]).toEqual([80, 386, 0]);
    expect(readVocXml(writeVocXml(set)).truths).toEqual(set.truths);
  });

  test.skipIf(!hasShared("dlib-faces"))("dlib XML: boxes with 68 points each", () => {
    const files = ["testing_with_face_landmarks.xml", "training_with_face_landmarks.xml"];
    const sets = files.map((name) => readDlibXml(decode(sharedBytes(`dlib-faces/faces/${name}`)), name));
    const truths = sets.flatMap((s) => s.truths);
    expect([truths.length, sets.flatMap((s) => s.problems).length]).toEqual([43, 0]);
    expect(new Set(truths.map((t) => t.keypoints?.length))).toEqual(new Set([68 * 3]));
  });

  test.skipIf(!hasShared("coco128"))("COCO JSON: its own truth as detections gives 1", async () => {
    const set = await readCoco(sharedBytes("coco128/annotations/instances_train2017.json"));
    expect([set.images.length, set.problems.length]).toEqual([128, 0]);
    const detections = set.truths.filter((t) => t.crowd !== true).map(({ image, category, box }) => ({ image, category, box, score: 1 }));
    expect(evaluateCoco({ ...set, detections }).metrics.AP50).toBeCloseTo(1, 9);
    expect((await readCoco(writeCoco(set))).truths.length).toBe(set.truths.length);
  });

  test.skipIf(!hasShared("cartucho-map"))("Cartucho's texts: a mean AP over its classes", () => {
    const truths = readBoxTruths(sharedTexts("cartucho-map/ground-truth", ".txt"), "corners");
    const found = readBoxDetections(sharedTexts("cartucho-map/detection-results", ".txt"), "corners");
    expect([truths.problems.length, found.problems.length]).toEqual([0, 0]);
    const { mAP } = evaluateVoc({ ...truths, ...found }).metrics;
    expect(mAP).toBeGreaterThan(0.1);
    expect(mAP).toBeLessThan(0.9);
  });

  test.skipIf(!hasShared("celebamask"))("CelebAMask: class numbers from palettes", async () => {
    const names = readdirSync(join(SHARED, "celebamask/masks")).slice(0, 6);
    const parsing = new ParsingAccumulator(CELEBAMASK_CLASSES.length);
    for (const name of names) {
      const { width, height, labels } = await readLabelPng(sharedBytes(`celebamask/masks/${name}`), name);
      expect([width, height]).toEqual([512, 512]);
      parsing.add(labels, labels);
    }
    const result = parsing.result(true);
    expect(result.meanIou).toBe(1);
    // Skin and hair fill a portrait; if the palette had been decoded to colours they would not.
    expect((result.perClass[1]?.pixels ?? 0) + (result.perClass[13]?.pixels ?? 0)).toBeGreaterThan(0.3 * 512 * 512 * names.length);
  });

  test.skipIf(!hasShared("aflw2000"))("AFLW2000-3D: 68 points in 3D and a pose", async () => {
    const folder = "aflw2000/TestImages/AFLW2000";
    const names = readdirSync(join(SHARED, folder)).filter((name) => name.endsWith(".mat"));
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const values = await readMat5(sharedBytes(`${folder}/${name}`), name);
      expect(values.get("pt3d_68")).toMatchObject({ kind: "numeric", dims: [3, 68] });
      expect(values.get("Pose_Para")).toMatchObject({ kind: "numeric", dims: [1, 7] });
    }
  });
});
