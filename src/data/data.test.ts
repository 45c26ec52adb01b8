import { describe, expect, test } from "vitest";
import { moveBox, movePoint } from "../geometry/transform.ts";
import { fillImage, makeImage, paste } from "./image.ts";
import { fitImage, placeImage } from "./letterbox.ts";
import { preprocess, toTensor } from "./normalize.ts";

const centre = { dialect: "cv2", fit: "letterbox", place: "centre", fill: [114, 114, 114] } as const;
const corner = { ...centre, place: "top-left", fill: [1, 2, 3] } as const;

describe("letterbox", () => {
  test("centre rounds as YOLO does: an odd rest gives the smaller half to the top", () => {
    expect(placeImage({ width: 1280, height: 720 }, 640, 640, centre)).toMatchObject({ width: 640, height: 360, x: 0, y: 140 });
    expect(placeImage({ width: 640, height: 427 }, 640, 640, centre)).toMatchObject({ width: 640, height: 427, x: 0, y: 106 });
    expect(placeImage({ width: 333, height: 500 }, 128, 128, centre)).toMatchObject({ width: 85, height: 128, x: 21, y: 0 });
  });

  test("top-left truncates as InsightFace does", () => {
    expect(placeImage({ width: 333, height: 500 }, 640, 640, corner)).toMatchObject({ width: 426, height: 640, x: 0, y: 0 });
    expect(placeImage({ width: 500, height: 333 }, 640, 640, corner)).toMatchObject({ width: 640, height: 426 });
  });

  test("an extreme aspect ratio keeps a pixel", () => {
    expect(placeImage({ width: 100_000, height: 1 }, 128, 128, centre)).toMatchObject({ width: 128, height: 1 });
    expect(placeImage({ width: 1, height: 100_000 }, 128, 128, corner)).toMatchObject({ width: 1, height: 128 });
  });

  test("boxes and points come back without drift, for odd sizes too", () => {
    for (const rule of [centre, corner, { ...centre, fit: "stretch" } as const]) {
      const { forward, back } = placeImage({ width: 1283, height: 717 }, 192, 192, rule);
      const box = { x: 101.25, y: 33.5, w: 60, h: 71 };
      const there = moveBox(forward, box);
      const again = moveBox(back, there);
      for (const key of ["x", "y", "w", "h"] as const) expect(again[key]).toBeCloseTo(box[key], 9);
      const { x, y, width, height } = placeImage({ width: 1283, height: 717 }, 192, 192, rule);
      const whole = movePoint(forward, { x: 1283, y: 717 });
      expect(whole.x).toBeCloseTo(x + width, 9);
      expect(whole.y).toBeCloseTo(y + height, 9);
    }
  });

  test("the rest is filled", () => {
    const image = makeImage(4, 2);
    fillImage(image, [9, 9, 9]);
    const { image: out } = fitImage(image, 4, 4, corner);
    expect([...out.data.subarray(0, 24)]).toEqual(new Array(24).fill(9));
    expect([...out.data.subarray(24, 30)]).toEqual([1, 2, 3, 1, 2, 3]);
  });
});

describe("tensor", () => {
  const image = makeImage(2, 1, Uint8Array.of(10, 20, 30, 40, 50, 60));
  const plain = { channels: "RGB", layout: "NCHW", dtype: "float32", mean: [0, 0, 0], std: [1, 1, 1] } as const;

  test("planar or interleaved, RGB or BGR", () => {
    expect(toTensor(image, plain)).toMatchObject({ type: "float32", dims: [1, 3, 1, 2], data: Float32Array.of(10, 40, 20, 50, 30, 60) });
    expect(toTensor(image, { ...plain, channels: "BGR" }).data).toEqual(Float32Array.of(30, 60, 20, 50, 10, 40));
    expect(toTensor(image, { ...plain, layout: "NHWC" })).toMatchObject({
      dims: [1, 1, 2, 3],
      data: Float32Array.of(10, 20, 30, 40, 50, 60),
    });
    expect(toTensor(image, { ...plain, layout: "NHWC", channels: "BGR" }).data).toEqual(Float32Array.of(30, 20, 10, 60, 50, 40));
  });

  test("mean and std are in the tensor's channel order", () => {
    const out = toTensor(image, { ...plain, channels: "BGR", mean: [30, 20, 10], std: [1, 2, 4] });
    expect(out.data).toEqual(Float32Array.of(0, 30, 0, 15, 0, 7.5));
  });

  test("uint8 rounds and clamps", () => {
    const out = toTensor(image, { ...plain, dtype: "uint8", mean: [20, 0, 0], std: [1, 0.1, 7] });
    expect(out).toMatchObject({ type: "uint8", data: Uint8Array.of(0, 20, 200, 255, 4, 9) });
  });

  test("preprocess tells where the image lies", () => {
    const { tensor, placement } = preprocess(image, 8, 8, { ...plain, resize: centre });
    expect(tensor.dims).toEqual([1, 3, 8, 8]);
    expect(placement).toMatchObject({ x: 0, y: 2, width: 8, height: 4 });
  });
});

test("sizes and places that do not fit are errors", () => {
  expect(() => makeImage(2, 2, new Uint8Array(11))).toThrow(/12 bytes, the data 11/);
  expect(() => makeImage(20_000, 20_000)).toThrow(/megapixels/);
  expect(() => makeImage(1.5, 2)).toThrow(/cannot be/);
  expect(() => paste(makeImage(3, 3), makeImage(4, 4), 2, 0)).toThrow(/does not lie inside/);
});
