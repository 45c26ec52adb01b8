import { describe, expect, test } from "vitest";
import { invert, scaleThenMove } from "../../geometry/transform.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { bindRecipe } from "../bind.ts";
import { decodeDetections, type Detection } from "../detect.ts";
import { recipeNamed } from "../recipes.ts";

const identity = { back: [1, 0, 0, 0, 1, 0] } as const;
const size = { width: 64, height: 96 };
/** 8×12, 4×6 and 2×3 cells. */
const cells = 96 + 24 + 6;

/** Numbers in [0, 1) that are the same everywhere. */
function noise(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32);
}

interface Plain {
  readonly box: readonly number[];
  readonly score: number;
  readonly classId: number;
}

/** Suppression as a textbook has it: quadratic, a class at a time. */
function suppressed(all: readonly Plain[], iou: number): Plain[] {
  const at = (box: readonly number[], i: number): number => box[i] ?? NaN;
  const side = (a: readonly number[], b: readonly number[], i: 0 | 1): number =>
    Math.min(at(a, i) + at(a, i + 2), at(b, i) + at(b, i + 2)) - Math.max(at(a, i), at(b, i));
  const overlap = (a: readonly number[], b: readonly number[]): number => {
    const shared = Math.max(0, side(a, b, 0)) * Math.max(0, side(a, b, 1));
    return shared / (at(a, 2) * at(a, 3) + at(b, 2) * at(b, 3) - shared);
  };
  const sorted = [...all].sort((a, b) => b.score - a.score);
  const kept: Plain[] = [];
  for (const d of sorted) if (!kept.some((k) => k.classId === d.classId && overlap(k.box, d.box) > iou)) kept.push(d);
  return kept;
}

function same(found: readonly Detection[], expected: readonly Plain[]): void {
  expect(found.length).toBeGreaterThan(3);
  expect(found.map((d) => d.classId)).toEqual(expected.map((d) => d.classId));
  found.forEach((d, i) => {
    expect(d.score).toBeCloseTo(expected[i]?.score ?? NaN, 5);
    d.box.forEach((v, k) => expect(v).toBeCloseTo(expected[i]?.box[k] ?? NaN, 3));
  });
}

const centred = ([x = NaN, y = NaN, w = NaN, h = NaN]: readonly number[]): number[] => [x - w / 2, y - h / 2, w, h];

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));

test("YOLOv5: rows of centre, size, objectness and classes", () => {
  const recipe = recipeNamed("yolov5");
  const count = cells * 3;
  const data = noise(count * 85, 1);
  const plain: Plain[] = [];
  for (let i = 0; i < count; i++) {
    const row = data.subarray(i * 85, i * 85 + 85);
    row.set([(row[0] ?? 0) * 64, (row[1] ?? 0) * 96, (row[2] ?? 0) * 30 + 4, (row[3] ?? 0) * 30 + 4]);
    const [objectness = 0, ...classes] = row.subarray(4);
    const classId = largest(classes);
    const score = objectness * (classes[classId] ?? 0);
    if (score >= 0.6) plain.push({ box: centred([...row]), score, classId });
  }
  const found = decodeDetections(recipe, { o: tensor("float32", [1, count, 85], data) }, size, identity, {
    minScore: 0.6,
  });
  same(found, suppressed(plain, 0.45));
});

describe("YOLOv8", () => {
  const data = noise(cells * 84, 2);
  for (let i = 0; i < cells; i++) {
    for (const [k, [times, plus]] of [
      [64, 0],
      [96, 0],
      [30, 4],
      [30, 4],
    ].entries()) {
      data[k * cells + i] = (data[k * cells + i] ?? 0) * (times ?? 1) + (plus ?? 0);
    }
  }
  const planes: Tensor = tensor("float32", [1, 84, cells], data);
  const plain: Plain[] = [];
  for (let i = 0; i < cells; i++) {
    const row = Array.from({ length: 84 }, (_, k) => data[k * cells + i] ?? 0);
    const classes = row.slice(4);
    const classId = largest(classes);
    if ((classes[classId] ?? 0) >= 0.25) plain.push({ box: centred(row), score: classes[classId] ?? 0, classId });
  }

  test("planes of centre, size and classes", () => {
    same(decodeDetections(recipeNamed("yolov8"), { o: planes }, size, identity), suppressed(plain, 0.7));
  });

  test("with suppression in the graph: rows of corners, score and class; empty rows are nothing", () => {
    const kept = suppressed(plain, 0.7);
    const rows = new Float32Array(300 * 6);
    kept.forEach(({ box: [x = 0, y = 0, w = 0, h = 0], score, classId }, i) => rows.set([x, y, x + w, y + h, score, classId], i * 6));
    const found = decodeDetections(recipeNamed("yolo-finished"), { o: tensor("float32", [1, 300, 6], rows) }, size, identity);
    same(found, kept);
  });

  test("boxes come back through the letterbox", () => {
    const moved = { back: invert(scaleThenMove(0.5, 0.5, 8, 0)) };
    const [a] = decodeDetections(recipeNamed("yolov8"), { o: planes }, size, identity);
    const [b] = decodeDetections(recipeNamed("yolov8"), { o: planes }, size, moved);
    expect(b?.box[0]).toBeCloseTo(((a?.box[0] ?? 0) - 8) * 2, 3);
    expect(b?.box[2]).toBeCloseTo((a?.box[2] ?? 0) * 2, 3);
  });
});

test("NanoDet-Plus: distances are means of bins under a softmax, from the cell's corner", () => {
  const recipe = recipeNamed("nanodet-plus");
  const count = cells + 2; // And 1×2 cells of stride 64.
  const data = noise(count * 112, 3);
  const plain: Plain[] = [];
  let row = 0;
  for (const stride of [8, 16, 32, 64]) {
    for (let y = 0; y < Math.ceil(96 / stride); y++) {
      for (let x = 0; x < Math.ceil(64 / stride); x++, row++) {
        const values = [...data.subarray(row * 112, row * 112 + 112)];
        const classId = largest(values.slice(0, 80));
        const [l = 0, t = 0, r = 0, b = 0] = [0, 1, 2, 3].map((side) => {
          const weights = values.slice(80 + side * 8, 88 + side * 8).map((v) => Math.exp(v));
          return (weights.reduce((sum, w, bin) => sum + w * bin, 0) / weights.reduce((sum, w) => sum + w, 0)) * stride;
        });
        plain.push({ box: [x * stride - l, y * stride - t, l + r, t + b], score: values[classId] ?? 0, classId });
      }
    }
  }
  const found = decodeDetections(recipe, { o: tensor("float32", [1, count, 112], data) }, size, identity);
  same(found, suppressed(plain, 0.6));
});

test("each is bound by its outputs, and rows are counted", () => {
  const model = (out: readonly number[]): Parameters<typeof bindRecipe>[0] => ({
    inputs: [{ name: "images", dtype: "float32", dims: [1, 3, 640, 640] }],
    outputs: [{ name: "output0", dims: out }],
  });
  expect(bindRecipe(model([1, 25_200, 85])).recipe.name).toBe("yolov5");
  expect(bindRecipe(model([1, 84, 8400])).recipe.name).toBe("yolov8");
  expect(bindRecipe(model([1, 300, 6])).recipe.name).toBe("yolo-finished");
  expect(bindRecipe(model([1, 8500, 112])).recipe.name).toBe("nanodet-plus");
  expect(() => bindRecipe(model([1, 84, 8399]))).toThrow(/no recipe fits/);
});
