import { HoneError } from "../util/errors.ts";

/** An image in memory: red, green, blue, one byte each, row by row from the top left (HWC). */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly data: Uint8Array;
}

/** No image is decoded or made with more pixels than this: 100 megapixels, 300 MB. */
export const MAX_PIXELS = 100_000_000;

/** An image over existing pixels, or a black one. Throws `image.too-large`, or `usage` when size and data do not fit. */
export function makeImage(width: number, height: number, data?: Uint8Array): Image {
  checkSize(width, height);
  const pixels = data ?? new Uint8Array(width * height * 3);
  if (pixels.length !== width * height * 3) {
    throw new HoneError("usage", `an image of ${width}×${height} has ${width * height * 3} bytes, the data ${pixels.length}`);
  }
  return { width, height, channels: 3, data: pixels };
}

/** Throws `usage` for a size that is no size, `image.too-large` for one beyond the bound. */
export function checkSize(width: number, height: number): void {
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new HoneError("usage", `an image cannot be ${width}×${height}`, { hint: "Width and height are whole numbers from 1." });
  }
  if (width * height > MAX_PIXELS) {
    throw new HoneError("image.too-large", `an image of ${width}×${height} is beyond the bound of ${MAX_PIXELS / 1e6} megapixels`);
  }
}

/** Sets every pixel to one colour. */
export function fillImage(image: Image, [r, g, b]: readonly [number, number, number]): void {
  const { data } = image;
  if (r === g && g === b) {
    data.fill(r);
    return;
  }
  for (let i = 0; i < data.length; i += 3) {
    data[i] = r;
    data[i + 1] = g;
    data[i + 2] = b;
  }
}

/** Copies `source` whole into `target` with its top-left corner at (x, y). Throws `usage` when it does not lie inside. */
export function paste(source: Image, target: Image, x: number, y: number): void {
  if (x < 0 || y < 0 || x + source.width > target.width || y + source.height > target.height) {
    throw new HoneError("usage", `${source.width}×${source.height} at ${x},${y} does not lie inside ${target.width}×${target.height}`);
  }
  const row = source.width * 3;
  for (let i = 0; i < source.height; i++) {
    target.data.set(source.data.subarray(i * row, (i + 1) * row), ((y + i) * target.width + x) * 3);
  }
}
