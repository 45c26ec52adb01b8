import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { recipeNamed } from "../vision/recipes.ts";
import { contactSheet } from "./contact-sheet.ts";
import { difference, INCOMPARABLE } from "./difference.ts";
import { imageFeeds, randomFeeds, type FeedInput } from "./feeds.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { writeOutputs } from "./output-file.ts";
import { chooseRecipe } from "./recipe.ts";
import { parseProfiles } from "./shapes.ts";
import { makeImage } from "../data/image.ts";

const floats = (...values: number[]): ReturnType<typeof tensor> => tensor("float32", [values.length], Float32Array.from(values));

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof HoneError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

describe("difference", () => {
  test("is the norm of a − b over the norm of b", () => {
    const d = difference(floats(3, 4.5), floats(3, 4));
    expect(d.relativeError).toBeCloseTo(0.1, 12);
    expect(d.maxAbs).toBe(0.5);
    expect(d.cosine).toBeCloseTo((9 + 18) / (Math.hypot(3, 4.5) * 5), 12);
  });

  test("zeros, infinities and NaN", () => {
    expect(difference(floats(0, 0), floats(0, 0))).toEqual({ relativeError: 0, maxAbs: 0, cosine: 1 });
    expect(difference(floats(0, 2), floats(0, 0)).relativeError).toBe(2);
    expect(difference(floats(NaN, Infinity, 1), floats(NaN, Infinity, 1)).relativeError).toBe(0);
    expect(difference(floats(NaN), floats(1))).toBe(INCOMPARABLE);
    expect(difference(floats(Infinity), floats(-Infinity))).toBe(INCOMPARABLE);
    expect(difference(floats(1, 2), floats(1))).toBe(INCOMPARABLE);
  });
});

describe("npy", () => {
  test.each([
    tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, -0)),
    tensor("int64", [], BigInt64Array.of(-7n)),
    tensor("uint8", [4], Uint8Array.of(0, 1, 254, 255)),
    tensor("float16", [1, 1, 2], Uint16Array.of(0x3c00, 0x8000)),
    tensor("float64", [0, 5], new Float64Array(0)),
  ])("$type of rank $dims.length comes back", (t) => {
    const bytes = writeNpy(t);
    expect((bytes.length - t.data.byteLength) % 64).toBe(0);
    expect(readNpy(bytes, "a.npy")).toEqual(t);
  });

  test("what is damaged or foreign is refused", () => {
    const good = writeNpy(floats(1, 2, 3));
    const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
    const changed = (from: string, to: string): Uint8Array => Uint8Array.from(text(good).replace(from, to), (c) => c.charCodeAt(0));
    const bad = [
      good.subarray(0, 9),
      good.subarray(0, good.length - 1),
      changed("<f4", ">f4"),
      changed("False", "True "),
      changed("(3,)", "(9,)"),
    ];
    for (const bytes of bad) expect(codeOf(() => readNpy(bytes, "a.npy"))).toBe("feeds.invalid");
  });
});

describe("--shape", () => {
  test("repeated for one input makes profiles; a single shape of another is shared", () => {
    expect(parseProfiles(["a=1x3x8x8", "b:0=4", "a=1x3x16x16"])).toEqual([
      { a: [1, 3, 8, 8], "b:0": [4] },
      { a: [1, 3, 16, 16], "b:0": [4] },
    ]);
    expect(parseProfiles([])).toEqual([]);
  });

  test.each(["x", "=1x2", "x=", "x=1xx2", "x=0x3", "x=-1x3", "x=1.5"])("%s is refused", (flag) => {
    expect(codeOf(() => parseProfiles([flag]))).toBe("usage");
  });

  test("three of one input and two of another do not pair up", () => {
    expect(codeOf(() => parseProfiles(["a=1", "a=2", "a=3", "b=1", "b=2"]))).toBe("usage");
  });
});

