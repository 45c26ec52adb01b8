import type { BoxTuple, CategoryRecord, DetectionRecord, DetectionTask, ImageRecord, TruthRecord } from "../records.ts";
import { maskFromPolygons } from "../mask/polygon.ts";
import { encodeMask } from "../mask/rle.ts";
import type { CocoKind } from "../coco/options.ts";

/** Numerical Recipes' 32-bit generator; scripts/oracles/coco.py has the same, so both sides make the same cases. */
export class Lcg {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(n: number): number {
    this.#state = (Math.imul(1664525, this.#state) + 1013904223) >>> 0;
    return (this.#state >>> 8) % n;
  }
}

const SEEDS = { box: 1, mask: 2, keypoints: 3 } as const;

/** Case `index`: a few images and categories with crowds, tied scores, empty classes, zero sizes and areas unlike their boxes. */
export function randomCase(kind: CocoKind, index: number): DetectionTask {
  const r = new Lcg(index * 7919 + SEEDS[kind]);
  const images: ImageRecord[] = Array.from({ length: 1 + r.below(4) }, (_, i) => ({ id: 3 * i + r.below(3), width: 320, height: 240 }));
  const categories: CategoryRecord[] = Array.from({ length: 1 + r.below(3) }, (_, k) => ({ id: 2 * k + 1, name: String(k) }));
  const truths: TruthRecord[] = [];
  const detections: DetectionRecord[] = [];
  for (const image of images) {
    const mine = Array.from({ length: r.below(6) }, () => {
      const truth = randomTruth(r, kind, image, categories, truths.length + 1);
      truths.push(truth);
      return truth;
    });
    const count = r.below(index % 50 === 7 ? 120 : 12);
    for (let i = 0; i < count; i++) detections.push(randomDetection(r, kind, image, categories, mine));
  }
  return { images, categories, truths, detections };
}

function randomTruth(r: Lcg, kind: CocoKind, image: ImageRecord, categories: readonly CategoryRecord[], id: number): TruthRecord {
  const box = randomBox(r);
  const category = categories[r.below(categories.length)]?.id ?? 0;
  const crowd = r.below(8) === 0;
  const area = (box[2] * box[3] * (4 + r.below(5))) / 8;
  const truth = { id, image: image.id, category, box, crowd, area, segmentation: polygon(box) };
  if (kind !== "keypoints") return truth;
  return { ...truth, keypoints: r.below(6) > 0 ? keypoints(r, box) : new Array<number>(51).fill(0) };
}

function randomDetection(
  r: Lcg,
  kind: CocoKind,
  image: ImageRecord,
  categories: readonly CategoryRecord[],
  mine: readonly TruthRecord[],
): DetectionRecord {
  const source = mine.length > 0 && r.below(4) > 0 ? mine[r.below(mine.length)] : undefined;
  const box = source ? jitter(r, source.box) : randomBox(r);
  const category = source && r.below(8) > 0 ? source.category : (categories[r.below(categories.length)]?.id ?? 0);
  const detection = { image: image.id, category, score: r.below(21) / 20, box };
  if (kind === "box") return detection;
  if (kind === "mask") return { ...detection, segmentation: encodeMask(maskFromPolygons(polygon(box), 240, 320)) };
  return { ...detection, keypoints: source?.keypoints ? shifted(r, source.keypoints) : keypoints(r, box) };
}

function randomSize(r: Lcg): number {
  const kind = r.below(4);
  return r.below(12) + ([0, 1, 24, 90][kind] ?? 0) + (kind > 1 ? r.below(2) * 8 : 0);
}

function randomBox(r: Lcg): BoxTuple {
  return [r.below(400) / 4, r.below(400) / 4, randomSize(r), randomSize(r)];
}

function jitter(r: Lcg, [x, y, w, h]: BoxTuple): BoxTuple {
  return [x + (r.below(9) - 4), y + (r.below(9) - 4), Math.max(0, w + (r.below(9) - 4)), Math.max(0, h + (r.below(9) - 4))];
}

function polygon([x, y, w, h]: BoxTuple): number[][] {
  return [[x, y, x + w, y + h / 4, x + w * 0.75, y + h, x + w / 4, y + h / 2]];
}

function keypoints(r: Lcg, box: BoxTuple): number[] {
  const points: number[] = [];
  for (let i = 0; i < 17; i++) points.push(box[0] + r.below(Math.trunc(box[2]) + 1), box[1] + r.below(Math.trunc(box[3]) + 1), r.below(3));
  return points;
}

function shifted(r: Lcg, points: readonly number[]): number[] {
  return points.map((v, i) => (i % 3 < 2 ? v + (r.below(7) - 3) : 1));
}
