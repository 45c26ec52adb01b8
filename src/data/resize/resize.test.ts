import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../util/hash.ts";
import { synthetic } from "../testing/synthetic.ts";
import { resize } from "./resize.ts";

interface Golden {
  readonly dialect: "cv2" | "pil" | "pil-bicubic";
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly base64?: string;
  readonly sha256?: string;
}

const goldens = JSON.parse(readFileSync(new URL("./goldens/resize.json", import.meta.url), "utf8")) as { cases: Golden[] };

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
