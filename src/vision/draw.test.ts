import { describe, expect, test } from "vitest";
import { fillImage, makeImage, type Image } from "../data/image.ts";
import { digitsWidth, drawDigits } from "./digits.ts";
import { drawFaces } from "./draw.ts";
import { fillCircle, strokePath, strokeRoundedBox } from "./raster.ts";

const WHITE = [255, 255, 255] as const;

function grey(image: Image, x: number, y: number): number {
  return image.data[(y * image.width + x) * 3] ?? NaN;
}

/** Sum of the red channel in units of one full pixel: the area that white ink covers on black. */
function inkArea(image: Image): number {
  let sum = 0;
  for (let i = 0; i < image.data.length; i += 3) sum += image.data[i] ?? 0;
  return sum / 255;
}

describe("shapes", () => {
  test("a circle covers its area, anti-aliased, wherever it lies between pixels", () => {
    for (const offset of [0, 0.3, 0.5]) {
      const image = makeImage(40, 40);
      fillCircle(image, { x: 20 + offset, y: 20 - offset }, 9, WHITE);
      expect(inkArea(image) / (Math.PI * 81)).toBeCloseTo(1, 1);
      expect(grey(image, 20, 20)).toBe(255);
      expect(grey(image, 2, 2)).toBe(0);
    }
  });

  test("a line covers length times width and its round ends", () => {
    const image = makeImage(60, 60);
    strokePath(
      image,
      [
        { x: 10, y: 10 },
        { x: 40, y: 50 },
      ],
      4,
      WHITE,
    );
    expect(inkArea(image) / (50 * 4 + Math.PI * 4)).toBeCloseTo(1, 1);
  });

  test("an outline leaves its inside and its surroundings alone, and has no seams", () => {
    const image = makeImage(100, 80);
    strokeRoundedBox(image, { x: 20, y: 16, w: 60, h: 48 }, 6, 4, WHITE);
    expect(grey(image, 50, 40)).toBe(0);
    expect(grey(image, 10, 40)).toBe(0);
    for (let x = 27; x < 73; x++) expect([grey(image, x, 15), grey(image, x, 16), grey(image, x, 63)]).toEqual([255, 255, 255]);
    for (let y = 23; y < 57; y++) expect([grey(image, 19, y), grey(image, 20, y), grey(image, 79, y)]).toEqual([255, 255, 255]);
    const expected = 2 * (48 + 36) * 4 + 2 * Math.PI * 6 * 4;
    expect(inkArea(image) / expected).toBeCloseTo(1, 1);
  });

  test("half-transparent ink overlaps nowhere in an outline", () => {
    const image = makeImage(100, 80);
    strokeRoundedBox(image, { x: 20, y: 16, w: 60, h: 48 }, 6, 4, WHITE, 0.5);
    expect(Math.max(...image.data)).toBe(128);
  });

  test("digits take the width that is announced and differ from each other", () => {
    const seen = new Set<string>();
    for (const c of "0123456789%.") {
      const image = makeImage(40, 40);
      drawDigits(image, c, 4, 4, 24, WHITE);
      seen.add(Buffer.from(image.data).toString("base64"));
      expect(inkArea(image)).toBeGreaterThan(3);
    }
    expect(seen.size).toBe(12);
    expect(digitsWidth("88", 24)).toBeGreaterThan(digitsWidth("8", 24));
  });
});

describe("faces", () => {
  const face = {
    box: [30, 40, 60, 70],
    score: 0.87,
    points: [
      [50, 60],
      [70, 60],
      [60, 75],
      [52, 90],
      [68, 90],
    ],
  } as const;

  test("are drawn on a copy, where they are", () => {
    const image = makeImage(160, 160);
    fillImage(image, [50, 50, 50]);
    const drawn = drawFaces(image, [face]);
    expect(new Set(image.data)).toEqual(new Set([50]));
    expect(grey(drawn, 30, 80)).not.toBe(50);
    expect(grey(drawn, 50, 60)).toBeGreaterThan(200);
    expect(grey(drawn, 140, 140)).toBe(50);
    const bare = drawFaces(image, [face], { boxes: false, points: false, scores: false });
    expect(Buffer.compare(bare.data, image.data)).toBe(0);
  });

  test("outside, huge, tiny or broken ones do no harm", () => {
    const image = makeImage(64, 48);
    const boxes = [
      [-30, -30, 50, 50],
      [60, 40, 500, 500],
      [10, 10, 0.5, 0.5],
      [0, 0, 0, 0],
      [1e12, 0, 10, 10],
      [0, 0, 1e12, 1e12],
      [NaN, 0, 10, 10],
    ] as const;
    const drawn = drawFaces(
      image,
      boxes.map((box) => ({ box, score: 0.5, points: [[-5, 1000]] })),
    );
    expect([drawn.width, drawn.height]).toEqual([64, 48]);
  });
});
