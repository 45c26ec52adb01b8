/** Models with strings: read, and run as engines with WebAssembly, which is the same way around native code. */
import { describe, expect, test } from "vitest";
import { buildEngine } from "../../compiler/node/build.ts";
import { Session } from "../../runtime/node/session.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { stringTensor, type AnyTensor, type AnyType, type StringTensor } from "../../text/tensor.ts";
import { HoneError, must } from "../../util/errors.ts";
import { importModel } from "../index.ts";
import type { OnnxNode } from "./ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "./write.ts";

type Declared = Readonly<Record<string, readonly [AnyType, readonly (number | string)[]]>>;

interface Parts {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: Declared;
  readonly outputs: Declared;
  readonly constants?: Readonly<Record<string, AnyTensor>>;
}

function bytesOf({ nodes, inputs, outputs, constants = {} }: Parts): Uint8Array {
  const infos = (d: Declared): ReturnType<typeof onnxValueInfo>[] =>
    Object.entries(d).map(([name, [type, dims]]) => onnxValueInfo(name, type, dims));
  const initializer = Object.entries(constants).map(([name, t]) => onnxTensor(name, t));
  const graph = onnxGraph({ node: nodes, initializer, input: infos(inputs), output: infos(outputs) });
  return writeOnnx(
    onnxModel({
      graph,
      opsetImport: [
        { domain: "", version: 20 },
        { domain: "ai.onnx.ml", version: 4 },
      ],
    }),
  );
}

async function opened(parts: Parts): Promise<Session> {
  const graph = importModel(bytesOf(parts), { file: "text.onnx" });
  const built = await buildEngine(graph, { modelHash: "0".repeat(64), format: "onnx", targets: ["wasm"] });
  return Session.open(must(built.engine, "engine"), { native: "never" });
}

async function run(parts: Parts, feeds: Readonly<Record<string, AnyTensor>>): Promise<Record<string, AnyTensor>> {
  const session = await opened(parts);
  try {
    return await session.run<AnyTensor>(feeds);
  } finally {
    await session.close();
  }
}

const words = (...list: string[]): StringTensor => stringTensor([list.length], list);
const f32 = (dims: readonly number[], ...list: number[]): Tensor => tensor("float32", dims, Float32Array.from(list));
const i64 = (dims: readonly number[], ...list: number[]): Tensor => tensor("int64", dims, BigInt64Array.from(list, BigInt));

/** Any number of words, those of them that count, their numbers, and from those the name of a label. */
const classifier: Parts = {
  nodes: [
    onnxNode("StringNormalizer", ["words"], ["plain"], { case_change_action: "LOWER", stopwords: ["the", "a"] }),
    onnxNode("TfIdfVectorizer", ["plain"], ["counts"], {
      mode: "TFIDF",
      min_gram_length: 1n,
      max_gram_length: 2n,
      max_skip_count: 1n,
      ngram_counts: [0n, 2n],
      ngram_indexes: [1n, 0n, 2n],
      pool_strings: ["cat", "dog", "cat", "sat"],
      weights: [1, 2, 0.5],
    }),
    onnxNode("MatMul", ["counts", "w"], ["scores"]),
    onnxNode("ArgMax", ["scores"], ["best"], { axis: 0n, keepdims: 0n }),
    onnxNode("Gather", ["names", "best"], ["label"], { axis: 0n }),
  ],
  inputs: { words: ["string", ["n"]] },
  outputs: { label: ["string", []], scores: ["float32", [2]] },
  constants: { w: f32([3, 2], 1, 0, 0, 1, 0, 1), names: words("dogs", "cats") },
};

describe("a model with strings before and after its kernels", () => {
  test("gives numbers and strings", async () => {
    const { label, scores } = await run(classifier, { words: words("The", "CAT", "really", "sat", "a", "cat") });
    expect(label).toEqual(stringTensor([], ["cats"]));
    // twice "cat" of weight 2, once "cat sat" with one word between of weight 0.5
    expect(scores).toEqual(f32([2], 0, 4.5));
  });

  test("tells its own inputs and outputs, and what is wrong with feeds", async () => {
    const session = await opened(classifier);
    expect(session.inputMetadata).toEqual([{ name: "words", isTensor: true, type: "string", shape: ["n"] }]);
    expect(session.outputNames).toEqual(["label", "scores"]);
    await expect(session.run({ words: f32([1], 1) })).rejects.toThrow(/expected string\[n\], got float32/);
    await expect(session.run({ words: { type: "string", dims: [2], data: ["a"] } })).rejects.toThrow(/2 elements, got 1/);
    await expect(session.run({ words: { type: "string", dims: [1], data: [1] } })).rejects.toThrow(/other things than strings/);
    await expect(session.run({ word: words("a") })).rejects.toThrow(/2 things are wrong/);
    await expect(session.runInto({ words: words("a") }, {})).rejects.toThrow(/cannot write into memory/);
    expect(session.runSync<AnyTensor>({ words: words("dog") })["label"]).toEqual(stringTensor([], ["dogs"]));
    await session.close();
  });
});

