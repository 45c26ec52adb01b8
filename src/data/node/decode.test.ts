import { mkdtempSync, readdirSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { HoneError } from "../../util/errors.ts";
import { makeImage } from "../image.ts";
import { decodeImage, loadImage } from "./decode.ts";
import { encodeImage, saveImage } from "./encode.ts";
import { listImages } from "./source.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-data-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 3×2: red, green, blue over black, white, grey. */
const pixels = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 120, 120, 120);
const raw = { width: 3, height: 2, channels: 3 } as const;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  return error instanceof HoneError ? error.code : `no HoneError: ${String(error)}`;
}

describe("decode", () => {
  test("RGB is returned as it is", async () => {
    const image = await decodeImage(await sharp(pixels, { raw }).png().toBuffer());
    expect(image).toEqual({ width: 3, height: 2, channels: 3, data: pixels });
  });

  test("EXIF orientation is applied", async () => {
    const image = await decodeImage(await sharp(pixels, { raw }).withMetadata({ orientation: 6 }).png().toBuffer());
    expect([image.width, image.height]).toEqual([2, 3]);
    expect([...image.data.subarray(0, 6)]).toEqual([0, 0, 0, 255, 0, 0]);
  });

  test("grey, with and without alpha, becomes three equal channels", async () => {
    const grey = Uint8Array.of(0, 100, 200, 255);
    const png = await sharp(grey, { raw: { width: 2, height: 2, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    expect([...(await decodeImage(png)).data]).toEqual([0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255]);
    const withAlpha = await sharp(png).ensureAlpha(0.5).png().toBuffer();
    expect([...(await decodeImage(withAlpha)).data]).toEqual([0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255]);
  });

  test("alpha is dropped, not blended", async () => {
    const rgba = Uint8Array.of(10, 20, 30, 0, 40, 50, 60, 255);
    const image = await decodeImage(
      await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
        .png()
        .toBuffer(),
    );
    expect([...image.data]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  test("16 bits become 8", async () => {
    const deep = Uint16Array.of(0, 0x8080, 0xffff, 0xffff, 0x4040, 0);
    const png = await sharp(deep, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe("ushort");
    expect([...(await decodeImage(png)).data]).toEqual([0, 0x80, 0xff, 0xff, 0x40, 0]);
    const grey = await sharp(Uint16Array.of(0, 0x8080), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    expect([...(await decodeImage(grey)).data]).toEqual([0, 0, 0, 0x80, 0x80, 0x80]);
  });

  test("CMYK becomes RGB", async () => {
    const red = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#e02020" } })
      .toColourspace("cmyk")
      .jpeg()
      .toBuffer();
    const image = await decodeImage(red);
    expect([image.width, image.height]).toEqual([8, 8]);
    const [r = 0, g = 0, b = 0] = image.data;
    expect(r).toBeGreaterThan(180);
    expect(Math.max(g, b)).toBeLessThan(90);
  });
});

describe("decode refuses", () => {
  test("more pixels than the bound, before decoding", async () => {
    const png = await sharp(pixels, { raw }).png().toBuffer();
    expect(await codeOf(decodeImage(png, { maxPixels: 5 }))).toBe("image.too-large");
    const header = Buffer.from(png);
    header.writeUInt32BE(60_000, 16);
    header.writeUInt32BE(60_000, 20);
    expect(["image.too-large", "image.unreadable"]).toContain(await codeOf(decodeImage(header)));
  });

  test("garbage, nothing, text, a truncated JPEG and PNG, naming the file", async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const big = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
    const jpeg = await big.clone().jpeg().toBuffer();
    const png = await big.clone().png().toBuffer();
    const cases = {
      "a.jpg": "no image",
      "b.jpg": "",
      "c.jpg": jpeg.subarray(0, jpeg.length >> 1),
      "d.png": png.subarray(0, png.length >> 1),
      "e.png": png.subarray(0, 20),
    };
    for (const [name, bytes] of Object.entries(cases)) {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      const error: unknown = await loadImage(path).catch((e: unknown) => e);
      expect(error, name).toMatchObject({ code: "image.unreadable", at: { file: path } });
    }
  });

  test("SVG, which could name other files", async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>');
    expect(await codeOf(decodeImage(svg))).toBe("image.unreadable");
  });

  test("no file, a folder, a fired signal", async () => {
    expect(await codeOf(loadImage(join(folder, "absent.png")))).toBe("file.not-found");
    expect(await codeOf(loadImage(folder))).toBe("file.unreadable");
    expect(await codeOf(loadImage(folder, { signal: AbortSignal.abort() }))).toBe("aborted");
  });
});

describe("encode", () => {
  test("PNG comes back equal, and no temporary file stays", async () => {
    const path = join(folder, "out.png");
    await saveImage(makeImage(3, 2, pixels), path);
    expect((await loadImage(path)).data).toEqual(pixels);
    expect(readdirSync(folder).filter((f) => f.endsWith(".tmp"))).toEqual([]);
    expect((await encodeImage(makeImage(3, 2, pixels), "jpeg"))[0]).toBe(0xff);
  });

  test("an output that cannot be written is an error and leaves nothing", async () => {
    expect(await codeOf(saveImage(makeImage(1, 1), join(folder, "no", "out.png")))).toBe("file.unwritable");
    mkdirSync(join(folder, "taken.png"));
    expect(await codeOf(saveImage(makeImage(1, 1), join(folder, "taken.png")))).toBe("file.unwritable");
    expect(readdirSync(folder).filter((f) => f.endsWith(".tmp"))).toEqual([]);
    expect(await codeOf(saveImage(makeImage(1, 1), join(folder, "out.bmp")))).toBe("usage");
  });
});

test("a folder lists its images, sorted", async () => {
  const sub = join(folder, "list");
  mkdirSync(join(sub, "inner"), { recursive: true });
  for (const name of ["b.JPG", "a.png", "note.txt", ".hidden.png", "inner/c.webp"]) writeFileSync(join(sub, name), "");
  expect(await listImages(sub)).toEqual([join(sub, "a.png"), join(sub, "b.JPG")]);
  expect(await listImages(sub, { recursive: true })).toEqual([join(sub, "a.png"), join(sub, "b.JPG"), join(sub, "inner/c.webp")]);
  expect(await listImages(join(sub, "a.png"))).toEqual([join(sub, "a.png")]);
  expect(await codeOf(listImages(join(sub, "absent")))).toBe("file.not-found");
});
