import { HoneError } from "../../util/errors.ts";
import { mergeMasks, type Polygons, type RunLengths } from "./rle.ts";

/** cocoapi draws outlines on a grid five times as fine, and reads the mask's column borders off it. */
const FINE = 5;
const MAX_OUTLINE = 50_000_000;

/**
 * The mask that cocoapi makes of polygons: the union of each one's filling, with its rounding (maskApi's rleFrPoly).
 * A first polygon of just four numbers means that all are boxes x, y, width, height.
 * @throws HoneError metrics.invalid on coordinates that are not finite or absurdly long outlines.
 */
export function maskFromPolygons(polygons: Polygons, height: number, width: number): RunLengths {
  if (polygons.length === 0) return { height, width, counts: Uint32Array.of(height * width) };
  const asBoxes = polygons[0]?.length === 4;
  return mergeMasks(polygons.map((p) => fillPolygon(asBoxes ? corners(p) : p, height, width)));
}

function corners(box: readonly number[]): number[] {
  const [x = 0, y = 0, w = 0, h = 0] = box;
  return [x, y, x, y + h, x + w, y + h, x + w, y];
}

function fillPolygon(polygon: readonly number[], height: number, width: number): RunLengths {
  const { us, vs } = outline(polygon);
  const borders = columnBorders(us, vs, height, width);
  borders.push(height * width);
  borders.sort((a, b) => a - b);
  return { height, width, counts: runsBetween(borders) };
}

/** The outline's points on the fine grid, corner to corner along the longer axis of each edge. */
function outline(polygon: readonly number[]): { us: number[]; vs: number[] } {
  const n = polygon.length >> 1;
  const xs = new Array<number>(n + 1);
  const ys = new Array<number>(n + 1);
  let length = 0;
  for (let j = 0; j <= n; j++) {
    xs[j] = Math.trunc(FINE * (polygon[(j % n) * 2] as number) + 0.5);
    ys[j] = Math.trunc(FINE * (polygon[(j % n) * 2 + 1] as number) + 0.5);
    if (j > 0) length += Math.max(Math.abs(at(xs, j) - at(xs, j - 1)), Math.abs(at(ys, j) - at(ys, j - 1))) + 1;
  }
  if (!(length <= MAX_OUTLINE)) {
    throw new HoneError("metrics.invalid", "mask: a polygon has coordinates that are not finite or far beyond any image");
  }
  const us: number[] = [];
  const vs: number[] = [];
  for (let j = 0; j < n; j++) {
    const [x0, y0, x1, y1] = [at(xs, j), at(ys, j), at(xs, j + 1), at(ys, j + 1)];
    if (Math.abs(x1 - x0) >= Math.abs(y1 - y0)) edge(x0, y0, x1, y1, us, vs);
    else edge(y0, x0, y1, x1, vs, us);
  }
  return { us, vs };
}

/** Points of one edge; a is its longer axis. Every point is interpolated from the end with the smaller a. */
function edge(a0: number, b0: number, a1: number, b1: number, as: number[], bs: number[]): void {
  const steps = Math.abs(a1 - a0);
  const backwards = a0 > a1;
  const [low, base] = backwards ? [a1, b1] : [a0, b0];
  const slope = (backwards ? b0 - b1 : b1 - b0) / steps;
  for (let d = 0; d <= steps; d++) {
    const t = backwards ? steps - d : d;
    as.push(t + low);
    // A point-like edge has no slope; its column does not change, so its row is never looked at.
    bs.push(steps === 0 ? base : Math.trunc(base + slope * t + 0.5));
  }
}

/** Where the outline crosses from one pixel column to the next: the flat index of the pixel at which the filling starts or ends. */
function columnBorders(us: readonly number[], vs: readonly number[], height: number, width: number): number[] {
  const borders: number[] = [];
  for (let j = 1; j < us.length; j++) {
    const [u0, u1, v0, v1] = [at(us, j - 1), at(us, j), at(vs, j - 1), at(vs, j)];
    if (u1 === u0) continue;
    const column = ((u0 < u1 ? u1 - 1 : u1) + 0.5) / FINE - 0.5;
    if (!Number.isInteger(column) || column < 0 || column > width - 1) continue;
    const row = Math.ceil(Math.min(Math.max((Math.min(v0, v1) + 0.5) / FINE - 0.5, 0), height));
    borders.push(column * height + row);
  }
  return borders;
}

/** Run lengths between sorted borders; a border that occurs twice cancels out. */
function runsBetween(borders: readonly number[]): Uint32Array {
  const counts: number[] = [];
  let previous = 0;
  for (let j = 0; j < borders.length; j++) {
    const run = at(borders, j) - previous;
    previous = at(borders, j);
    if (run > 0 || counts.length === 0) counts.push(run);
    else if (++j < borders.length) {
      counts[counts.length - 1] = at(counts, counts.length - 1) + at(borders, j) - previous;
      previous = at(borders, j);
    }
  }
  return Uint32Array.from(counts);
}

function at(values: readonly number[], index: number): number {
  return values[index] as number;
}