test("numbers become strings and strings numbers", async () => {
  const parts: Parts = {
    nodes: [
      onnxNode("Cast", ["text"], ["numbers"], { to: 1n }),
      onnxNode("Mul", ["numbers", "x"], ["products"]),
      onnxNode("Cast", ["products"], ["written"], { to: 8n }),
      onnxNode("StringConcat", ["written", "unit"], ["y"]),
    ],
    inputs: { text: ["string", [3]], x: ["float32", [3]] },
    outputs: { y: ["string", [3]], products: ["float32", [3]] },
    constants: { unit: words(" m") },
  };
  const { y, products } = await run(parts, { text: words("0.1", " 1e3 ", "-INF"), x: f32([3], 1, 2, 3) });
  expect(y).toEqual(words("0.1 m", "2000 m", "-INF m"));
  expect(products).toEqual(f32([3], 0.1, 2000, -Infinity));
  await expect(run(parts, { text: words("one", "2", "3"), x: f32([3], 1, 2, 3) })).rejects.toThrow(/"one" is no float32/);
});

test("operators that move elements move strings", async () => {
  const parts: Parts = {
    nodes: [
      onnxNode("Reshape", ["x", "two"], ["r"]),
      onnxNode("Transpose", ["r"], ["t"], { perm: [1n, 0n] }),
      onnxNode("Concat", ["t", "more"], ["c"], { axis: 1n }),
      onnxNode("Gather", ["c", "i"], ["g"], { axis: 0n }),
    ],
    inputs: { x: ["string", [4]], i: ["int64", [1]] },
    outputs: { c: ["string", [2, 3]], g: ["string", [1, 3]] },
    constants: { two: i64([2], 2, 2), more: stringTensor([2, 1], ["e", "f"]) },
  };
  const { c, g } = await run(parts, { x: words("a", "b", "c", "d"), i: i64([1], 1) });
  expect(c).toEqual(stringTensor([2, 3], ["a", "c", "e", "b", "d", "f"]));
  expect(g).toEqual(stringTensor([1, 3], ["b", "d", "f"]));
});

test("labels are looked up both ways", async () => {
  const own = (node: OnnxNode): OnnxNode => ({ ...node, domain: "ai.onnx.ml" });
  const parts: Parts = {
    nodes: [
      own(onnxNode("LabelEncoder", ["x"], ["n"], { keys_strings: ["a", "b"], values_int64s: [7n, 9n], default_int64: 0n })),
      onnxNode("Add", ["n", "one"], ["m"]),
      own(onnxNode("LabelEncoder", ["m"], ["y"], { keys_int64s: [8n, 10n], values_strings: ["eight", "ten"], default_string: "?" })),
    ],
    inputs: { x: ["string", [3]] },
    outputs: { y: ["string", [3]] },
    constants: { one: i64([1], 1) },
  };
  expect(await run(parts, { x: words("b", "a", "c") })).toEqual({ y: words("ten", "eight", "?") });
});

test("what is constant is computed while importing, and needs no feeds", async () => {
  const parts: Parts = {
    nodes: [
      onnxNode("Constant", [], ["s"], { value_strings: ["a b", "c"] }),
      onnxNode("StringSplit", ["s"], ["parts", "counts"]),
      onnxNode("Cast", ["counts"], ["f"], { to: 1n }),
      onnxNode("Add", ["f", "x"], ["y"]),
    ],
    inputs: { x: ["float32", [2]] },
    outputs: { y: ["float32", [2]], parts: ["string", [2, 2]] },
  };
  const graph = importModel(bytesOf(parts), { file: "text.onnx" });
  expect(graph.host?.steps).toEqual([]);
  expect(await run(parts, { x: f32([2], 0, 0) })).toEqual({ y: f32([2], 2, 1), parts: stringTensor([2, 2], ["a", "b", "c", ""]) });
});

test.each<[string, Parts, RegExp]>([
  [
    "strings between kernels",
    {
      nodes: [
        onnxNode("Neg", ["x"], ["n"]),
        onnxNode("Cast", ["n"], ["s"], { to: 8n }),
        onnxNode("Cast", ["s"], ["f"], { to: 1n }),
        onnxNode("Neg", ["f"], ["y"]),
      ],
      inputs: { x: ["float32", [2]] },
      outputs: { y: ["float32", [2]] },
    },
    /between kernels/,
  ],
  [
    "arithmetic with strings",
    { nodes: [onnxNode("Add", ["x", "x"], ["y"])], inputs: { x: ["string", [2]] }, outputs: { y: ["string", [2]] } },
    /strings of Add/,
  ],
  [
    "a pattern that is none of RE2",
    {
      nodes: [onnxNode("RegexFullMatch", ["x"], ["y"], { pattern: "(a)\\1" })],
      inputs: { x: ["string", [2]] },
      outputs: { y: ["bool", [2]] },
    },
    /back reference/,
  ],
])("%s are refused with the reason", (_, parts, reason) => {
  let told = "";
  try {
    importModel(bytesOf(parts), { file: "text.onnx" });
  } catch (error) {
    if (error instanceof HoneError) told = error.describe();
  }
  expect(told).toMatch(reason);
});