describe("feeds", () => {
  const planar: FeedInput = { name: "x", type: "float32", dims: [1, 3, 4, 6] };

  test("random ones are the same for a seed and in their range", () => {
    const [a, b, c] = [1, 1, 2].map((seed) => randomFeeds([planar], undefined, seed)["x"]);
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(a?.data.every((x: number | bigint) => x >= -1 && x < 1)).toBe(true);
  });

  test("an image without a recipe is stretched and scaled to 0–1, in the input's own order", () => {
    const image = makeImage(2, 1, Uint8Array.of(255, 0, 51, 255, 0, 51));
    const data = imageFeeds(image, [planar], undefined)["x"]?.data;
    expect([data?.[0], data?.[24], data?.[48]]).toEqual([1, 0, Math.fround(0.2)]);
    const last = imageFeeds(image, [{ name: "x", type: "float32", dims: [1, 4, 6, 3] }], undefined)["x"]?.data;
    expect([...(last ?? [])].slice(0, 3)).toEqual([1, 0, Math.fround(0.2)]);
    const grey = imageFeeds(image, [{ name: "x", type: "uint8", dims: [1, 1, 2, 2] }], undefined)["x"]?.data;
    expect(grey?.[0]).toBe(Math.round(0.299 * 255 + 0.114 * 51));
    expect(codeOf(() => imageFeeds(image, [{ ...planar, dims: [1, 9] }], undefined))).toBe("usage");
    expect(codeOf(() => imageFeeds(image, [planar, planar], undefined))).toBe("usage");
  });

  test("with a recipe noise and images go through it", () => {
    const yunet = recipeNamed("yunet");
    const input: FeedInput = { name: "input", type: "float32", dims: [1, 3, 32, 32] };
    expect(randomFeeds([input], yunet, 1)["input"]?.data.every((x: number | bigint) => Number.isInteger(Number(x)))).toBe(true);
  });
});

test("a recipe is bound when it is the only one that fits, refused when it was asked for and does not", async () => {
  const input = { name: "input", dtype: "float32", dims: [1, 192, 192, 3] };
  const outputs = [
    { name: "r", dims: [1, 2304, 16] },
    { name: "s", dims: [1, 2304, 1] },
  ];
  expect((await chooseRecipe({ inputs: [input], outputs })).recipe?.name).toBe("blazeface-full");
  expect((await chooseRecipe({ inputs: [input], outputs: [] })).recipe).toBeUndefined();
  await expect(chooseRecipe({ inputs: [input], outputs: [] }, "yunet")).rejects.toMatchObject({ code: "recipe.unknown" });
  await expect(chooseRecipe({ inputs: [input], outputs }, "no-such")).rejects.toMatchObject({ code: "recipe.unknown" });
  await expect(chooseRecipe({ inputs: [input], outputs }, "./no-such.json")).rejects.toMatchObject({ code: "file.not-found" });
});

test("a contact sheet has every picture in its cell", () => {
  const red = makeImage(
    4,
    3,
    new Uint8Array(36).map((_, i) => (i % 3 === 0 ? 200 : 0)),
  );
  const { image: sheet } = contactSheet([red, red, red, red]);
  expect([sheet.width, sheet.height]).toEqual([3 * 492 + 12, 2 * 372 + 12]);
  const pixel = (x: number, y: number): number[] => [...sheet.data.subarray((y * sheet.width + x) * 3, (y * sheet.width + x) * 3 + 3)];
  expect(pixel(12 + 240, 12 + 372 + 180)).toEqual([200, 0, 0]);
  expect(pixel(12 + 492 + 240, 12 + 372 + 180)).toEqual([24, 27, 31]);
});

test("of several outputs none appears before all are written", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hone-outputs-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "taken"));
  const files = ["first", "taken", "last"].map((name) => ({ path: join(folder, name), bytes: name }));
  await expect(writeOutputs(files)).rejects.toMatchObject({ code: "file.unwritable" });
  expect(readdirSync(folder)).toEqual(["taken"]);
  await writeOutputs(files.filter((f) => !f.path.endsWith("taken")));
  expect(readdirSync(folder).sort()).toEqual(["first", "last", "taken"]);
});
