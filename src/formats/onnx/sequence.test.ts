/** Sequences, optionals and functions are decided while importing: the graph has tensors only. */
import { describe, expect, test } from "vitest";
import { verifyGraph } from "../../ir/verify.ts";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { inferOp } from "../../passes/pass.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "./ast.ts";
import { importOnnx, type ImportOptions } from "./import.ts";
import { onnxAttribute, onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

const f32 = (dims: readonly number[], ...values: number[]): Tensor => tensor("float32", dims, Float32Array.from(values));
const i64 = (...values: number[]): Tensor => tensor("int64", [], BigInt64Array.from(values, BigInt));
const value = (name: string): OnnxValueInfo => onnxValueInfo(name, "float32", []);
const list = (name: string): OnnxValueInfo => ({
  name,
  type: { denotation: "", sequenceType: { elemType: { denotation: "", tensorType: { elemType: 1 } } } },
  docString: "",
  metadataProps: [],
});

interface Sketch extends Partial<ImportOptions> {
  readonly feeds: Record<string, Tensor>;
  readonly inputs?: readonly OnnxValueInfo[];
  readonly constants?: Record<string, Tensor>;
  readonly node: readonly OnnxNode[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly functions?: OnnxModel["functions"];
}

function run({ feeds, inputs, constants = {}, node, outputs, functions = [], ...options }: Sketch): Record<string, readonly number[]> {
  const input = inputs ?? Object.entries(feeds).map(([name, t]) => onnxValueInfo(name, t.type, t.dims));
  const initializer = Object.entries(constants).map(([name, t]) => onnxTensor(name, t));
  const graph = importOnnx(onnxModel({ functions, graph: onnxGraph({ node, input, output: outputs, initializer }) }), {
    file: "test.onnx",
    ...options,
  });
  verifyGraph(graph, inferOp);
  const results = evaluateGraph(graph, feeds);
  return Object.fromEntries(
    graph.outputs.map(({ name }) => [name, Array.from<number | bigint, number>(results[name]?.data ?? [], Number)]),
  );
}

const errorText = (sketch: Sketch): string => {
  try {
    run(sketch);
  } catch (error) {
    if (error instanceof HoneError) return error.describe();
    throw error;
  }
  return "";
};

describe("sequences", () => {
  const [a, b] = [f32([2], 1, 2), f32([2], 3, 4)];

  test("are built, changed, measured and joined", () => {
    const node = [
      onnxNode("SequenceConstruct", ["a", "b"], ["s"]),
      onnxNode("SequenceInsert", ["s", "b", "first"], ["t"]),
      onnxNode("SequenceErase", ["t", "last"], ["u"]),
      onnxNode("SequenceLength", ["t"], ["n"]),
      onnxNode("SequenceAt", ["u", "last"], ["x"]),
      onnxNode("ConcatFromSequence", ["t"], ["joined"], { axis: 0n }),
      onnxNode("ConcatFromSequence", ["u"], ["stacked"], { axis: -1n, new_axis: 1n }),
      onnxNode("Cast", ["n"], ["count"], { to: 1n }),
    ];
    const outputs = ["x", "joined", "stacked", "count"].map(value);
    expect(run({ feeds: { a, b }, constants: { first: i64(0), last: i64(-1) }, node, outputs: [...outputs, list("u")] })).toEqual({
      x: [1, 2],
      joined: [3, 4, 1, 2, 3, 4],
      stacked: [3, 1, 4, 2],
      count: [3],
      "u.0": [3, 4],
      "u.1": [1, 2],
    });
  });

  test("an element may be picked while the model runs where all are alike", () => {
    const node = [onnxNode("SequenceConstruct", ["a", "b"], ["s"]), onnxNode("SequenceAt", ["s", "i"], ["x"])];
    const at = (...values: number[]): Tensor => tensor("int64", [], BigInt64Array.from(values, BigInt));
    for (const [i, want] of [
      [1, [3, 4]],
      [-2, [1, 2]],
    ] as const)
      expect(run({ feeds: { a, b, i: at(i) }, node, outputs: [value("x")] })).toEqual({ x: want });
    expect(errorText({ feeds: { a, b: f32([1], 5), i: at(1) }, node, outputs: [value("x")] })).toContain("different shapes");
  });

  test("a position outside is the model's damage", () => {
    const node = [onnxNode("SequenceConstruct", ["a"], ["s"]), onnxNode("SequenceAt", ["s", "i"], ["x"])];
    expect(errorText({ feeds: { a }, constants: { i: i64(7) }, node, outputs: [value("x")] })).toContain("position 7");
  });

  test("tensors are split, also with a rest", () => {
    const node = [
      onnxNode("SplitToSequence", ["a", "two"], ["s"], { axis: 0n }),
      onnxNode("SplitToSequence", ["b"], ["t"], { keepdims: 0n }),
    ];
    const feeds = { a: f32([5], 1, 2, 3, 4, 5), b };
    const outputs = run({ feeds, constants: { two: i64(2) }, node, outputs: [list("s"), list("t")] });
    expect(outputs).toEqual({ "s.0": [1, 2], "s.1": [3, 4], "s.2": [5], "t.0": [3], "t.1": [4] });
  });

  test("a body is mapped over them, with tensors beside", () => {
    const body = onnxGraph({ input: [value("v"), value("w")], output: [value("sum")], node: [onnxNode("Add", ["v", "w"], ["sum"])] });
    const node = [onnxNode("SequenceConstruct", ["a", "b"], ["s"]), onnxNode("SequenceMap", ["s", "a"], ["m"], { body })];
    expect(run({ feeds: { a, b }, node, outputs: [list("m")] })).toEqual({ "m.0": [2, 4], "m.1": [4, 6] });
  });

  test("as inputs of the model their elements are inputs, as many as have shapes", () => {
    const node = [onnxNode("ConcatFromSequence", ["s"], ["y"], { axis: 0n })];
    const sketch = { inputs: [list("s")], node, outputs: [value("y")] };
    const feeds = { "s.0": a, "s.1": f32([1], 9) };
    expect(run({ ...sketch, feeds, shapes: { "s.0": [2], "s.1": [1] } })).toEqual({ y: [1, 2, 9] });
    expect(errorText({ ...sketch, feeds })).toContain("--shape s.0=");
  });

  test("where a tensor is needed, a sequence is named", () => {
    const node = [onnxNode("SequenceConstruct", ["a"], ["s"]), onnxNode("Relu", ["s"], ["y"])];
    expect(errorText({ feeds: { a }, node, outputs: [value("y")] })).toContain("an input of Relu is a sequence");
  });
});

describe("optionals", () => {
  test("say whether they have an element, and give it", () => {
    const node = [
      onnxNode("Optional", ["a"], ["o"]),
      onnxNode("Optional", [], ["none"]),
      onnxNode("OptionalHasElement", ["o"], ["has"]),
      onnxNode("OptionalHasElement", ["none"], ["lacks"]),
      onnxNode("OptionalGetElement", ["o"], ["y"]),
      onnxNode("Cast", ["has"], ["h"], { to: 1n }),
      onnxNode("Cast", ["lacks"], ["l"], { to: 1n }),
    ];
    expect(run({ feeds: { a: f32([1], 5) }, node, outputs: ["y", "h", "l"].map(value) })).toEqual({ y: [5], h: [1], l: [0] });
  });
});

describe("functions of the model", () => {
  const leaky = {
    name: "Leaky",
    domain: "my",
    input: ["x", "shift"],
    output: ["y"],
    attribute: ["slope"],
    attributeProto: [],
    node: [
      { ...onnxNode("LeakyRelu", ["x"], ["t"]), attribute: [{ ...onnxAttribute("alpha", 0), refAttrName: "slope" }] },
      onnxNode("Clip", ["t", "shift"], ["y"]),
    ],
    docString: "",
    opsetImport: [{ domain: "", version: 17 }],
    valueInfo: [],
    overload: "",
    metadataProps: [],
  };
  const call = (inputs: readonly string[]): OnnxNode => ({ ...onnxNode("Leaky", inputs, ["y"], { slope: 0.5 }), domain: "my" });

  test("are written out, with the call's attributes, and without inputs that are not given", () => {
    const feeds = { a: f32([3], -8, -1, 2) };
    expect(run({ feeds, functions: [leaky], node: [call(["a"])], outputs: [value("y")] })).toEqual({ y: [-4, -0.5, 2] });
    expect(run({ feeds, constants: { low: f32([], -1) }, functions: [leaky], node: [call(["a", "low"])], outputs: [value("y")] })).toEqual({
      y: [-1, -0.5, 2],
    });
  });

  test("that call themselves come to an end", () => {
    const endless = { ...leaky, node: [{ ...onnxNode("Leaky", ["x"], ["y"]), domain: "my" }] };
    expect(errorText({ feeds: { a: f32([1], 1) }, functions: [endless], node: [call(["a"])], outputs: [value("y")] })).toContain(
      "nested too deeply",
    );
  });
});
