import { HoneError } from "../../util/errors.ts";
import { loadSharp } from "./sharp.ts";

const POINTS_PER_INCH = 72;

/**
 * An SVG picture that hone made, as a PNG file with `scale` pixels for each of its units. Not for pictures of others, which could name files.
 * Throws `dependency.missing`, `image.unreadable`.
 */
export async function rasterizeSvg(svg: string, scale = 2): Promise<Uint8Array> {
  const sharp = await loadSharp();
  try {
    return await sharp(Buffer.from(svg), { density: POINTS_PER_INCH * scale })
      .flatten({ background: "#ffffff" })
      .png()
      .toBuffer();
  } catch (cause) {
    throw new HoneError("image.unreadable", "the picture cannot be drawn as a PNG", { cause });
  }
}
