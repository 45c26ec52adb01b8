/**
 * An axis-aligned box in continuous pixel coordinates: (x, y) is its top-left corner, and an image of width W spans x from 0 to W.
 * There is no "+1": a box from x = 3 to x = 7 is 4 wide.
 */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Area in square pixels; 0 for a box turned inside out. */
export function boxArea(b: Box): number {
  return Math.max(0, b.w) * Math.max(0, b.h);
}

/** The box between two corners, given in any order. */
export function boxFromCorners(x1: number, y1: number, x2: number, y2: number): Box {
  return { x: Math.min(x1, x2), y: Math.min(y1, y2), w: Math.abs(x2 - x1), h: Math.abs(y2 - y1) };
}

/** The box of a size around a centre. */
export function boxFromCentre(cx: number, cy: number, w: number, h: number): Box {
  return { x: cx - w / 2, y: cy - h / 2, w, h };
}

/** Area that two boxes share; 0 when they only touch. */
export function intersection(a: Box, b: Box): number {
  const w = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

/** Intersection over union, 0 to 1. Two empty boxes give 0. */
export function iou(a: Box, b: Box): number {
  const shared = intersection(a, b);
  return shared > 0 ? shared / (boxArea(a) + boxArea(b) - shared) : 0;
}

/** The part of a box that lies in an image of width × height; a box outside becomes empty at the nearest edge. */
export function clipBox(b: Box, width: number, height: number): Box {
  const x1 = clamp(b.x, 0, width);
  const y1 = clamp(b.y, 0, height);
  return { x: x1, y: y1, w: Math.max(0, clamp(b.x + b.w, 0, width) - x1), h: Math.max(0, clamp(b.y + b.h, 0, height) - y1) };
}

function clamp(v: number, low: number, high: number): number {
  return Math.min(Math.max(v, low), high);
}
