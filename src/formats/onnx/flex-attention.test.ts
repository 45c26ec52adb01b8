import { expect, test } from "vitest";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import type { OnnxGraph, OnnxModel, OnnxNode } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

const f32 = (dims: readonly number[], ...data: number[]): Tensor => tensor("float32", dims, Float32Array.from(data));

const body = (inputs: readonly string[], node: readonly OnnxNode[], outputs: readonly string[]): OnnxGraph =>
  onnxGraph({
    node,
    input: inputs.map((name) => onnxValueInfo(name, "float32", [])),
    output: outputs.map((name) => onnxValueInfo(name, "float32", [])),
  });

const model = (attributes: Readonly<Record<string, OnnxGraph>>): OnnxModel =>
  onnxModel({
    opsetImport: [
      { domain: "", version: 24 },
      { domain: "ai.onnx.preview", version: 1 },
    ],
    graph: onnxGraph({
      node: [{ ...onnxNode("FlexAttention", ["q", "k", "v"], ["y"], attributes), domain: "ai.onnx.preview" }],
      input: [onnxValueInfo("q", "float32", [1, 1, 1, 1])],
      output: [onnxValueInfo("y", "float32", [])],
      initializer: [
        onnxTensor("k", f32([1, 1, 2, 1], 0, 5)),
        onnxTensor("v", f32([1, 1, 2, 1], 10, 20)),
        onnxTensor("mask", f32([2], 0, -Infinity)),
        onnxTensor("one", f32([1], 1)),
      ],
    }),
  });

const answer = (attributes: Readonly<Record<string, OnnxGraph>>): number[] =>
  Array.from(
    (evaluateGraph(importOnnx(model(attributes), { file: "test" }), { q: f32([1, 1, 1, 1], 0) })["y"]?.data ?? []) as Float32Array,
  );

test("subgraphs see the graph around the node", () => {
  expect(answer({})).toEqual([15]);
  expect(answer({ score_mod: body(["s"], [onnxNode("Add", ["s", "mask"], ["t"])], ["t"]) })).toEqual([10]);
  expect(answer({ prob_mod: body(["p"], [onnxNode("Add", ["p", "one"], ["t"])], ["t"]) })).toEqual([45]);
});

test("a subgraph that gives something else is refused", () => {
  const refused = (score_mod: OnnxGraph): void => {
    expect(() => answer({ score_mod })).toThrow(/FlexAttention/);
  };
  refused(body(["s"], [onnxNode("ReduceSum", ["s"], ["t"])], ["t"]));
  refused(body(["s"], [onnxNode("Equal", ["s", "s"], ["t"])], ["t"]));
  refused(body(["s", "r"], [], ["s"]));
  refused(body(["s"], [], []));
});
