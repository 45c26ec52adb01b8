import { HoneError } from "../util/errors.ts";
import type { Box, Point } from "./box.ts";

/** The 2×3 matrix [a b c; d e f], row by row: x' = a·x + b·y + c, y' = d·x + e·y + f. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export const IDENTITY: Affine = [1, 0, 0, 0, 1, 0];

/** Scales by (sx, sy), then moves by (tx, ty). */
export function scaleThenMove(sx: number, sy: number, tx: number, ty: number): Affine {
  return [sx, 0, tx, 0, sy, ty];
}

/** The transform that does `first`, then `second`. */
export function compose(first: Affine, second: Affine): Affine {
  const [a, b, c, d, e, f] = first;
  const [p, q, r, s, t, u] = second;
  return [p * a + q * d, p * b + q * e, p * c + q * f + r, s * a + t * d, s * b + t * e, s * c + t * f + u];
}

/** The inverse. Throws `usage` when the transform flattens the plane. */
export function invert(m: Affine): Affine {
  const [a, b, c, d, e, f] = m;
  const det = a * e - b * d;
  if (!Number.isFinite(det) || det === 0) {
    throw new HoneError("usage", `the affine transform [${m.join(", ")}] has no inverse`, { hint: "Its scale must not be zero." });
  }
  if (b === 0 && d === 0) return [1 / a, 0, -c / a, 0, 1 / e, -f / e];
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

export function movePoint(m: Affine, p: Point): Point {
  const [a, b, c, d, e, f] = m;
  return { x: a * p.x + b * p.y + c, y: d * p.x + e * p.y + f };
}

/** The axis-aligned box around the moved corners; exact when the transform only scales and moves. */
export function moveBox(m: Affine, box: Box): Box {
  const corners = [
    movePoint(m, { x: box.x, y: box.y }),
    movePoint(m, { x: box.x + box.w, y: box.y }),
    movePoint(m, { x: box.x, y: box.y + box.h }),
    movePoint(m, { x: box.x + box.w, y: box.y + box.h }),
  ];
  const x = Math.min(...corners.map((p) => p.x));
  const y = Math.min(...corners.map((p) => p.y));
  return { x, y, w: Math.max(...corners.map((p) => p.x)) - x, h: Math.max(...corners.map((p) => p.y)) - y };
}

/**
 * The similarity (uniform scale, rotation, translation, no reflection) that brings `from` closest to `to` in least squares.
 * Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991; in the plane it has a closed form.
 * Throws `usage` for fewer than two pairs, lists of different length, or points that all coincide.
 */
export function similarity(from: readonly Point[], to: readonly Point[]): Affine {
  if (from.length !== to.length || from.length < 2) {
    throw new HoneError("usage", `a similarity needs two or more pairs of points, got ${from.length} and ${to.length}`);
  }
  const p = centroid(from);
  const q = centroid(to);
  let dot = 0;
  let cross = 0;
  let spread = 0;
  from.forEach((s, i) => {
    const t = to[i] ?? q;
    const [sx, sy, tx, ty] = [s.x - p.x, s.y - p.y, t.x - q.x, t.y - q.y];
    dot += sx * tx + sy * ty;
    cross += sx * ty - sy * tx;
    spread += sx * sx + sy * sy;
  });
  if (!(spread > 0) || !Number.isFinite(spread)) {
    throw new HoneError("usage", "a similarity needs points that differ from each other and are finite");
  }
  const a = dot / spread;
  const b = cross / spread;
  return [a, -b, q.x - a * p.x + b * p.y, b, a, q.y - b * p.x - a * p.y];
}

function centroid(points: readonly Point[]): Point {
  const sum = points.reduce((s, p) => ({ x: s.x + p.x, y: s.y + p.y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}
