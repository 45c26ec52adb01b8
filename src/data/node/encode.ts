import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { HoneError } from "../../util/errors.ts";
import type { Image } from "../image.ts";
import { loadSharp } from "./sharp.ts";

export type ImageFormat = "png" | "jpeg" | "webp";

const FORMAT_OF: Record<string, ImageFormat> = { ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp" };

/** The format that a file name asks for. Throws `usage` when its ending is none of .png, .jpg, .jpeg, .webp. */
export function formatOf(path: string): ImageFormat {
  const format = FORMAT_OF[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  throw new HoneError("usage", "an image is written as .png, .jpg, .jpeg or .webp", {
    at: { file: path },
    hint: "Change the ending of its name.",
  });
}

/** The bytes of an image file; JPEG and WebP at quality 90. Throws `dependency.missing`. */
export async function encodeImage(image: Image, format: ImageFormat): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const raw = { width: image.width, height: image.height, channels: image.channels };
  return sharp(image.data, { raw, limitInputPixels: false })
    .toFormat(format, format === "png" ? {} : { quality: 90 })
    .toBuffer();
}

/**
 * Writes an image in the format of the file's ending: to a temporary name beside it, then renamed, so that nothing half-written is ever seen.
 * Throws `usage`, `file.unwritable`, `dependency.missing`.
 */
export async function saveImage(image: Image, path: string): Promise<void> {
  const bytes = await encodeImage(image, formatOf(path));
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await writeFile(temporary, bytes, { flag: "wx" });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HoneError("file.unwritable", `the image cannot be written: ${reason}`, { at: { file: path }, cause });
  }
}
