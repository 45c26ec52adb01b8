import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { makeImage } from "../data/image.ts";
import { placeImage } from "../data/letterbox.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { blazefaceAnchors } from "./decoders/blazeface.ts";
import { decodeFaces, detectFaces, type Face } from "./face.ts";
import { recipeNamed } from "./recipes.ts";

const identity = { back: [1, 0, 0, 0, 1, 0] } as const;

/** A float32 tensor [1, rows, columns] of zeros with some rows set. */
function rows(count: number, columns: number, set: Record<number, readonly number[]>): Tensor {
  const data = new Float32Array(count * columns);
  for (const [row, values] of Object.entries(set)) data.set(values, Number(row) * columns);
  return tensor("float32", [1, count, columns], data);
}

function near(face: Face | undefined, box: readonly number[], score: number): void {
  expect(face?.score).toBeCloseTo(score, 5);
  box.forEach((v, i) => expect(face?.box[i]).toBeCloseTo(v, 3));
}

describe("RetinaFace", () => {
  const recipe = recipeNamed("retinaface-mobilenet0.25");
  const size = { width: 64, height: 32 };
  // 8×4, 4×2 and 2×1 cells, two priors each.
  const count = 2 * (32 + 8 + 2);

  test("a prior, its offsets and variances by hand", () => {
    // Stride 16 starts at row 64; cell (2, 1), second size 64: centre (40, 24).
    const row = 64 + (1 * 4 + 2) * 2 + 1;
    const outputs = {
      boxes: rows(count, 4, { [row]: [1, -1, Math.log(2) / 0.2, 0] }),
      scores: rows(count, 2, { [row]: [0.1, 0.9] }),
      landmarks: rows(count, 10, { [row]: [0, 0, 1, 0, 0, 1, -1, -1, 2, 2] }),
    };
    const faces = decodeFaces(recipe, outputs, size, identity);
    expect(faces).toHaveLength(1);
    near(faces[0], [40 + 6.4 - 64, 24 - 6.4 - 32, 128, 64], 0.9);
    const points = [40, 24, 46.4, 24, 40, 30.4, 33.6, 17.6, 52.8, 36.8];
    faces[0]?.points.flat().forEach((v, i) => expect(v).toBeCloseTo(points[i] ?? NaN, 4));
  });

  test("NMS drops the weaker of two that overlap, and a low score; thresholds can be given", () => {
    const outputs = {
      boxes: rows(count, 4, {}),
      scores: rows(count, 2, { 0: [0, 0.7], 2: [0, 0.8], 20: [0, 0.3] }),
      landmarks: rows(count, 10, {}),
    };
    expect(decodeFaces(recipe, outputs, size, identity, { iou: 0.05 }).map((f) => f.score)).toEqual([Math.fround(0.8)]);
    expect(decodeFaces(recipe, outputs, size, identity, { iou: 0.99 })).toHaveLength(2);
    expect(decodeFaces(recipe, outputs, size, identity, { iou: 0.99, minScore: 0.2 })).toHaveLength(3);
    expect(decodeFaces(recipe, outputs, size, identity, { iou: 0.99, minScore: 0.2, limit: 1 })).toHaveLength(1);
  });

  test("numbers that are not finite become no face", () => {
    const outputs = {
      boxes: rows(count, 4, { 0: [NaN, 0, 0, 0], 2: [0, 0, 1e9, 0] }),
      scores: rows(count, 2, { 0: [0, 0.9], 2: [0, 0.9], 4: [0, NaN] }),
      landmarks: rows(count, 10, {}),
    };
    expect(decodeFaces(recipe, outputs, size, identity)).toEqual([]);
  });

  test("outputs of another size are refused", () => {
    const outputs = { boxes: rows(9, 4, {}), scores: rows(9, 2, {}), landmarks: rows(9, 10, {}) };
    expect(() => decodeFaces(recipe, outputs, size, identity)).toThrow(HoneError);
  });
});

test("YuNet: score is the root of the product, centres and sizes in strides", () => {
  const outputs: Record<string, Tensor> = {};
  for (const [stride, count] of [
    [8, 16],
    [16, 4],
    [32, 1],
  ] as const) {
    // Stride 16, cell (1, 0) holds the face.
    const set = stride === 16;
    outputs[`cls_${stride}`] = rows(count, 1, set ? { 1: [0.81] } : {});
    outputs[`obj_${stride}`] = rows(count, 1, set ? { 1: [1] } : {});
    outputs[`bbox_${stride}`] = rows(count, 4, set ? { 1: [0.5, 0.25, Math.log(2), 0] } : {});
    outputs[`kps_${stride}`] = rows(count, 10, set ? { 1: [0, 0, 1, 0, 0, 1, 1, 1, -1, 2] } : {});
  }
  const [face] = decodeFaces(recipeNamed("yunet"), outputs, { width: 32, height: 32 }, identity);
  near(face, [24 - 16, 4 - 8, 32, 16], 0.9);
  expect(face?.points.flat()).toEqual([16, 0, 32, 0, 16, 16, 32, 16, 0, 32]);
});

