/** Reductions by an implementation that is wrong on purpose. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readOnnx } from "../formats/onnx/read.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import type { Graph } from "../ir/graph.ts";
import { tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import type { Peer } from "./peer.ts";
import { readNpy } from "./npy.ts";
import { parseBetween, reduceModel, type Side } from "./reduce.ts";
import { openSide } from "./sides.ts";
import { smallestSubset } from "./smallest.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-reduce-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);

const floats = (dims: readonly number[]): ReturnType<typeof tensor> =>
  tensor(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 1.3)),
  );

/** Two branches of convolutions with what surrounds them; a sequence between; one leaky unit deep inside. */
function writeNet(path: string): void {
  const conv = (from: string, to: string): ReturnType<typeof onnxNode> =>
    onnxNode("Conv", [from, "w"], [to], { kernel_shape: [3n, 3n], pads: [1n, 1n, 1n, 1n] }, `conv-${to}`);
  const graph = onnxGraph({
    node: [
      conv("x", "a"),
      onnxNode("Relu", ["a"], ["b"], {}, "relu"),
      conv("b", "c"),
      onnxNode("Tanh", ["c"], ["d"], {}, "tanh"),
      conv("d", "e"),
      onnxNode("LeakyRelu", ["e"], ["f"], { alpha: 0.1 }, "leaky"),
      conv("f", "g"),
      onnxNode("Shape", ["x"], ["shape"], {}, "shape"),
      onnxNode("Reshape", ["b", "shape"], ["h"], {}, "reshape"),
      onnxNode("SequenceConstruct", ["g", "h"], ["list"], {}, "pair"),
      onnxNode("ConcatFromSequence", ["list"], ["i"], { axis: 1n }, "join"),
      onnxNode("Sigmoid", ["i"], ["y"], {}, "sigmoid"),
    ],
    initializer: [onnxTensor("w", floats([4, 4, 3, 3]))],
    input: [onnxValueInfo("x", "float32", [1, 4, "h", 6])],
    output: [onnxValueInfo("y", "float32", [1, 8, "h", 6])],
  });
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
}

/** Kernels of hone for a graph that was made wrong after it was optimised. */
function broken(name: string, spoil: (graph: Graph) => Graph): Side {
  return { name, open: (path): Promise<Peer> => openSide("wasm", path, { rewrite: spoil }) };
}

const wrongSlope = broken("wrong slope", (graph) => ({
  ...graph,
  nodes: graph.nodes.map((n) => (n.op === "leakyRelu" ? { ...n, attrs: { ...n.attrs, alpha: 0.3 } } : n)),
}));

/** Right unless a tanh comes straight from a convolution. */
const wrongPair = broken("wrong pair", (graph) => {
  const convs = new Set(graph.nodes.filter((n) => n.op === "conv").flatMap((n) => n.outputs));
  const wrong = (v: Graph["nodes"][number]["inputs"][number]): boolean => v !== undefined && convs.has(v);
  return { ...graph, nodes: graph.nodes.map((n) => (n.op === "tanh" && n.inputs.some(wrong) ? { ...n, op: "relu" } : n)) };
});

const refusing = broken("refusing", (graph) => {
  if (graph.nodes.some((n) => n.op === "sigmoid")) throw new HoneError("target.unsupported", "no sigmoid here");
  return graph;
});

const options = { output: file("small.onnx"), tolerance: 1e-4, shapes: ["x=1x4x5x6"] };

describe("reduceModel", () => {
  writeNet(file("net.onnx"));

  test("a wrong kernel is found among others, and written with what it was fed", async () => {
    const reduced = await reduceModel(file("net.onnx"), { ...options, between: [wrongSlope, "interpret"] });
    expect(reduced.whole.kind).toBe("differ");
    expect(reduced.part?.kind).toBe("differ");
    expect(reduced.left).toEqual([{ name: "leaky", op: "LeakyRelu" }]);
    expect(reduced.nodes).toEqual({ before: 12, after: 1 });
    const { graph } = readOnnx(readFileSync(file("small.onnx")), { file: "small.onnx" });
    expect(graph?.node.map((n) => n.opType)).toEqual(["LeakyRelu"]);
    expect(graph?.input.map((v) => v.name)).toEqual(["e"]);
    const [, array = ""] = reduced.files;
    expect(readNpy(readFileSync(array), array).dims).toEqual([1, 4, 5, 6]);
    // What is written shows the same, and only with the wrong one.
    const again = { ...options, output: file("again.onnx"), shapes: [], arrays: reduced.arrays };
    expect((await reduceModel(file("small.onnx"), { ...again, between: [wrongSlope, "interpret"] })).whole).toEqual(reduced.part);
    expect((await reduceModel(file("small.onnx"), { ...again, between: ["wasm", "interpret"] })).whole.kind).toBe("agree");
  });

  test("what needs two nodes keeps two", async () => {
    const reduced = await reduceModel(file("net.onnx"), { ...options, between: [wrongPair, "interpret"] });
    expect(reduced.left.map((n) => n.name)).toEqual(["conv-c", "tanh"]);
  });

  test("a side that fails is reduced to what it fails on", async () => {
    const reduced = await reduceModel(file("net.onnx"), { ...options, between: [refusing, "interpret"] });
    expect(reduced.whole).toMatchObject({ kind: "fails", side: "refusing", code: "target.unsupported" });
    expect(reduced.left.map((n) => n.name)).toEqual(["sigmoid"]);
  });

  test("two that agree leave nothing, and no file", async () => {
    const reduced = await reduceModel(file("net.onnx"), { ...options, output: file("none.onnx"), between: ["wasm", "interpret"] });
    expect(reduced).toMatchObject({ whole: { kind: "agree" }, part: null, tried: 1, files: [] });
    expect(() => readFileSync(file("none.onnx"))).toThrow("ENOENT");
  });

  test("an abort ends it", async () => {
    const signal = AbortSignal.abort();
    await expect(reduceModel(file("net.onnx"), { ...options, signal, between: [wrongSlope, "interpret"] })).rejects.toMatchObject({
      code: "aborted",
    });
  });

  test("names are checked", () => {
    expect(parseBetween("wasm, naive")).toEqual(["wasm", "naive"]);
    for (const text of ["wasm", "wasm,wasm", "wasm,nothing", "a,b,c"]) expect(() => parseBetween(text), text).toThrow("--between");
  });
});

describe("smallestSubset", () => {
  test.each([[[3]], [[0, 19]], [[5, 6, 7]], [[1, 8, 12, 18]]])("keeps %j of twenty", async (needed) => {
    const items = Array.from({ length: 20 }, (_, i) => i);
    let asked = 0;
    const has = (subset: readonly number[]): Promise<boolean> => {
      asked++;
      return Promise.resolve(needed.every((n) => subset.includes(n)));
    };
    expect(await smallestSubset(items, has)).toEqual(needed);
    expect(asked).toBeLessThan(120);
  });
});
