import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../util/hash.ts";
import { makeImage, type Image } from "../image.ts";
import { resize } from "./resize.ts";

interface Golden {
  readonly dialect: "cv2" | "pil" | "pil-bicubic";
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly base64?: string;
  readonly sha256?: string;
}

const goldens = JSON.parse(readFileSync(new URL("./goldens/resize.json", import.meta.url), "utf8")) as { cases: Golden[] };

/** The formula of scripts/goldens/resize.py. */
function synthetic(width: number, height: number): Image {
  const image = makeImage(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) {
        const noise = (((x * 73 + 11) * (y * 151 + 7) * (c * 29 + 3)) % 65521) >> 3;
        const slope = x * 5 + y * 3 + c * 40 + ((Math.floor(x / 4) + Math.floor(y / 3)) % 2 === 0 ? 128 : 0);
        image.data[i] = (x * 2 < width ? noise : slope) % 256;
      }
    }
  }
  return image;
}

describe("resize equals the library of its dialect", () => {
  for (const g of goldens.cases) {
    test(`${g.dialect} ${g.from.join("×")} → ${g.to.join("×")}`, () => {
      const out = resize(synthetic(...g.from), ...g.to, g.dialect);
      expect([out.width, out.height]).toEqual(g.to);
      if (g.base64 !== undefined) expect(Buffer.compare(out.data, Buffer.from(g.base64, "base64"))).toBe(0);
      else expect(sha256(out.data)).toBe(g.sha256);
    });
  }

  test("all dialects were compared", () => {
    expect(new Set(goldens.cases.map((g) => g.dialect))).toEqual(new Set(["cv2", "pil", "pil-bicubic"]));
  });
});

test("a resize to the same size is a copy", () => {
  const image = synthetic(8, 6);
  for (const dialect of ["cv2", "pil", "pil-bicubic"] as const) {
    const out = resize(image, 8, 6, dialect);
    expect(out.data).toEqual(image.data);
    expect(out.data).not.toBe(image.data);
  }
});

test("an absurd size is refused before anything is allocated", () => {
  expect(() => resize(synthetic(2, 2), 1e9, 1e9, "cv2")).toThrow(/megapixels/);
  expect(() => resize(synthetic(2, 2), 0, 5, "pil")).toThrow(/cannot be 0×/);
});
