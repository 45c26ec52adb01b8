import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { maskFromPolygons } from "../mask/polygon.ts";
import { decodeMask, encodeMask } from "../mask/rle.ts";
import type { DetectionTask } from "../records.ts";
import { Lcg, randomCase } from "../testing/random-cases.ts";
import { CocoAccumulator, evaluateCoco } from "./evaluate.ts";
import type { CocoKind } from "./options.ts";

interface Fixture {
  fake: { bbox: number[]; segm: number[] };
  bbox: number[][];
  segm: number[][];
  keypoints: number[][];
  polygons: string[];
}

const root = join(import.meta.dirname, "../../..");
// Written by scripts/oracles/coco.py from pycocotools.
const fixture = JSON.parse(readFileSync(join(root, "test/fixtures/metrics/coco.json"), "utf8")) as Fixture;
const fake = join(root, "../shared/data/cocoapi-fake");

describe("equal to pycocotools", () => {
  test.each([
    ["box", fixture.bbox],
    ["mask", fixture.segm],
    ["keypoints", fixture.keypoints],
  ] as const)("on generated cases of kind %s", (kind, expected) => {
    const wrong: string[] = [];
    expected.forEach((stats, i) => {
      const got = evaluateCoco(randomCase(kind, i), { kind }).stats;
      if (got.length !== stats.length || got.some((v, s) => !(Math.abs(v - (stats[s] ?? NaN)) < 1e-11)))
        wrong.push(`case ${i}: ${got.join(" ")} not ${stats.join(" ")}`);
    });
    expect(wrong).toEqual([]);
  });

  test("on polygons drawn into masks, run length by run length", () => {
    const r = new Lcg(99);
    const drawn = fixture.polygons.map(() => {
      const points = Array.from({ length: 2 * (3 + r.below(6)) }, () => r.below(1600) / 8 - 20);
      return encodeMask(maskFromPolygons([points], 120, 150)).counts;
    });
    expect(drawn).toEqual(fixture.polygons);
    for (const counts of drawn) expect(encodeMask(decodeMask({ size: [120, 150], counts })).counts).toBe(counts);
  });

  test.skipIf(!existsSync(fake)).each([
    ["box", "bbox", fixture.fake.bbox],
    ["mask", "segm", fixture.fake.segm],
  ] as const)("on cocoapi's made-up results, %s (skipped without ../shared)", (kind, name, expected) => {
    const { stats } = evaluateCoco(readFake(kind, name), { kind });
    stats.forEach((value, i) => expect(Math.abs(value - (expected[i] ?? NaN))).toBeLessThan(1e-9));
  });
});

test("shards merge to the very same numbers, whatever the split and its order", () => {
  for (const kind of ["box", "keypoints"] as const) {
    const tasks = Array.from({ length: 30 }, (_, i) => renamed(randomCase(kind, i), i));
    const whole = evaluateCoco(joined(tasks), { kind });
    const shards = [0, 1, 2].map((s) => {
      const shard = new CocoAccumulator({ kind });
      for (const [i, task] of tasks.entries()) if ((i * 7) % 3 === s) shard.add(task);
      return shard.part();
    });
    const merged = new CocoAccumulator({ kind });
    for (const part of [...shards].reverse()) merged.merge(structuredClone(part));
    const result = merged.result();
    expect(result.stats).toEqual(whole.stats);
    expect(result.table.precision).toEqual(whole.table.precision);
    expect(result.table.scores).toEqual(whole.table.scores);
    expect(result.perCategory).toEqual(whole.perCategory);
  }
});

function renamed(task: DetectionTask, i: number): DetectionTask {
  return {
    images: (task.images ?? []).map((image) => ({ ...image, id: Number(image.id) + i * 100 })),
    categories: task.categories ?? [],
    truths: task.truths.map(({ id: _, ...t }) => ({ ...t, image: Number(t.image) + i * 100 })),
    detections: task.detections.map((d) => ({ ...d, image: Number(d.image) + i * 100 })),
  };
}

function joined(tasks: readonly DetectionTask[]): DetectionTask {
  return {
    images: tasks.flatMap((t) => t.images ?? []),
    categories: [1, 3, 5].map((id) => ({ id })),
    truths: tasks.flatMap((t) => t.truths),
    detections: tasks.flatMap((t) => t.detections),
  };
}

interface FakeFile {
  images: { id: number; width: number; height: number }[];
  categories: { id: number; name: string }[];
  annotations: FakeRecord[];
}

interface FakeRecord {
  id: number;
  image_id: number;
  category_id: number;
  bbox?: [number, number, number, number];
  area: number;
  iscrowd: number;
  score: number;
  segmentation: number[][];
}

function readFake(kind: CocoKind, name: string): DetectionTask {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(fake, file), "utf8"));
  const { images, categories, annotations } = read("instances_val2014_100.json") as FakeFile;
  const results = read(`instances_val2014_fake${name}100_results.json`) as FakeRecord[];
  return {
    images,
    categories,
    truths: annotations.map((a) => ({
      id: a.id,
      image: a.image_id,
      category: a.category_id,
      box: a.bbox ?? [0, 0, 0, 0],
      area: a.area,
      crowd: a.iscrowd === 1,
      segmentation: a.segmentation,
    })),
    detections: results.map((d) => ({
      image: d.image_id,
      category: d.category_id,
      box: d.bbox ?? [0, 0, 0, 0],
      score: d.score,
      ...(kind === "mask" ? { segmentation: d.segmentation } : {}),
    })),
  };
}
