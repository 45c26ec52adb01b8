/**
 * Small exports of detectors, written as exporters write them: raw heads, then the decoding that the graph does by itself. What hone makes of the
 * graph's outputs is held against a decode of the raw heads that is written out here, without hone's decoders.
 */
import { expect, test } from "vitest";
import { importModel } from "../../src/formats/index.ts";
import type { OnnxNode } from "../../src/formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { evaluateGraph } from "../../src/ops/evaluate.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { bindRecipe, decodeDetections, parseRecipe, recipeNamed, type Detection } from "../../src/vision.ts";
import { signatureOf } from "../../src/workflow/recipe.ts";

const SIDE = 64;
const STRIDES = [8, 16, 32];
const CLASSES = ["cat", "dog", "bird"];
const size = { width: SIDE, height: SIDE };
const identity = { back: [1, 0, 0, 0, 1, 0] } as const;

/** Numbers from −2 to 2 that are the same everywhere. */
function noise(dims: readonly number[], seed: number): Tensor {
  let state = seed >>> 0;
  const count = dims.reduce((a, b) => a * b, 1);
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 30 - 2;
  return tensor("float32", dims, Float32Array.from({ length: count }, next));
}

const f32 = (dims: readonly number[], list: readonly number[]): Tensor => tensor("float32", dims, Float32Array.from(list));
const i64 = (...list: number[]): Tensor => tensor("int64", [list.length], BigInt64Array.from(list, BigInt));
const at = (t: Tensor, i: number): number => Number(t.data[i] ?? NaN);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** A model whose raw heads are constants; the image is added to the first output with factor 0, so that it is used. */
function exported(nodes: readonly OnnxNode[], constants: Readonly<Record<string, Tensor>>, outputs: readonly string[]): Graph {
  const [first = "", ...rest] = outputs;
  const own = [
    onnxNode("ReduceMean", ["images"], ["mean"], { keepdims: 0n }),
    onnxNode("Mul", ["mean", "nothing"], ["none"]),
    onnxNode("Add", [`${first}_`, "none"], [first]),
  ];
  const graph = onnxGraph({
    node: [...nodes, ...own],
    initializer: Object.entries({ ...constants, nothing: f32([], [0]) }).map(([name, t]) => onnxTensor(name, t)),
    input: [onnxValueInfo("images", "float32", [1, 3, SIDE, SIDE])],
    output: [first, ...rest].map((name) => onnxValueInfo(name, "float32", [])),
  });
  return importModel(writeOnnx(onnxModel({ graph })), { file: "export.onnx" });
}

/** The recipe of that name for {@link CLASSES}, with the columns that they make. */
function recipeFor(name: string, shape: readonly (number | null)[]): ReturnType<typeof recipeNamed> {
  const recipe = recipeNamed(name);
  const outputs = recipe.signature.outputs.map((o) => ({ ...o, shape }));
  return parseRecipe({ ...recipe, classes: CLASSES, signature: { ...recipe.signature, outputs } });
}

interface Plain {
  readonly box: readonly [number, number, number, number];
  readonly score: number;
  readonly classId: number;
}

/** Greedy suppression, a class at a time, as a textbook has it. */
function suppressed(all: readonly Plain[], iou: number): Plain[] {
  const overlap = (a: Plain["box"], b: Plain["box"]): number => {
    const w = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
    const h = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
    const shared = Math.max(0, w) * Math.max(0, h);
    return shared / (a[2] * a[3] + b[2] * b[3] - shared);
  };
  const kept: Plain[] = [];
  for (const d of [...all].sort((a, b) => b.score - a.score)) {
    if (!kept.some((k) => k.classId === d.classId && overlap(k.box, d.box) > iou)) kept.push(d);
  }
  return kept;
}

