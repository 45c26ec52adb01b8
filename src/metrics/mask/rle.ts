import { HoneError } from "../../util/errors.ts";

/** A binary mask as run lengths down the columns, starting with a run of zeros (COCO's layout). */
export interface RunLengths {
  readonly height: number;
  readonly width: number;
  readonly counts: Uint32Array;
}

/** The same as JSON has it: size is [height, width], counts are numbers or COCO's compressed text. */
export interface EncodedMask {
  readonly size: readonly [height: number, width: number];
  readonly counts: string | readonly number[];
}

/** Each polygon is x, y, x, y, … in pixels. */
export type Polygons = readonly (readonly number[])[];

const MAX_PIXELS = 0x7fffffff;

/**
 * Run lengths from their JSON form. The text form packs each count into 5-bit groups, lowest first, as characters from 48;
 * bit 5 continues, and from the fourth count on it is the difference to the count two before (cocoapi's maskApi).
 * @throws HoneError metrics.invalid when counts are malformed or do not fill the mask exactly.
 */
export function decodeMask(mask: EncodedMask): RunLengths {
  const [height, width] = checkedSize(mask.size);
  const counts = typeof mask.counts === "string" ? unpackCounts(mask.counts, height * width) : mask.counts;
  let sum = 0;
  for (const count of counts) {
    if (!(count >= 0) || !Number.isInteger(count)) throw invalid(`a run length is ${count}`);
    sum += count;
    if (sum > height * width) break;
  }
  if (sum !== height * width)
    throw invalid(`run lengths add up to ${sum}${sum > height * width ? " or more" : ""}, not ${height}x${width}`);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The compressed JSON form of run lengths. */
export function encodeMask(mask: RunLengths): EncodedMask & { readonly counts: string } {
  const { counts } = mask;
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let rest = (counts[i] as number) - (i > 2 ? (counts[i - 2] as number) : 0);
    let more = true;
    while (more) {
      let group = rest & 0x1f;
      rest >>= 5;
      more = group & 0x10 ? rest !== -1 : rest !== 0;
      if (more) group |= 0x20;
      text += String.fromCharCode(group + 48);
    }
  }
  return { size: [mask.height, mask.width], counts: text };
}

/** Run lengths of a row-major bitmap of height × width bytes, in which anything but 0 is set. */
export function maskFromBitmap(bitmap: Uint8Array, height: number, width: number): RunLengths {
  checkedSize([height, width]);
  if (bitmap.length !== height * width) throw invalid(`the bitmap has ${bitmap.length} bytes, not ${height}x${width}`);
  const counts: number[] = [];
  let set = false;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((bitmap[y * width + x] !== 0) !== set) {
        counts.push(run);
        run = 0;
        set = !set;
      }
      run++;
    }
  }
  counts.push(run);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The row-major bitmap of 0 and 1, height × width bytes. */
export function maskToBitmap(mask: RunLengths): Uint8Array {
  const { height, width, counts } = mask;
  const bitmap = new Uint8Array(height * width);
  let at = 0;
  counts.forEach((count, i) => {
    if (i & 1) for (let p = at; p < at + count; p++) bitmap[(p % height) * width + Math.floor(p / height)] = 1;
    at += count;
  });
  return bitmap;
}

/** Number of set pixels. */
export function maskArea(mask: RunLengths): number {
  let area = 0;
  for (let i = 1; i < mask.counts.length; i += 2) area += mask.counts[i] as number;
  return area;
}

/** x, y, width, height of the set pixels; all 0 for an empty mask. */
export function maskBounds(mask: RunLengths): [x: number, y: number, width: number, height: number] {
  const { height, counts } = mask;
  let [x0, y0, x1, y1] = [Infinity, Infinity, -1, -1];
  let at = 0;
  for (let i = 0; i < counts.length; i++) {
    const end = at + (counts[i] as number);
    if (i & 1 && end > at) {
      const first = Math.floor(at / height);
      const last = Math.floor((end - 1) / height);
      x0 = Math.min(x0, first);
      x1 = Math.max(x1, last);
      y0 = first === last ? Math.min(y0, at % height) : 0;
      y1 = first === last ? Math.max(y1, (end - 1) % height) : height - 1;
    }
    at = end;
  }
  return x1 < 0 ? [0, 0, 0, 0] : [x0, y0, x1 - x0 + 1, y1 - y0 + 1];
}

