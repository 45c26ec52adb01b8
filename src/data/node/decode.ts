import type { FileHandle } from "node:fs/promises";
import { openToRead } from "../../runtime/node/file.ts";
import { HoneError, locate } from "../../util/errors.ts";
import { MAX_PIXELS, makeImage, type Image } from "../image.ts";
import { loadSharp, type Sharp } from "./sharp.ts";

export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Bound on width × height, checked on the header before any pixel is decoded. Default and most: 100 megapixels. */
  readonly maxPixels?: number;
}

/** Image files beyond this are not read: an uncompressed image of 100 megapixels with 16 bits and alpha is 800 MB. */
const MAX_FILE_BYTES = 1_000_000_000;

/** What is decoded; formats that run programs or fetch other files (SVG, PDF) are not. */
const FORMATS = new Set(["jpeg", "png", "webp", "gif", "tiff", "heif", "jp2", "jxl", "ppm", "raw"]);

/**
 * Reads and decodes an image file: EXIF orientation applied, grey, palette, CMYK and 16 bits turned into 8-bit RGB, alpha dropped, embedded colour
 * profiles ignored as OpenCV and Pillow do. Of an animation, the first frame.
 * Throws `file.not-found`, `file.unreadable`, `file.too-large`, `image.unreadable`, `image.too-large`, `dependency.missing`, `aborted`.
 */
export async function loadImage(path: string, options: LoadOptions = {}): Promise<Image> {
  const bytes = await readBytes(path, options.signal);
  try {
    return await decodeImage(bytes, options);
  } catch (error) {
    throw locate(error, { file: path });
  }
}

/** Decodes the bytes of an image file, as `loadImage`. */
export async function decodeImage(bytes: Uint8Array, options: LoadOptions = {}): Promise<Image> {
  const sharp = await loadSharp();
  checkAborted(options.signal);
  const cmyk = await checkHeader(sharp, bytes, Math.min(options.maxPixels ?? MAX_PIXELS, MAX_PIXELS));
  checkAborted(options.signal);
  const { data, info } = await attempt(() =>
    sharp(bytes, { ...SHARP_OPTIONS, ignoreIcc: !cmyk })
      .autoOrient()
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true }),
  );
  checkAborted(options.signal);
  return makeImage(info.width, info.height, toRgb(data, info.channels));
}

/** `error` stops at truncated and damaged pixels, not at harmless warnings. The bound on pixels is our own, on the header. */
const SHARP_OPTIONS = { failOn: "error", limitInputPixels: false } as const;

/** Checks format and size before decoding; answers whether the image is CMYK, whose colours only its profile can tell. */
async function checkHeader(sharp: Sharp, bytes: Uint8Array, maxPixels: number): Promise<boolean> {
  const meta = await attempt(() => sharp(bytes, SHARP_OPTIONS).metadata());
  if (!FORMATS.has(meta.format)) throw new HoneError("image.unreadable", `${meta.format} is not an image format that is read`);
  if (meta.width * meta.height > maxPixels) {
    throw new HoneError("image.too-large", `the image has ${meta.width}×${meta.height} pixels, more than ${maxPixels / 1e6} megapixels`, {
      hint: "Shrink it first.",
    });
  }
  return meta.space === "cmyk";
}

async function attempt<T>(decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    const [reason = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    throw new HoneError("image.unreadable", `the image cannot be decoded: ${reason.trim()}`, {
      cause,
      hint: "The file is damaged, truncated or no image.",
    });
  }
}

/** One channel becomes three equal ones; a copy detaches three from sharp's pooled buffer. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) out.fill(data[i * channels] ?? 0, i * 3, i * 3 + 3);
  return out;
}

async function readBytes(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  checkAborted(signal);
  let file: FileHandle | undefined;
  try {
    file = await openToRead(path);
    const info = await file.stat();
    if (!info.isFile()) throw new HoneError("file.unreadable", "not a regular file", { at: { file: path } });
    if (info.size > MAX_FILE_BYTES) {
      throw new HoneError("file.too-large", `an image file of ${info.size} bytes is beyond the bound of ${MAX_FILE_BYTES}`, {
        at: { file: path },
      });
    }
    return await file.readFile(signal === undefined ? {} : { signal });
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file?.close();
  }
}

/** An error of the file system in hone's words. */
export function fileError(error: unknown, path: string): unknown {
  if (error instanceof HoneError || !(error instanceof Error)) return error;
  if (error.name === "AbortError") return new HoneError("aborted", "reading was aborted", { at: { file: path }, cause: error });
  const missing = "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
  if (missing) return new HoneError("file.not-found", "there is no such file or folder", { at: { file: path }, cause: error });
  return new HoneError("file.unreadable", `cannot be read: ${error.message}`, { at: { file: path }, cause: error });
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HoneError("aborted", "reading images was aborted", { cause: signal.reason });
}
