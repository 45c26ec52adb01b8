import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeImage, writeCoco } from "../data.ts";
import { encodeImage } from "../data/node/encode.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import { tensor } from "../tensor/tensor.ts";
import { hone } from "./testing/command.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-max-drop-"));
const at = (name: string): string => join(folder, name);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const SIDE = 32;
const CELL = 8;
const ACROSS = SIDE / CELL;
const CELLS = ACROSS * ACROSS;
const cornersOf = (cell: number): readonly [number, number] => [(cell % ACROSS) * CELL, Math.floor(cell / ACROSS) * CELL];

/**
 * Finds the cell of an 8×8 grid that is red or blue. Blue goes through a weight of 1 beside one of 10,000 for a channel that is always zero: in
 * int8 nothing is left of it, and of red everything.
 */
function writeDetector(path: string): void {
  const floats = (dims: readonly number[], data: readonly number[]): ReturnType<typeof tensor> =>
    tensor("float32", dims, Float32Array.from(data));
  const mean = (channel: number): number[] =>
    Array.from({ length: 3 * CELL * CELL }, (_, i) => (Math.floor(i / CELL ** 2) === channel ? CELL ** -2 : 0));
  const places = Array.from({ length: CELLS }, (_, i) => cornersOf(i)).flatMap(([x, y]) => [x, y, x + CELL, y + CELL].map((v) => v / SIDE));
  const conv = (from: string, name: string, kernel: number): ReturnType<typeof onnxNode> =>
    onnxNode(
      "Conv",
      [from, `${name}.w`, `${name}.b`],
      [name],
      { kernel_shape: [kernel, kernel].map(BigInt), strides: [kernel, kernel].map(BigInt) },
      name,
    );
  const graph = onnxGraph({
    name: "cells",
    node: [
      conv("x", "look", CELL),
      onnxNode("Relu", ["look"], ["seen"], {}, "seen"),
      conv("seen", "mix", 1),
      onnxNode("Relu", ["mix"], ["mixed"], {}, "mixed"),
      conv("mixed", "end", 1),
      onnxNode("Transpose", ["end"], ["last"], { perm: [0n, 2n, 3n, 1n] }, "last"),
      onnxNode("Reshape", ["last", "rows"], ["logits"], {}, "logits"),
      onnxNode("Softmax", ["logits"], ["scores"], { axis: 2n }, "scores"),
      onnxNode("Concat", ["scores", "scores"], ["four"], { axis: 2n }, "four"),
      onnxNode("Mul", ["four", "nothing"], ["none"], {}, "none"),
      onnxNode("Add", ["none", "places"], ["boxes"], {}, "boxes"),
    ],
    initializer: [
      onnxTensor("look.w", floats([3, 3, CELL, CELL], [...mean(0), ...mean(2), ...mean(3)])),
      onnxTensor("look.b", floats([3], [0, 0, 0])),
      onnxTensor("mix.w", floats([2, 3, 1, 1], [1, 0, 0, 0, 1, 10_000])),
      onnxTensor("mix.b", floats([2], [0, 0])),
      onnxTensor("end.w", floats([2, 2, 1, 1], [-6, -6, 6, 6])),
      onnxTensor("end.b", floats([2], [3, -3])),
      onnxTensor("rows", tensor("int64", [3], BigInt64Array.of(1n, BigInt(CELLS), 2n))),
      onnxTensor("nothing", floats([1], [0])),
      onnxTensor("places", floats([1, CELLS, 4], places)),
    ],
    input: [onnxValueInfo("x", "float32", [1, 3, SIDE, SIDE])],
    output: [onnxValueInfo("boxes", "float32", [1, CELLS, 4]), onnxValueInfo("scores", "float32", [1, CELLS, 2])],
  });
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
}

