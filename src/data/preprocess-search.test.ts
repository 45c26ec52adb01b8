import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Preprocess } from "../engine/recipe.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import type { Image } from "./image.ts";
import { preprocess } from "./normalize.ts";
import { distanceOf, RESIZES, SAME_PIXELS, searchPreprocess } from "./preprocess-search.ts";
import { synthetic } from "./testing/synthetic.ts";

interface Golden {
  readonly what: string;
  readonly type: "float32" | "uint8";
  readonly dims: readonly number[];
  readonly base64: string;
}

const goldens = JSON.parse(readFileSync(new URL("./goldens/preprocess.json", import.meta.url), "utf8")) as {
  readonly image: readonly [number, number];
  readonly cases: readonly Golden[];
};

function tensorOf({ type, dims, base64 }: Golden): Tensor {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  return type === "uint8" ? tensor("uint8", dims, bytes) : tensor("float32", dims, new Float32Array(bytes.buffer));
}

const three = (v: number): [number, number, number] => [v, v, v];
const EXPECTED: readonly Preprocess[] = [
  {
    resize: { dialect: "cv2", fit: "letterbox", place: "centre", fill: three(114) },
    channels: "RGB",
    layout: "NCHW",
    dtype: "float32",
    mean: three(0),
    std: three(255),
  },
  {
    resize: { dialect: "pil", fit: "stretch", place: "top-left", fill: three(0) },
    channels: "RGB",
    layout: "NCHW",
    dtype: "float32",
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
  },
  {
    resize: { dialect: "cv2", fit: "stretch", place: "top-left", fill: three(0) },
    channels: "BGR",
    layout: "NHWC",
    dtype: "float32",
    mean: [104, 117, 123],
    std: three(1),
  },
  {
    resize: { dialect: "pil-bicubic", fit: "letterbox", place: "top-left", fill: three(0) },
    channels: "RGB",
    layout: "NCHW",
    dtype: "float32",
    mean: three(127.5),
    std: three(128),
  },
  {
    resize: { dialect: "cv2", fit: "stretch", place: "top-left", fill: three(0) },
    channels: "BGR",
    layout: "NHWC",
    dtype: "uint8",
    mean: three(0),
    std: three(1),
  },
];

describe("what others made is recognised", () => {
  const image = synthetic(...goldens.image);
  goldens.cases.forEach((golden, i) => {
    test(golden.what, () => {
      const { best, same } = searchPreprocess(image, tensorOf(golden));
      const expected = EXPECTED[i];
      expect(best.rule).toEqual(expected);
      expect(best.distance.max).toBeLessThan(SAME_PIXELS);
      expect(same).toHaveLength(1);
      expect(expected && distanceOf(image, tensorOf(golden), expected)?.max).toBeLessThan(SAME_PIXELS);
    });
  });
});

describe("what hone makes itself is found again", () => {
  const image = synthetic(90, 41);
  const orders = ["RGB", "BGR"] as const;
  const layouts = ["NCHW", "NHWC"] as const;
  const cases = RESIZES.flatMap((resize) => orders.flatMap((channels) => layouts.map((layout) => ({ resize, channels, layout }))));
  test.each(cases)("%j", ({ resize, channels, layout }) => {
    const fill = resize.fit === "stretch" ? three(0) : ([10, 20, 30] as const);
    const rule: Preprocess = { resize: { ...resize, fill }, channels, layout, dtype: "float32", mean: [11, 22, 33], std: [44, 55, 66] };
    const { best } = searchPreprocess(image, preprocess(image, 40, 32, rule).tensor);
    expect({ ...best.rule, mean: [], std: [] }).toEqual({ ...rule, mean: [], std: [] });
    best.rule.mean.forEach((v, c) => expect(v).toBeCloseTo(rule.mean[c] ?? NaN, 2));
    best.rule.std.forEach((v, c) => expect(v).toBeCloseTo(rule.std[c] ?? NaN, 2));
    expect(best.distance.max).toBeLessThan(SAME_PIXELS);
  });
});

test("what an image cannot tell apart is said", () => {
  const image = synthetic(32, 32);
  const rule = EXPECTED[0];
  if (rule === undefined) throw new Error("a rule");
  const { same } = searchPreprocess(image, preprocess(image, 32, 32, rule).tensor);
  expect(same).toHaveLength(RESIZES.length);
});

test("what comes from elsewhere is far from every variant", () => {
  const other: Image = synthetic(50, 50);
  const rule = EXPECTED[1];
  if (rule === undefined) throw new Error("a rule");
  const turned = { ...other, data: other.data.toReversed() };
  expect(searchPreprocess(other, preprocess(turned, 24, 24, rule).tensor).best.distance.mean).toBeGreaterThan(10);
});

test("a reference that is no picture is refused", () => {
  const image = synthetic(8, 8);
  const codeOf = (t: Tensor): string => {
    try {
      searchPreprocess(image, t);
      return "found";
    } catch (error) {
      return error instanceof HoneError ? error.code : "another error";
    }
  };
  expect(codeOf(tensor("float32", [1, 1, 8, 8], new Float32Array(64)))).toBe("feeds.invalid");
  expect(codeOf(tensor("float32", [2, 3, 4, 4], new Float32Array(96)))).toBe("feeds.invalid");
  expect(codeOf(tensor("float32", [1, 3, 4, 4], new Float32Array(48).fill(NaN)))).toBe("feeds.invalid");
});