describe("BlazeFace", () => {
  test("logits, offsets in pixels, and the weighted average of overlapping boxes", () => {
    // Rows 0 and 1 share the anchor (4, 4); logits 0 and ln 3 are scores 0.5 and 0.75.
    const outputs = {
      regressors: rows(896, 16, { 0: [10, 10, 8, 8, 0, 0], 1: [12, 10, 8, 8, 4, 4] }),
      classificators: tensor(
        "float32",
        [1, 896, 1],
        Float32Array.from({ length: 896 }, (_, i) => (i === 0 ? 0 : i === 1 ? Math.log(3) : -1e30)),
      ),
    };
    const faces = decodeFaces(recipeNamed("blazeface-short"), outputs, { width: 128, height: 128 }, identity);
    expect(faces).toHaveLength(1);
    near(faces[0], [4 + 11.2 - 4, 10, 8, 8], 0.75);
    expect(faces[0]?.points).toHaveLength(6);
    expect(faces[0]?.points[0]?.[0]).toBeCloseTo(4 + 2.4, 5);
  });

  test("anchors of both ranges", () => {
    const short = blazefaceAnchors({ width: 128, height: 128 }, [8, 16, 16, 16], 2);
    expect(short).toHaveLength(896);
    expect([short[0], short[1], short[2], short[512], short[518]]).toEqual([
      { x: 4, y: 4 },
      { x: 4, y: 4 },
      { x: 12, y: 4 },
      { x: 8, y: 8 },
      { x: 24, y: 8 },
    ]);
    expect(blazefaceAnchors({ width: 192, height: 192 }, [4], 1)).toHaveLength(2304);
  });

  const file = new URL("../../../shared/models/blazeface-torch/anchors.npy", import.meta.url);
  test.skipIf(!existsSync(file))("anchors equal those published with the weights (skipped without ../shared)", () => {
    const bytes = readFileSync(file);
    const start = 10 + bytes.readUInt16LE(8);
    blazefaceAnchors({ width: 128, height: 128 }, [8, 16, 16, 16], 2).forEach((anchor, i) => {
      expect(bytes.readDoubleLE(start + i * 32) * 128).toBeCloseTo(anchor.x, 4);
      expect(bytes.readDoubleLE(start + i * 32 + 8) * 128).toBeCloseTo(anchor.y, 4);
    });
  });
});

describe("detectFaces", () => {
  const recipe = recipeNamed("retinaface-mobilenet0.25");
  const image = makeImage(100, 50);
  const outputs = {
    boxes: rows(84, 4, {}),
    scores: rows(84, 2, { 0: [0, 0.9] }),
    landmarks: rows(84, 10, {}),
  };

  test("feeds the preprocessed image and gives pixels of the original", async () => {
    const seen: Record<string, Tensor>[] = [];
    const session = {
      inputNames: ["picture"],
      inputMetadata: [{ name: "picture", shape: [1, 3, 32, 64] }],
      run: (feeds: Record<string, Tensor>) => {
        seen.push(feeds);
        return Promise.resolve(outputs);
      },
    };
    const [face] = await detectFaces(session, recipe, image);
    expect(seen[0]?.["picture"]).toMatchObject({ type: "float32", dims: [1, 3, 32, 64] });
    expect(seen[0]?.["picture"]?.data[0]).toBe(-104);
    const { back } = placeImage(image, 64, 32, recipe.preprocess.resize);
    // The first prior has centre (4, 4) and side 10.
    near(face, [-1 * back[0], -1 * back[4], 10 * back[0], 10 * back[4]], 0.9);
    expect(face?.points[0]?.[0]).toBeCloseTo(4 * back[0], 5);
  });

  test("the size may be given; without any it is a usage error", async () => {
    const session = { run: () => Promise.resolve(outputs) };
    expect(await detectFaces(session, recipe, image, { size: { width: 64, height: 32 } })).toHaveLength(1);
    await expect(detectFaces(session, recipe, image)).rejects.toMatchObject({ code: "usage" });
  });

  test("a fired signal stops before the model runs", async () => {
    const session = { run: () => Promise.reject(new Error("must not run")) };
    const options = { size: { width: 64, height: 32 }, signal: AbortSignal.abort() };
    await expect(detectFaces(session, recipe, image, options)).rejects.toMatchObject({ code: "aborted" });
  });
});