const RECIPE = {
  version: 1,
  name: "cells",
  task: "objects",
  licence: "Apache-2.0",
  source: "a test",
  classes: ["cell"],
  signature: {
    inputs: [{ role: "image", shape: [1, 3, SIDE, SIDE] }],
    outputs: [
      { name: "boxes", role: "boxes", shape: [1, CELLS, 4] },
      { name: "scores", role: "scores", shape: [1, CELLS, 2] },
    ],
  },
  preprocess: {
    resize: { dialect: "cv2", fit: "stretch", place: "top-left", fill: [0, 0, 0] },
    ...{ channels: "RGB", layout: "NCHW", dtype: "float32", mean: [0, 0, 0], std: [255, 255, 255] },
  },
  decoder: { kind: "corners", params: { background: 1, minScore: 0.5, iou: 0.5 } },
};

interface Photo {
  readonly colour: "red" | "blue";
  readonly cell: number;
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** One cell of a colour each, no two photos alike, in the order of their contents' hashes. */
async function photos(): Promise<readonly Photo[]> {
  const made = ["red", "blue"].flatMap((colour) =>
    Array.from({ length: 2 * CELLS }, async (_, n): Promise<Photo> => {
      const cell = n % CELLS;
      const image = makeImage(SIDE, SIDE);
      const [x0, y0] = cornersOf(cell);
      for (let y = y0; y < y0 + CELL; y++)
        for (let x = x0; x < x0 + CELL; x++) image.data[(y * SIDE + x) * 3 + (colour === "red" ? 0 : 2)] = 255 - Math.floor(n / CELLS);
      const bytes = await encodeImage(image, "png");
      return { colour: colour === "red" ? "red" : "blue", cell, bytes, hash: createHash("sha256").update(bytes).digest("hex") };
    }),
  );
  return (await Promise.all(made)).sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

/** A folder of photos with labels beside it. */
function write(name: string, list: readonly Photo[]): void {
  mkdirSync(at(name));
  list.forEach(({ bytes }, i) => {
    writeFileSync(join(at(name), `${i}.png`), bytes);
  });
  const truths = list.map(({ cell }, i) => ({ id: i + 1, image: i, category: 1, box: [...cornersOf(cell), CELL, CELL] as const }));
  const images = list.map((_, i) => ({ id: i, file: `${i}.png`, width: SIDE, height: SIDE }));
  writeFileSync(at(`${name}.json`), writeCoco({ images, categories: [{ id: 1, name: "cell" }], truths }));
}

/** Of each half the first photos whose colour it is to have. */
function alternating(all: readonly Photo[], colours: readonly [Photo["colour"], Photo["colour"]]): readonly Photo[] {
  const taken: Photo[] = [];
  for (const photo of all) if (photo.colour === colours[taken.length % 2 === 0 ? 0 : 1]) taken.push(photo);
  return taken.slice(0, taken.length - (taken.length % 2));
}

beforeAll(async () => {
  writeDetector(at("cells.onnx"));
  writeFileSync(at("cells.json"), JSON.stringify(RECIPE));
  const all = await photos();
  write("mixed", all);
  write("apart", alternating(all, ["red", "blue"]));
  const made = await hone([
    "calibrate",
    at("cells.onnx"),
    "--recipe",
    at("cells.json"),
    "--images",
    at("mixed"),
    "-o",
    at("table.json"),
    "--json",
  ]);
  expect(made.code, made.stderr + made.stdout).toBe(0);
}, 120_000);

const flags = ["--recipe", at("cells.json"), "--calib", at("table.json")];
const labelled = (name: string): string[] => ["--eval-images", at(name), "--annotations", at(`${name}.json`)];
const build = (name: string, ...more: string[]): ReturnType<typeof hone> =>
  hone(["build", at("cells.onnx"), ...flags, "--precision", "int8", "--int8", "all", "-o", at("cells.hone"), ...labelled(name), ...more]);

interface Half {
  readonly fp32: { readonly images: number; readonly AP: number };
  readonly drop: number;
}
interface Built {
  readonly int8: { readonly layers: number; readonly float: readonly { readonly layer: string; readonly why: string }[] };
  readonly maxDrop: { readonly float: readonly string[]; readonly chosen: Half; readonly judged: Half; readonly passed: boolean };
}

test(
  "the layer whose int8 loses what is found stays in float32, and photos that had no say in it agree",
  { timeout: 120_000 },
  async () => {
    const free = await build("mixed", "--max-drop", "100", "--json");
    expect(free.code, free.stderr).toBe(0);
    const lost = JSON.parse(free.stdout) as Built;
    expect(lost.maxDrop.float).toEqual([]);
    expect(lost.maxDrop.chosen.drop).toBeGreaterThan(25);

    const ran = await build("mixed", "--max-drop", "1", "--json");
    expect(ran.code, ran.stderr).toBe(0);
    const { int8, maxDrop } = JSON.parse(ran.stdout) as Built;
    expect(maxDrop.float).toEqual(["mix"]);
    expect(int8.float).toMatchObject([{ layer: "mix", why: expect.stringContaining("--max-drop") as string }]);
    expect(int8.layers).toBe(2);
    expect(maxDrop.chosen.drop).toBeLessThanOrEqual(1);
    expect(maxDrop.judged.drop).toBeLessThanOrEqual(1);
    expect(maxDrop.passed).toBe(true);
    expect(maxDrop.chosen.fp32.AP).toBeGreaterThan(0.95);
  },
);

test("photos that chose nothing judge: exit code 3, with both halves", { timeout: 120_000 }, async () => {
  const ran = await build("apart", "--max-drop", "1", "--json");
  expect(ran.code).toBe(3);
  const { maxDrop, ...rest } = JSON.parse(ran.stdout) as Built;
  expect(rest).toMatchObject({ error: { code: "gate.accuracy" } });
  expect(maxDrop).toMatchObject({ float: [], passed: false });
  expect(maxDrop.chosen.drop).toBe(0);
  expect(maxDrop.judged.drop).toBeGreaterThan(50);
  expect(maxDrop.chosen.fp32.images).toBe(maxDrop.judged.fp32.images);
  const text = await build("apart", "--max-drop", "1");
  expect(text.stdout).toMatch(/others judge +AP 100\.00 → 0\.00/);
  expect(text.stderr).toContain("points on the");
});

test("sensitivity tells of each layer what it costs by labels", { timeout: 120_000 }, async () => {
  const ran = await hone(["sensitivity", at("cells.onnx"), ...flags, "--images", at("mixed"), ...labelled("mixed"), "--json"]);
  expect(ran.code, ran.stderr).toBe(0);
  const { layers, scores } = JSON.parse(ran.stdout) as {
    readonly layers: readonly {
      readonly layer: string;
      readonly score: { readonly AP: number; readonly drop: number };
      readonly moved: number;
    }[];
    readonly scores: { readonly fp32: { readonly AP: number }; readonly int8: { readonly AP: number; readonly drop: number } };
  };
  expect(layers[0]).toMatchObject({ layer: "mix" });
  expect(layers[0]?.score.drop).toBeGreaterThan(25);
  expect(layers.slice(1).map((l) => l.score.drop)).toEqual([0, 0]);
  expect(layers[0]?.moved).toBeGreaterThan(Math.max(...layers.slice(1).map((l) => l.moved)));
  expect(scores.fp32.AP - scores.int8.AP).toBeGreaterThan(0.25);
});

test("the gate needs labels, and int8", async () => {
  const start = ["build", at("cells.onnx"), "-o", at("u.hone")];
  for (const flags of [
    ["--max-drop", "1"],
    ["--precision", "int8", "--calib", at("table.json"), "--max-drop", "1"],
    ["--precision", "int8", "--calib", at("table.json"), ...labelled("mixed")],
    ["--max-drop", "1", ...labelled("mixed")],
    ["--precision", "int8", "--calib", at("table.json"), "--max-drop", "-1", ...labelled("mixed")],
  ])
    expect((await hone([...start, ...flags])).code).toBe(2);
});
