import { makeImage, type Image } from "../data/image.ts";
import type { Box } from "../geometry/box.ts";
import { digitsWidth, drawDigits } from "./digits.ts";
import type { Face } from "./face.ts";
import { fillCircle, fillRoundedBox, strokeRoundedBox, type Colour } from "./raster.ts";

export interface DrawOptions {
  /** Default true. */
  readonly boxes?: boolean;
  /** Default true. */
  readonly points?: boolean;
  /** The score in percent on a tag at the box; left out where a face is too small to carry it. Default true. */
  readonly scores?: boolean;
  /** Thickness of lines, pixels. Default: by the image's size. */
  readonly lineWidth?: number;
}

const FRAME: Colour = [64, 224, 160];
const SHADOW: Colour = [10, 30, 24];
const INK: Colour = [8, 40, 30];
/** Right and left eye, nose, mouth, and what follows. */
const POINTS: readonly Colour[] = [
  [255, 209, 64],
  [64, 200, 255],
  [255, 110, 150],
  [255, 160, 70],
  [150, 150, 255],
  [220, 220, 220],
];

/** A copy of the image with faces drawn on it: rounded frames, points, scores in percent. Faces may reach beyond the image. */
export function drawFaces(image: Image, faces: readonly Face[], options: DrawOptions = {}): Image {
  const picture = makeImage(image.width, image.height, image.data.slice());
  const base = options.lineWidth ?? Math.min(Math.max(Math.max(image.width, image.height) / 440, 2), 12);
  const drawable = faces.filter((f) => isDrawable(f, image));
  // The best face comes last, on top of what overlaps it.
  for (const face of [...drawable].sort((a, b) => a.score - b.score)) drawFace(picture, face, base, options);
  return picture;
}

function drawFace(picture: Image, face: Face, base: number, options: DrawOptions): void {
  const [x, y, w, h] = face.box;
  const box = { x, y, w, h };
  const side = Math.min(w, h);
  const width = Math.max(1.2, Math.min(base, side / 18));
  if (options.boxes !== false) {
    const radius = Math.min(side * 0.08, width * 5);
    strokeRoundedBox(picture, box, radius, width * 2, SHADOW, 0.35);
    strokeRoundedBox(picture, box, radius, width, FRAME);
  }
  if (options.points !== false) drawPoints(picture, face, Math.max(1.1, Math.min(base * 1.7, side / 22)));
  if (options.scores !== false) drawScore(picture, box, face.score, base);
}

function drawPoints(picture: Image, face: Face, radius: number): void {
  face.points.forEach(([x, y], i) => {
    fillCircle(picture, { x, y }, radius * 1.45, SHADOW, 0.6);
    fillCircle(picture, { x, y }, radius, POINTS[i % POINTS.length] ?? FRAME);
  });
}

/** A tag over the box's top-left corner, or under its top edge where there is no room above. */
function drawScore(picture: Image, box: Box, score: number, base: number): void {
  const text = `${Math.round(score * 100)}%`;
  const height = Math.max(7, Math.min(base * 5.5, box.w / 4));
  const pad = height * 0.42;
  const tag = { w: digitsWidth(text, height) + pad * 2, h: height + pad * 1.8 };
  if (tag.w > box.w * 1.25) return;
  const above = box.y - tag.h - base;
  const x = Math.min(Math.max(box.x - base / 2, 0), Math.max(0, picture.width - tag.w));
  const y = above >= 0 ? above : Math.max(0, box.y + base);
  fillRoundedBox(picture, { x, y, ...tag }, height * 0.3, FRAME, 0.92);
  drawDigits(picture, text, x + pad, y + pad * 0.9, height, INK);
}

function isDrawable(face: Face, image: Image): boolean {
  const [x, y, w, h] = face.box;
  const reach = 4 * Math.max(image.width, image.height);
  return w > 0 && h > 0 && w < reach && h < reach && Math.abs(x) < reach && Math.abs(y) < reach;
}