function same(found: readonly Detection[], expected: readonly Plain[]): void {
  expect(expected.length).toBeGreaterThan(3);
  expect(found.map((d) => d.classId)).toEqual(expected.map((d) => d.classId));
  found.forEach((d, i) => {
    expect(d.score).toBeCloseTo(expected[i]?.score ?? NaN, 5);
    d.box.forEach((v, k) => expect(v).toBeCloseTo(expected[i]?.box[k] ?? NaN, 3));
  });
}

const run = (graph: Graph): Readonly<Record<string, Tensor>> => evaluateGraph(graph, { images: zeros("float32", [1, 3, SIDE, SIDE]) });

/** Index and score of the best of a list. */
function best(scores: readonly number[]): { readonly score: number; readonly classId: number } {
  const score = Math.max(...scores);
  return { score, classId: scores.indexOf(score) };
}

test("YOLOv8: distances by their distribution, decoded in the graph, planes out", () => {
  const [bins, levels] = [16, STRIDES.map((s) => SIDE / s)];
  const cells = levels.flatMap((n, l) =>
    Array.from({ length: n * n }, (_, i) => ({ x: (i % n) + 0.5, y: Math.floor(i / n) + 0.5, stride: STRIDES[l] ?? 1 })),
  );
  const n = cells.length;
  const [boxes, classes] = [noise([1, 4 * bins, n], 1), noise([1, CLASSES.length, n], 2)];
  const nodes = [
    onnxNode("Reshape", ["boxes", "split"], ["b1"]),
    onnxNode("Transpose", ["b1"], ["b2"], { perm: [0n, 2n, 1n, 3n] }),
    onnxNode("Softmax", ["b2"], ["b3"], { axis: 1n }),
    onnxNode("Conv", ["b3", "arange"], ["b4"]),
    onnxNode("Reshape", ["b4", "four"], ["ltrb"]),
    onnxNode("Split", ["ltrb", "halves"], ["lt", "rb"], { axis: 1n }),
    onnxNode("Sub", ["centres", "lt"], ["x1y1"]),
    onnxNode("Add", ["centres", "rb"], ["x2y2"]),
    onnxNode("Add", ["x1y1", "x2y2"], ["sum"]),
    onnxNode("Div", ["sum", "two"], ["middle"]),
    onnxNode("Sub", ["x2y2", "x1y1"], ["extent"]),
    onnxNode("Concat", ["middle", "extent"], ["xywh"], { axis: 1n }),
    onnxNode("Mul", ["xywh", "strides"], ["pixels"]),
    onnxNode("Sigmoid", ["classes"], ["scores"]),
    onnxNode("Concat", ["pixels", "scores"], ["output0_"], { axis: 1n }),
  ];
  const constants = {
    boxes,
    classes,
    split: i64(1, 4, bins, n),
    arange: f32(
      [1, bins, 1, 1],
      Array.from({ length: bins }, (_, i) => i),
    ),
    four: i64(1, 4, n),
    halves: i64(2, 2),
    centres: f32([1, 2, n], [...cells.map((c) => c.x), ...cells.map((c) => c.y)]),
    two: f32([], [2]),
    strides: f32(
      [1, 1, n],
      cells.map((c) => c.stride),
    ),
  };
  const graph = exported(nodes, constants, ["output0"]);
  const recipe = recipeFor("yolov8", [1, 4 + CLASSES.length, null]);
  expect(bindRecipe(signatureOf(graph), [recipe]).recipe.name).toBe("yolov8");
  const plain = cells.map(({ x, y, stride }, i): Plain => {
    const distance = (side: number): number => {
      const weights = Array.from({ length: bins }, (_, b) => Math.exp(at(boxes, (side * bins + b) * n + i)));
      return weights.reduce((sum, w, b) => sum + w * b, 0) / weights.reduce((a, b) => a + b, 0);
    };
    const [l, t, r, b] = [distance(0), distance(1), distance(2), distance(3)];
    const scores = CLASSES.map((_, c) => sigmoid(at(classes, c * n + i)));
    return { box: [(x - l) * stride, (y - t) * stride, (l + r) * stride, (t + b) * stride], ...best(scores) };
  });
  const found = decodeDetections(recipe, run(graph), size, identity, { minScore: 0.4, iou: 0.7 });
  same(
    found,
    suppressed(
      plain.filter((d) => d.score >= 0.4),
      0.7,
    ),
  );
});

