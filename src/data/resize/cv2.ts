import { roundEven } from "../../tensor/half.ts";
import { makeImage, type Image } from "../image.ts";

/** For every output position: two source positions and their weights, which add to 2048 (11 bits). */
interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly lowWeight: Int32Array;
  readonly highWeight: Int32Array;
}

/**
 * Bilinear as OpenCV's INTER_LINEAR does it for bytes: position (d + 0.5)·s − 0.5 in float32, 11-bit weights, no antialias; rows are shifted
 * right by 4 between the passes and each product by 16. Equal to OpenCV byte for byte.
 */
export function resizeCv2(source: Image, width: number, height: number): Image {
  const target = makeImage(width, height);
  if (width === source.width && height === source.height) {
    target.data.set(source.data);
    return target;
  }
  const columns = makeTaps(source.width, width, true);
  const rows = makeTaps(source.height, height, false);
  const cache = new RowCache(source, columns, width);
  for (let y = 0; y < height; y++) {
    const top = cache.row(rows.low[y] ?? 0);
    const bottom = cache.row(rows.high[y] ?? 0);
    blendRows(top, bottom, rows.lowWeight[y] ?? 0, rows.highWeight[y] ?? 0, target.data.subarray(y * width * 3, (y + 1) * width * 3));
  }
  return target;
}

/** At the left and right edge the weight moves whole to the edge pixel (`snap`); at top and bottom OpenCV repeats the row and keeps the weights. */
function makeTaps(from: number, to: number, snap: boolean): Taps {
  const taps = { low: new Int32Array(to), high: new Int32Array(to), lowWeight: new Int32Array(to), highWeight: new Int32Array(to) };
  const scale = 1 / (to / from);
  for (let i = 0; i < to; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    const low = Math.floor(position);
    let fraction = Math.fround(position - low);
    if (snap && (low < 0 || low >= from - 1)) fraction = 0;
    taps.low[i] = Math.min(Math.max(low, 0), from - 1);
    taps.high[i] = Math.min(Math.max(low + 1, 0), from - 1);
    taps.lowWeight[i] = roundEven(Math.fround(Math.fround(1 - fraction) * 2048));
    taps.highWeight[i] = roundEven(Math.fround(fraction * 2048));
  }
  return taps;
}

/** The last two horizontally resized rows, already shifted right by 4. */
class RowCache {
  readonly #source: Image;
  readonly #taps: Taps;
  readonly #rows: { at: number; data: Int32Array }[];

  constructor(source: Image, taps: Taps, width: number) {
    this.#source = source;
    this.#taps = taps;
    this.#rows = [0, 1].map(() => ({ at: -1, data: new Int32Array(width * 3) }));
  }

  row(y: number): Int32Array {
    const slot = this.#rows[y & 1] ?? { at: -1, data: new Int32Array(0) };
    if (slot.at !== y) {
      const stride = this.#source.width * 3;
      resizeRow(this.#source.data.subarray(y * stride, (y + 1) * stride), this.#taps, slot.data);
      slot.at = y;
    }
    return slot.data;
  }
}

function resizeRow(source: Uint8Array, { low, high, lowWeight, highWeight }: Taps, out: Int32Array): void {
  for (let x = 0, o = 0; x < low.length; x++, o += 3) {
    const a = (low[x] ?? 0) * 3;
    const b = (high[x] ?? 0) * 3;
    const wa = lowWeight[x] ?? 0;
    const wb = highWeight[x] ?? 0;
    out[o] = ((source[a] ?? 0) * wa + (source[b] ?? 0) * wb) >> 4;
    out[o + 1] = ((source[a + 1] ?? 0) * wa + (source[b + 1] ?? 0) * wb) >> 4;
    out[o + 2] = ((source[a + 2] ?? 0) * wa + (source[b + 2] ?? 0) * wb) >> 4;
  }
}

function blendRows(top: Int32Array, bottom: Int32Array, topWeight: number, bottomWeight: number, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) {
    out[i] = ((((top[i] ?? 0) * topWeight) >> 16) + (((bottom[i] ?? 0) * bottomWeight) >> 16) + 2) >> 2;
  }
}
