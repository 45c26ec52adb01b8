import { HoneError } from "../../util/errors.ts";
import { loadSharp } from "./sharp.ts";

/**
 * Width and height of an image file as it is seen, with its EXIF orientation applied; only its header is read.
 * Throws `image.unreadable`, `dependency.missing`.
 */
export async function imageSize(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const sharp = await loadSharp();
  try {
    const { autoOrient } = await sharp(path).metadata();
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (cause) {
    throw new HoneError("image.unreadable", "the image's size cannot be read", {
      at: { file: path },
      hint: "The file is damaged, truncated or no image.",
      cause,
    });
  }
}