test("YOLOv5: anchors of three levels, decoded in the graph, rows out", () => {
  const columns = 5 + CLASSES.length;
  const anchors = [
    [10, 13, 16, 30, 33, 23],
    [30, 61, 62, 45, 59, 119],
    [116, 90, 156, 198, 373, 326],
  ] as const;
  const plain: Plain[] = [];
  const constants: Record<string, Tensor> = { xy: i64(2, 2, columns - 4), two: f32([], [2]), half: f32([], [0.5]) };
  const nodes = STRIDES.flatMap((stride, l): OnnxNode[] => {
    const n = SIDE / stride;
    const raw = noise([1, 3 * columns, n, n], 10 + l);
    const own = anchors[l] ?? [];
    const grid = Array.from({ length: 3 * n * n }, (_, i) => [i % n, Math.floor(i / n) % n]).flat();
    const sizes = Array.from({ length: 3 * n * n }, (_, i) => [
      own[Math.floor(i / (n * n)) * 2] ?? 0,
      own[Math.floor(i / (n * n)) * 2 + 1] ?? 0,
    ]);
    const k = (name: string): string => `${name}${l}`;
    Object.assign(constants, {
      [k("raw")]: raw,
      [k("split")]: i64(1, 3, columns, n, n),
      [k("rows")]: i64(1, 3 * n * n, columns),
      [k("grid")]: f32([1, 3, n, n, 2], grid),
      [k("anchor")]: f32([1, 3, n, n, 2], sizes.flat()),
      [k("stride")]: f32([], [stride]),
    });
    for (let a = 0, i = 0; a < 3; a++) {
      for (let y = 0; y < n; y++) {
        for (let x = 0; x < n; x++, i++) {
          const value = (c: number): number => sigmoid(at(raw, ((a * columns + c) * n + y) * n + x));
          const [w, h] = [(value(2) * 2) ** 2 * (own[a * 2] ?? 0), (value(3) * 2) ** 2 * (own[a * 2 + 1] ?? 0)];
          const [cx, cy] = [(value(0) * 2 - 0.5 + x) * stride, (value(1) * 2 - 0.5 + y) * stride];
          const { score, classId } = best(CLASSES.map((_, c) => value(5 + c)));
          plain.push({ box: [cx - w / 2, cy - h / 2, w, h], score: score * value(4), classId });
        }
      }
    }
    return [
      onnxNode("Reshape", [k("raw"), k("split")], [k("a")]),
      onnxNode("Transpose", [k("a")], [k("b")], { perm: [0n, 1n, 3n, 4n, 2n] }),
      onnxNode("Sigmoid", [k("b")], [k("c")]),
      onnxNode("Split", [k("c"), "xy"], [k("p"), k("q"), k("r")], { axis: 4n }),
      onnxNode("Mul", [k("p"), "two"], [k("p1")]),
      onnxNode("Sub", [k("p1"), "half"], [k("p2")]),
      onnxNode("Add", [k("p2"), k("grid")], [k("p3")]),
      onnxNode("Mul", [k("p3"), k("stride")], [k("p4")]),
      onnxNode("Mul", [k("q"), "two"], [k("q1")]),
      onnxNode("Pow", [k("q1"), "two"], [k("q2")]),
      onnxNode("Mul", [k("q2"), k("anchor")], [k("q3")]),
      onnxNode("Concat", [k("p4"), k("q3"), k("r")], [k("s")], { axis: 4n }),
      onnxNode("Reshape", [k("s"), k("rows")], [k("level")]),
    ];
  });
  const all = onnxNode(
    "Concat",
    STRIDES.map((_, l) => `level${l}`),
    ["output_"],
    { axis: 1n },
  );
  const graph = exported([...nodes, all], constants, ["output"]);
  const recipe = recipeFor("yolov5", [1, null, columns]);
  expect(bindRecipe(signatureOf(graph), [recipe]).recipe.name).toBe("yolov5");
  const found = decodeDetections(recipe, run(graph), size, identity, { minScore: 0.5, iou: 0.45 });
  same(
    found,
    suppressed(
      plain.filter((d) => d.score >= 0.5),
      0.45,
    ),
  );
});

