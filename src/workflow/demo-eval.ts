/** How well the demo's detector finds faces that a person has marked: on the sample photos, and on one small sheet of them all. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AnnotationSet, DetectedObject } from "../data/annotations/annotations.ts";
import type { Image } from "../data/image.ts";
import { moveBox, type Affine } from "../geometry/transform.ts";
import type { Face } from "../vision/face.ts";
import { contactSheet } from "./contact-sheet.ts";
import labels from "./demo-faces.json" with { type: "json" };
import { evaluateDetections } from "./eval.ts";

/** COCO's AP and AP50 on so many images with so many marked faces. */
export interface DemoScore {
  readonly on: "photos" | "sheet";
  readonly AP: number;
  readonly AP50: number;
  readonly images: number;
  /** Marked by eye: see demo-faces.json. */
  readonly faces: number;
  /** Median height of a marked face, pixels. */
  readonly faceHeight: number;
}

/** A photo whose faces are known: what a person drew, [x, y, w, h] in its pixels. */
export interface MarkedPhoto {
  readonly name: string;
  readonly boxes: readonly Box4[];
}

type Box4 = readonly [number, number, number, number];

/** A curve needs its tail: detections down to this score are judged. */
export const LEAST_SCORE = 0.02;

/** The marks of a photo, known by the content of its file; undefined for any other photo. */
export async function marksOf(path: string): Promise<MarkedPhoto | undefined> {
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  const image = labels.images.find((i) => i.sha256 === sha256);
  if (image === undefined) return undefined;
  const own = labels.annotations.filter((a) => a.image_id === image.id);
  return { name: image.file_name, boxes: own.map(({ bbox: [x = 0, y = 0, w = 0, h = 0] }) => [x, y, w, h]) };
}

/** Scores what was found, one list of faces for each photo. */
export function scorePhotos(photos: readonly MarkedPhoto[], found: readonly (readonly Face[])[]): DemoScore {
  return score("photos", photos, found);
}

/** Scores a detector on one sheet of all photos, on which their faces are small. */
export async function scoreSheet(
  photos: readonly (MarkedPhoto & { readonly image: Image })[],
  find: (image: Image) => Promise<readonly Face[]>,
): Promise<DemoScore> {
  const sheet = contactSheet(photos.map((p) => p.image));
  const boxes = photos.flatMap((p, i) => p.boxes.map((box) => moved(sheet.places[i], box)));
  return score("sheet", [{ name: "sheet", boxes }], [await find(sheet.image)]);
}

function moved(place: Affine | undefined, [x, y, w, h]: Box4): Box4 {
  if (place === undefined) return [x, y, w, h];
  const box = moveBox(place, { x, y, w, h });
  return [box.x, box.y, box.w, box.h];
}

function score(on: DemoScore["on"], photos: readonly MarkedPhoto[], found: readonly (readonly Face[])[]): DemoScore {
  const boxes = photos.flatMap((p) => p.boxes);
  const set: AnnotationSet = {
    images: photos.map((p) => ({ id: p.name })),
    categories: [{ id: 1, name: "face" }],
    truths: photos.flatMap((p) => p.boxes.map((box) => ({ image: p.name, category: 1, box }))),
    problems: [],
  };
  const detections = photos.flatMap(({ name }, i) =>
    (found[i] ?? []).map((face): DetectedObject => ({ image: name, category: 1, box: face.box, score: face.score })),
  );
  const { metrics } = evaluateDetections({ format: "coco", set }, { detections, problems: [] }, { protocol: "coco" });
  const heights = boxes.map((b) => b[3]).sort((a, b) => a - b);
  return {
    on,
    AP: metrics["AP"] ?? -1,
    AP50: metrics["AP50"] ?? -1,
    images: photos.length,
    faces: boxes.length,
    faceHeight: heights[heights.length >> 1] ?? 0,
  };
}
