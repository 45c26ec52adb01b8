import { expect, test } from "vitest";
import type { DecoderRule } from "../../engine/recipe.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { decodeDetections, type Detection } from "../detect.ts";
import { decodeFaces } from "../face.ts";
import { recipeNamed } from "../recipes.ts";
import { openDecoder } from "./kinds.ts";

const identity = { back: [1, 0, 0, 0, 1, 0] } as const;

function zeros(dims: readonly number[], set: Record<number, number>): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  for (const [i, value] of Object.entries(set)) data[Number(i)] = value;
  return tensor("float32", dims, data);
}

function near({ box }: Detection, expected: readonly number[]): void {
  box.forEach((v, i) => expect(v).toBeCloseTo(expected[i] ?? NaN, 3));
}

const SSD: DecoderRule = {
  kind: "ssd",
  params: {
    strides: [8, 16],
    anchors: [
      [10, 20],
      [30, 30, 40, 10],
    ],
    cells: "stride",
    variances: [0.1, 0.2],
    background: 1,
    minScore: 0.5,
    iou: 0.5,
  },
};

test("SSD: a prior, its offsets and variances by hand; classes after the background", () => {
  const decoder = openDecoder(SSD);
  const size = { width: 32, height: 24 };
  // 4×3 cells of one prior, then 2×2 of two: prior 12 + (row 1, column 0, second) = 12 + 2 · 2 + 1.
  const prior = 17;
  expect(decoder.rows(size)).toEqual({ boxes: 20, scores: 20 });
  const boxes = zeros([20, 4], { [prior * 4]: 2, [prior * 4 + 1]: -1, [prior * 4 + 2]: Math.log(2) / 0.2 });
  const scores = zeros([20, 3], { [prior * 3]: 0.9, [prior * 3 + 1]: 0.2, [prior * 3 + 2]: 0.7, 3: 1 });
  const found = decoder.candidates((role) => (role === "boxes" ? boxes : scores).data as Float32Array, size, 0.5);
  expect(found).toHaveLength(1);
  // Centre (8, 24) + 0.1 · (2 · 40, −1 · 10); size 40 · 2 × 10.
  expect(found[0]).toMatchObject({ classId: 1 });
  const { x, y, w, h } = found[0]?.box ?? { x: 0, y: 0, w: 0, h: 0 };
  [x, y, w, h].forEach((v, i) => expect(v).toBeCloseTo([16 - 40, 23 - 5, 80, 10][i] ?? NaN, 3));
});

test("SSD: cells of the grid are shares of the picture; wrong parameters are all named", () => {
  const decoder = openDecoder({ ...SSD, params: { ...SSD.params, cells: "grid" } });
  const scores = zeros([20, 2], { [12 * 2 + 1]: 1 });
  const [first] = decoder.candidates(
    (role) => (role === "boxes" ? zeros([20, 4], {}) : scores).data as Float32Array,
    { width: 32, height: 24 },
    0.5,
  );
  // Two rows in 24 pixels: the first row's middle is 6, where a stride of 16 says 8.
  expect(first?.box).toEqual({ x: 8 - 15, y: 6 - 15, w: 30, h: 30 });
  expect(() => openDecoder({ ...SSD, params: { ...SSD.params, anchors: [[10], [5, 5]], cells: "cubit" } })).toThrow(/parameters/);
});

test("Ultra-Light gives corners as shares, and its raw export the same boxes from priors", () => {
  const size = { width: 320, height: 240 };
  const last = 4419; // The last prior: 256 pixels in the last cell of 10×8 … 5×4.
  const scores = zeros([1, 4420, 2], { [last * 2 + 1]: 0.9 });
  const decoded = zeros([1, 4420, 4], {
    [last * 4]: (288 - 128) / 320,
    [last * 4 + 1]: (210 - 128) / 240,
    [last * 4 + 2]: (288 + 128) / 320,
    [last * 4 + 3]: (210 + 128) / 240,
  });
  const [a] = decodeDetections(recipeNamed("ultra-light-320"), { scores, boxes: decoded }, size, identity);
  const [b] = decodeDetections(recipeNamed("ultra-light-320-raw"), { scores, boxes: zeros([1, 4420, 4], {}) }, size, identity);
  if (a === undefined || b === undefined) throw new Error("nothing found");
  near(a, [160, 82, 256, 256]);
  near(b, [160, 82, 256, 256]);
});

test("FastestDet: cell, tanh, sigmoid and the product of scores by hand; classes suppress only their own", () => {
  const recipe = recipeNamed("fastestdet");
  const plane = 22 * 22;
  const at = (k: number, column: number, row: number): number => k * plane + row * 22 + column;
  const map = zeros([1, 85, 22, 22], {
    [at(0, 3, 5)]: 0.9,
    [at(1, 3, 5)]: Math.atanh(0.5),
    [at(2, 3, 5)]: Math.atanh(-0.25),
    [at(4, 3, 5)]: Math.log(1 / 3),
    [at(5 + 16, 3, 5)]: 0.8,
    [at(0, 4, 5)]: 0.9,
    [at(1, 4, 5)]: Math.atanh(-0.5),
    [at(2, 4, 5)]: Math.atanh(-0.25),
    [at(4, 4, 5)]: Math.log(1 / 3),
    [at(5 + 15, 4, 5)]: 0.7,
  });
  const found = decodeDetections(recipe, { out: map }, { width: 352, height: 352 }, identity, { minScore: 0.5 });
  expect(found.map((d) => recipe.classes[d.classId])).toEqual(["dog", "cat"]);
  expect(found[0]?.score).toBeCloseTo(0.9 ** 0.6 * 0.8 ** 0.4, 5);
  if (found[0] === undefined) throw new Error("nothing found");
  // Centre (3.5, 4.75) · 16; half as wide and a quarter as high as the picture.
  near(found[0], [56 - 88, 76 - 44, 176, 88]);
  expect(() => decodeFaces(recipe, { out: map }, { width: 352, height: 352 }, identity)).toThrow(/not faces/);
});

test("numbers that are none become no boxes", () => {
  const map = zeros([1, 85, 22, 22], { 0: 1, [5 * 484]: 1, 484: NaN });
  expect(decodeDetections(recipeNamed("fastestdet"), { out: map }, { width: 352, height: 352 }, identity)).toEqual([]);
});