test("a model that chooses its best rows in the graph: corners, score and class out", () => {
  const n = 40;
  const [corners, scores] = [noise([1, n, 2], 5), noise([1, n], 6)];
  const nodes = [
    onnxNode("Sigmoid", ["scores"], ["p"]),
    onnxNode("TopK", ["p", "k"], ["top", "which"], { axis: 1n }),
    onnxNode("Unsqueeze", ["which", "last"], ["index"]),
    onnxNode("Expand", ["index", "wide"], ["indices"]),
    onnxNode("Sub", ["corners", "two"], ["low"]),
    onnxNode("Add", ["corners", "two"], ["high"]),
    onnxNode("Concat", ["low", "high"], ["boxes"], { axis: 2n }),
    onnxNode("GatherElements", ["boxes", "indices"], ["chosen"], { axis: 1n }),
    onnxNode("Unsqueeze", ["top", "last"], ["column"]),
    onnxNode("Mul", ["column", "nil"], ["classes"]),
    onnxNode("Concat", ["chosen", "column", "classes"], ["output0_"], { axis: 2n }),
  ];
  const constants = { corners, scores, k: i64(12), last: i64(2), wide: i64(1, 12, 4), two: f32([], [2]), nil: f32([], [0]) };
  const graph = exported(nodes, constants, ["output0"]);
  const recipe = recipeFor("yolo-finished", [1, null, 6]);
  expect(bindRecipe(signatureOf(graph), [recipe]).recipe.name).toBe("yolo-finished");
  const plain = Array.from({ length: n }, (_, i): Plain => {
    const [x, y] = [at(corners, i * 2) - 2, at(corners, i * 2 + 1) - 2];
    return { box: [x, y, 4, 4], score: sigmoid(at(scores, i)), classId: 0 };
  });
  const expected = plain.sort((a, b) => b.score - a.score).slice(0, 12);
  same(decodeDetections(recipe, run(graph), size, identity, { minScore: 0.1 }), expected);
});

test("PicoDet: scores and distributions of four levels, bound by their rows whatever their names", () => {
  const [bins, classes] = [8, 80];
  const plain: Plain[] = [];
  const constants: Record<string, Tensor> = {};
  const heads = [8, 16, 32, 64].map((stride, l) => {
    const n = SIDE / stride;
    const [cls, reg] = [noise([1, n * n, classes], 20 + l), noise([1, n * n, 4 * bins], 30 + l)];
    Object.assign(constants, { [`cls${l}`]: cls, [`reg${l}`]: reg });
    for (let i = 0; i < n * n; i++) {
      const distance = (side: number): number => {
        const weights = Array.from({ length: bins }, (_, b) => Math.exp(at(reg, i * 4 * bins + side * bins + b)));
        return (weights.reduce((sum, w, b) => sum + w * b, 0) / weights.reduce((a, b) => a + b, 0)) * stride;
      };
      const [left, top, right, bottom] = [distance(0), distance(1), distance(2), distance(3)];
      const scores = Array.from({ length: classes }, (_, c) => sigmoid(at(cls, i * classes + c)));
      const [x, y] = [((i % n) + 0.5) * stride, (Math.floor(i / n) + 0.5) * stride];
      plain.push({ box: [x - left, y - top, left + right, top + bottom], ...best(scores) });
    }
    return { scores: l === 0 ? "a0_" : `a${l}`, sides: `b${l}`, l };
  });
  const nodes = heads.flatMap(({ scores, sides, l }) => [
    onnxNode("Sigmoid", [`cls${l}`], [scores]),
    onnxNode("Identity", [`reg${l}`], [sides]),
  ]);
  const graph = exported(
    nodes,
    constants,
    heads.flatMap(({ l }) => [`a${l}`, `b${l}`]),
  );
  const { recipe } = bindRecipe(signatureOf(graph));
  expect(recipe.name).toBe("picodet");
  const found = decodeDetections(recipe, run(graph), size, identity, { minScore: 0.5 });
  same(
    found,
    suppressed(
      plain.filter((d) => d.score >= 0.5),
      0.6,
    ),
  );
});

