import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeImage, type Image } from "../../data/image.ts";
import { encodeImage } from "../../data/node/encode.ts";
import { preprocess } from "../../data/normalize.ts";
import type { Preprocess } from "../../engine/recipe.ts";
import { recipeNamed } from "../../vision/recipes.ts";
import { writeNpy } from "../../workflow/npy.ts";
import { hone } from "../testing/command.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

/** A wide photo, every channel another slope and grain. */
function photo(): Image {
  const image = makeImage(150, 100);
  image.data.forEach((_, i) => (image.data[i] = (Math.floor(i / 450) * (1 + (i % 3)) + ((i * 37) % 101)) % 256));
  return image;
}

const yunet = recipeNamed("yunet").preprocess;

function writeReference(name: string, rule: Preprocess): void {
  writeFileSync(at(name), writeNpy(preprocess(photo(), 128, 128, rule).tensor));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hone-doctor-"));
  writeFileSync(at("photo.png"), await encodeImage(photo(), "png"));
  writeReference("right.npy", yunet);
  writeReference("swapped.npy", { ...yunet, channels: "RGB" });
  writeReference("stretched.npy", {
    ...yunet,
    resize: { ...yunet.resize, fit: "stretch" },
    mean: [127.5, 127.5, 127.5],
    std: [128, 128, 128],
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const doctor = (reference: string, ...more: string[]): ReturnType<typeof hone> =>
  hone(["doctor", "--preprocess", "yunet.onnx", "--recipe", "yunet", "--reference", at(reference), "--image", at("photo.png"), ...more]);

describe("doctor --preprocess", () => {
  test("a recipe that makes the reference is well", async () => {
    const { code, json } = await doctor("right.npy", "--json");
    expect(code).toBe(0);
    expect(json()).toMatchObject({ version: 1, verdict: "same", recipe: { name: "yunet", agrees: true, mismatches: [] } });
  });

  test("swapped channels are named, with what they cost", async () => {
    const { code, json } = await doctor("swapped.npy", "--json");
    expect(code).toBe(3);
    const { recipe, preprocess: found, error } = json() as Record<string, Record<string, unknown>>;
    expect(found).toMatchObject({ ...yunet, channels: "RGB" });
    expect(recipe).toMatchObject({ agrees: false, mismatches: [{ field: "channels", recipe: "BGR", reference: "RGB" }] });
    expect(error).toMatchObject({ code: "gate.accuracy", message: "the recipe yunet does not make the reference: channels" });
  });

  test("several mistakes are all named, and the text says what to write", async () => {
    const { stdout, stderr } = await doctor("stretched.npy");
    for (const field of ["resize.fit", "mean", "std"]) expect(stdout).toMatch(new RegExp(`^${field} `, "m"));
    expect(stdout).toContain('"fit": "stretch"');
    expect(stderr).toContain("resize.fit, mean, std");
  });

  test("its options belong together", async () => {
    const { code, stderr } = await hone(["doctor", "--preprocess", "model.onnx"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--reference");
  });
});
