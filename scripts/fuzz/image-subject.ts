/** Mutants of image files, which are decoded. */
import { decodeImage } from "../../src/data/node/decode.ts";
import { mutateBytes } from "./random.ts";
import type { Subject } from "./subject.ts";

export async function image(): Promise<Subject> {
  const { default: sharp } = await import("sharp");
  const pixels = Buffer.from(Array.from({ length: 48 * 32 * 3 }, (_, i) => (i * 7919) % 251));
  const plain = (): ReturnType<typeof sharp> => sharp(pixels, { raw: { width: 48, height: 32, channels: 3 } });
  const seeds = await Promise.all([
    plain()
      .jpeg()
      .withExif({ IFD0: { Orientation: "6" } })
      .toBuffer(),
    plain().jpeg({ progressive: true, chromaSubsampling: "4:4:4" }).toBuffer(),
    plain().toColourspace("cmyk").jpeg().toBuffer(),
    plain().png().toBuffer(),
    plain().png({ palette: true, progressive: true }).toBuffer(),
    plain().toColourspace("rgb16").png().toBuffer(),
    plain().webp().toBuffer(),
    plain().gif().toBuffer(),
    plain().tiff().toBuffer(),
  ]);
  return {
    mutant: (random) => {
      const bytes = mutateBytes(random.pick(seeds), random);
      return random.chance(0.7) ? withChecksums(bytes) : bytes;
    },
    passes: async (bytes) => {
      try {
        await sharp(bytes, { failOn: "error" }).metadata();
        return true;
      } catch {
        return false;
      }
    },
    run: async (bytes) => {
      await decodeImage(bytes, { maxPixels: 4_000_000 });
      return "decoded";
    },
  };
}

/** A PNG whose chunks have the checksums that fit, so that a decoder reads on. */
function withChecksums(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x89 || bytes[1] !== 0x50) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}

/** PNG's checksum, ISO 3309. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