test("two recipes that fit one export are an error that names both", () => {
  const graph = exported([onnxNode("Sigmoid", ["raw"], ["output0_"])], { raw: noise([1, 4 + CLASSES.length, 84], 1) }, ["output0"]);
  const one = recipeFor("yolov8", [1, 4 + CLASSES.length, null]);
  const other = { ...one, name: "mine" };
  expect(() => bindRecipe(signatureOf(graph), [one, other])).toThrow(/yolov8 and mine fit/);
});

test("suppression in the graph: NonMaxSuppression's picks as rows of corners, score and class", () => {
  const n = 60;
  const [corners, logits] = [noise([1, n, 2], 15), noise([1, CLASSES.length, n], 16)];
  const nodes = [
    // What is picked depends on the input, as far as the graph knows.
    onnxNode("ReduceMean", ["images"], ["average"], { keepdims: 0n }),
    onnxNode("Mul", ["average", "nothing"], ["zero"]),
    onnxNode("Add", ["logits", "zero"], ["moved"]),
    onnxNode("Sigmoid", ["moved"], ["scores"]),
    onnxNode("Mul", ["corners", "side"], ["low"]),
    onnxNode("Add", ["low", "side"], ["high"]),
    onnxNode("Concat", ["low", "high"], ["boxes"], { axis: 2n }),
    onnxNode("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["picked"]),
    onnxNode("Gather", ["picked", "two"], ["index"], { axis: 1n }),
    onnxNode("Gather", ["picked", "one"], ["class"], { axis: 1n }),
    onnxNode("Squeeze", ["boxes", "axis0"], ["flat"]),
    onnxNode("Gather", ["flat", "index"], ["kept"], { axis: 0n }),
    onnxNode("GatherND", ["scores", "picked"], ["score"]),
    onnxNode("Unsqueeze", ["score", "axis1"], ["column"]),
    onnxNode("Cast", ["class"], ["number"], { to: 1n }),
    onnxNode("Unsqueeze", ["number", "axis1"], ["classes"]),
    onnxNode("Concat", ["kept", "column", "classes"], ["rows"], { axis: 1n }),
    onnxNode("Unsqueeze", ["rows", "axis0"], ["output0_"]),
  ];
  const scalar = (i: bigint): Tensor => tensor("int64", [], BigInt64Array.of(i));
  const thresholds = { most: i64(n), iou: f32([1], [0.3]), least: f32([1], [0.4]) };
  const constants = { corners, logits, side: f32([], [8]), one: scalar(1n), two: scalar(2n), axis0: i64(0), axis1: i64(1), ...thresholds };
  const graph = exported(nodes, constants, ["output0"]);
  const recipe = recipeFor("yolo-finished", [1, null, 6]);
  expect(bindRecipe(signatureOf(graph), [recipe]).recipe.name).toBe("yolo-finished");
  const plain = Array.from({ length: n * CLASSES.length }, (_, k): Plain => {
    const [i, classId] = [k % n, Math.floor(k / n)];
    return { box: [at(corners, i * 2) * 8, at(corners, i * 2 + 1) * 8, 8, 8], score: sigmoid(at(logits, k)), classId };
  });
  const expected = suppressed(
    plain.filter((d) => d.score > 0.4),
    0.3,
  );
  same(decodeDetections(recipe, run(graph), size, identity, { minScore: 0.1 }), expected);
});