/** Union (default) or intersection of masks of one size. */
export function mergeMasks(masks: readonly RunLengths[], how: "union" | "intersection" = "union"): RunLengths {
  const [first, ...rest] = masks;
  if (first === undefined) throw invalid("there is no mask to merge");
  return rest.reduce((a, b) => mergeTwo(a, b, how), first);
}

function mergeTwo(a: RunLengths, b: RunLengths, how: "union" | "intersection"): RunLengths {
  if (a.height !== b.height || a.width !== b.width) throw invalid("masks of different sizes cannot be merged");
  const counts: number[] = [];
  let set = false;
  let run = 0;
  walkTwo(a.counts, b.counts, (length, inA, inB) => {
    const now = how === "union" ? inA || inB : inA && inB;
    if (now !== set) {
      counts.push(run);
      run = 0;
      set = now;
    }
    run += length;
  });
  counts.push(run);
  return { height: a.height, width: a.width, counts: Uint32Array.from(counts) };
}

/**
 * Intersection over union of two masks; if the second is a crowd, intersection over the first's own area.
 * Masks of different sizes give −1, as in cocoapi; two empty masks give 0.
 */
export function maskIou(detection: RunLengths, truth: RunLengths, crowd: boolean): number {
  if (detection.height !== truth.height || detection.width !== truth.width) return -1;
  let shared = 0;
  let either = 0;
  walkTwo(detection.counts, truth.counts, (length, inA, inB) => {
    if (inA && inB) shared += length;
    if (inA || inB) either += length;
  });
  if (shared === 0) return 0;
  return shared / (crowd ? maskArea(detection) : either);
}

/** Calls visit for each stretch over which neither mask changes. */
function walkTwo(a: Uint32Array, b: Uint32Array, visit: (length: number, inA: boolean, inB: boolean) => void): void {
  let [ia, ib] = [0, 0];
  let leftA = a[0] ?? 0;
  let leftB = b[0] ?? 0;
  while (ia < a.length && ib < b.length) {
    const length = Math.min(leftA, leftB);
    if (length > 0) visit(length, (ia & 1) === 1, (ib & 1) === 1);
    leftA -= length;
    leftB -= length;
    if (leftA === 0) leftA = a[++ia] ?? 0;
    if (leftB === 0 && ib < b.length) leftB = b[++ib] ?? 0;
  }
}

function unpackCounts(text: string, pixels: number): number[] {
  const counts: number[] = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    for (let shift = 0; ; shift += 5) {
      const group = text.charCodeAt(at++) - 48;
      if (!(group >= 0 && group < 64) || shift > 30) throw invalid("compressed run lengths are damaged");
      value |= (group & 0x1f) << shift;
      if ((group & 0x20) !== 0) continue;
      if ((group & 0x10) !== 0 && shift < 27) value |= -1 << (shift + 5);
      break;
    }
    if (counts.length > 2) value += counts[counts.length - 2] as number;
    if (value < 0 || value > pixels) throw invalid("compressed run lengths are damaged");
    counts.push(value);
  }
  return counts;
}

function checkedSize(size: readonly [number, number]): readonly [number, number] {
  const [height, width] = size;
  const good = Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0 && height * width <= MAX_PIXELS;
  if (!good) throw invalid(`the mask size ${height}x${width} is not one of 1 to ${MAX_PIXELS} pixels`);
  return size;
}

function invalid(message: string): HoneError {
  return new HoneError("metrics.invalid", `mask: ${message}`, { hint: "Check the segmentation's size and counts." });
}
