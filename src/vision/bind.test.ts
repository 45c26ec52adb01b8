import { describe, expect, test } from "vitest";
import { HoneError } from "../util/errors.ts";
import { bindRecipe, type Dim, type ModelSignature } from "./bind.ts";
import { bundledRecipes, parseRecipe, recipeNamed } from "./recipes.ts";

function model(input: readonly Dim[], outputs: Record<string, readonly Dim[]>, dtype = "float32"): ModelSignature {
  return { inputs: [{ name: "input", dtype, dims: input }], outputs: Object.entries(outputs).map(([name, dims]) => ({ name, dims })) };
}

function retinaface(height: Dim, width: Dim, priors: Dim): ModelSignature {
  return model([1, 3, height, width], { boxes: [1, priors, 4], scores: [1, priors, 2], landmarks: [1, priors, 10] });
}

function yunet(height: number, width: number): ModelSignature {
  const outputs: Record<string, Dim[]> = {};
  for (const s of [8, 16, 32]) {
    const cells = Math.ceil(height / s) * Math.ceil(width / s);
    Object.assign(outputs, {
      [`cls_${s}`]: [1, cells, 1],
      [`obj_${s}`]: [1, cells, 1],
      [`bbox_${s}`]: [1, cells, 4],
      [`kps_${s}`]: [1, cells, 10],
    });
  }
  return model([1, 3, height, width], outputs);
}

function ultraLight(...ops: readonly string[]): ModelSignature {
  return { ...model([1, 3, 240, 320], { scores: [1, 4420, 2], boxes: [1, 4420, 4] }), ops: new Set(ops) };
}

function errorOf(run: () => unknown): HoneError {
  try {
    run();
  } catch (error) {
    if (error instanceof HoneError) return error;
  }
  throw new Error("no HoneError was thrown");
}

describe("a model is bound by its signature", () => {
  const cases: [string, ModelSignature, string][] = [
    ["BlazeFace short", model([1, 128, 128, 3], { regressors: [1, 896, 16], classificators: [1, 896, 1] }), "blazeface-short"],
    ["BlazeFace short, outputs swapped", model([1, 128, 128, 3], { b: [1, 896, 1], a: [1, 896, 16] }), "blazeface-short"],
    ["BlazeFace full", model([1, 192, 192, 3], { r: [1, 2304, 16], c: [1, 2304, 1] }), "blazeface-full"],
    ["RetinaFace with two priors a cell at 640", retinaface(640, 640, 16_800), "retinaface-mobilenet0.25"],
    ["RetinaFace with two priors a cell, odd size", retinaface(333, 500, 2 * (42 * 63 + 21 * 32 + 11 * 16)), "retinaface-mobilenet0.25"],
    ["RetinaFace with four strides at 640", retinaface(640, 640, 23_500), "retinaface-slim"],
    ["RetinaFace with four strides at 240×320", retinaface(240, 320, 3 * 1200 + 2 * 300 + 2 * 80 + 3 * 20), "retinaface-slim"],
    ["YuNet at 640", yunet(640, 640), "yunet"],
    ["YuNet at 320×448", yunet(320, 448), "yunet"],
    ["Ultra-Light with decoded boxes", ultraLight("conv", "exp"), "ultra-light-320"],
    ["Ultra-Light without", ultraLight("conv"), "ultra-light-320-raw"],
    ["facemask SSD", model([1, 260, 260, 3], { loc: [1, 5972, 4], cls: [1, 5972, 2] }), "facemask-ssd"],
    ["FastestDet", model([1, 3, 352, 352], { out: [1, 85, 22, 22] }), "fastestdet"],
  ];
  for (const [what, signature, name] of cases) {
    test(`${what} → ${name}`, () => {
      const bound = bindRecipe(signature);
      expect(bound.recipe.name).toBe(name);
      expect(bound.why).toContain(name);
    });
  }

  test("of a graph that is not known, an op cannot decide: ambiguous", () => {
    const { ops: _, ...outside } = ultraLight();
    expect(errorOf(() => bindRecipe(outside))).toMatchObject({ code: "recipe.ambiguous" });
  });

  test("unknown sizes leave two RetinaFaces: ambiguous, with both names", () => {
    const error = errorOf(() => bindRecipe(retinaface("height", "width", "priors")));
    expect(error.code).toBe("recipe.ambiguous");
    expect(error.message).toContain("retinaface-mobilenet0.25 and retinaface-slim");
    expect(error.hint).toContain("--shape");
  });

  test("a wrong number of rows, name, dtype or batch fits nothing, and every recipe says why", () => {
    const renamed = model([1, 3, 640, 640], { loc: [1, 16_800, 4], conf: [1, 16_800, 2], landms: [1, 16_800, 10] });
    const bytes = model([1, 128, 128, 3], { r: [1, 896, 16], c: [1, 896, 1] }, "uint8");
    const batch = model([8, 128, 128, 3], { r: [8, 896, 16], c: [8, 896, 1] });
    for (const signature of [retinaface(640, 640, 16_801), renamed, bytes, batch, model([1], {})]) {
      const error = errorOf(() => bindRecipe(signature));
      expect(error.code).toBe("recipe.unknown");
      expect(error.problems).toHaveLength(bundledRecipes().length);
      expect(error.hint).toContain("--recipe");
    }
  });
});

describe("recipes", () => {
  test("names are unique, licences and sources given", () => {
    const recipes = bundledRecipes();
    expect(new Set(recipes.map((r) => r.name)).size).toBe(recipes.length);
    expect(recipes.length).toBeGreaterThanOrEqual(5);
  });

  test("a recipe is found by name, or the names are listed", () => {
    expect(recipeNamed("yunet").decoder.kind).toBe("yunet");
    expect(errorOf(() => recipeNamed("yolo")).hint).toContain("blazeface-short");
  });

  test("all problems are listed at once, those of the decoder too", () => {
    const good = structuredClone(recipeNamed("yunet"));
    const bad = {
      ...good,
      name: "",
      speling: 1,
      classes: [],
      signature: { inputs: [{ role: "image", shape: [1, 0] }], outputs: [] },
      preprocess: { ...good.preprocess, std: [1, 0, 1], channels: "GBR", resize: { ...good.preprocess.resize, fill: [0, 0, 300] } },
      decoder: { kind: "yunet", params: { ...good.decoder.params, minScore: 2, extra: true } },
    };
    const error = errorOf(() => parseRecipe(bad, "my.json"));
    expect(error.code).toBe("recipe.invalid");
    expect(error.at.file).toBe("my.json");
    const text = error.problems.map((p) => p.message).join("\n");
    for (const field of [
      "speling",
      "name",
      "classes",
      "inputs[0].shape",
      "signature.outputs",
      "std",
      "channels",
      "fill",
      "minScore",
      "extra",
    ]) {
      expect(text).toContain(field);
    }
  });

  test("what is no recipe at all is refused", () => {
    for (const value of [null, 3, "recipe", [], {}]) expect(errorOf(() => parseRecipe(value)).code).toBe("recipe.invalid");
    const unknownKind = { ...recipeNamed("yunet"), decoder: { kind: "constructor", params: {} } };
    expect(errorOf(() => parseRecipe(unknownKind)).problems[0]?.message).toContain("constructor");
  });
});
