import type { Image } from "../data/image.ts";
import type { Box, Point } from "../geometry/box.ts";

export type Colour = readonly [red: number, green: number, blue: number];

/**
 * Fills a shape given by its signed distance (pixels, negative inside), anti-aliased over one pixel at its edge. Only pixels in `bounds` are
 * visited, and only those inside the image, so shapes may lie anywhere.
 */
export function fillShape(image: Image, bounds: Box, distance: (x: number, y: number) => number, colour: Colour, opacity = 1): void {
  const x1 = Math.max(0, Math.floor(bounds.x - 1));
  const y1 = Math.max(0, Math.floor(bounds.y - 1));
  const x2 = Math.min(image.width, Math.ceil(bounds.x + bounds.w + 1));
  const y2 = Math.min(image.height, Math.ceil(bounds.y + bounds.h + 1));
  for (let y = y1; y < y2; y++) {
    for (let x = x1; x < x2; x++) {
      const cover = Math.min(Math.max(0.5 - distance(x + 0.5, y + 0.5), 0), 1) * opacity;
      if (cover > 0) blend(image, (y * image.width + x) * 3, colour, cover);
    }
  }
}

function blend({ data }: Image, at: number, colour: Colour, cover: number): void {
  for (let c = 0; c < 3; c++) {
    const old = data[at + c] ?? 0;
    data[at + c] = Math.round(old + ((colour[c] ?? 0) - old) * cover);
  }
}

/** Signed distance to a box with rounded corners. */
export function roundedBoxDistance(box: Box, radius: number): (x: number, y: number) => number {
  const [cx, cy] = [box.x + box.w / 2, box.y + box.h / 2];
  const [hx, hy] = [box.w / 2 - radius, box.h / 2 - radius];
  return (x, y) => {
    const dx = Math.abs(x - cx) - hx;
    const dy = Math.abs(y - cy) - hy;
    return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
  };
}

export function fillRoundedBox(image: Image, box: Box, radius: number, colour: Colour, opacity = 1): void {
  fillShape(image, box, roundedBoxDistance(box, Math.min(radius, box.w / 2, box.h / 2)), colour, opacity);
}

/** The outline of a box, `width` thick, half of it inside. Its four sides are visited, not what they enclose. */
export function strokeRoundedBox(image: Image, box: Box, radius: number, width: number, colour: Colour, opacity = 1): void {
  const edge = roundedBoxDistance(box, Math.min(radius, box.w / 2, box.h / 2));
  const outline = (x: number, y: number): number => Math.abs(edge(x, y)) - width / 2;
  const rim = Math.ceil(Math.max(radius, width) + 1);
  const { x, y, w, h } = { x: box.x - width, y: box.y - width, w: box.w + width * 2, h: box.h + width * 2 };
  if (w <= rim * 2 + 4 || h <= rim * 2 + 4) {
    fillShape(image, { x, y, w, h }, outline, colour, opacity);
    return;
  }
  const [top, bottom, left, right] = [Math.floor(y + rim), Math.floor(y + h - rim), Math.floor(x + rim), Math.floor(x + w - rim)];
  const strip = (x1: number, y1: number, x2: number, y2: number): void => {
    fillShape(image, { x: x1 + 1, y: y1 + 1, w: x2 - x1 - 2, h: y2 - y1 - 2 }, outline, colour, opacity);
  };
  strip(Math.floor(x), Math.floor(y), Math.ceil(x + w), top);
  strip(Math.floor(x), bottom, Math.ceil(x + w), Math.ceil(y + h));
  strip(Math.floor(x), top, left, bottom);
  strip(right, top, Math.ceil(x + w), bottom);
}

export function fillCircle(image: Image, centre: Point, radius: number, colour: Colour, opacity = 1): void {
  const bounds = { x: centre.x - radius, y: centre.y - radius, w: radius * 2, h: radius * 2 };
  fillShape(image, bounds, (x, y) => Math.hypot(x - centre.x, y - centre.y) - radius, colour, opacity);
}

/** A line through points with round joints and ends; overlaps are not blended twice. */
export function strokePath(image: Image, path: readonly Point[], width: number, colour: Colour): void {
  const xs = path.map((p) => p.x);
  const ys = path.map((p) => p.y);
  const [x, y] = [Math.min(...xs) - width / 2, Math.min(...ys) - width / 2];
  const bounds = { x, y, w: Math.max(...xs) + width / 2 - x, h: Math.max(...ys) + width / 2 - y };
  const distance = (px: number, py: number): number => {
    let nearest = Infinity;
    for (let i = 0; i + 1 < path.length; i++) nearest = Math.min(nearest, segmentDistance(px, py, path[i], path[i + 1]));
    return nearest - width / 2;
  };
  fillShape(image, bounds, distance, colour);
}

function segmentDistance(x: number, y: number, a: Point = { x: 0, y: 0 }, b: Point = a): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length > 0 ? Math.min(Math.max(((x - a.x) * dx + (y - a.y) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - a.x - t * dx, y - a.y - t * dy);
}
