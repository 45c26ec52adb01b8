import { expect, test } from "vitest";
import { evaluateGraph } from "../../../ops/evaluate.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { importOnnx } from "../import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo } from "../write.ts";

test.each([
  ["ReduceSum", [-2, 3]],
  ["ReduceL1", [2, 3]],
  ["ReduceL2", [2, 3]],
  ["ReduceSumSquare", [4, 9]],
  ["ReduceLogSumExp", [-2, 3]],
])("%s over no axes leaves out the reduction alone", (op, want) => {
  const graph = onnxGraph({
    node: [onnxNode(op, ["x"], ["y"], { noop_with_empty_axes: 1n })],
    input: [onnxValueInfo("x", "float32", [2])],
    output: [onnxValueInfo("y", "float32", [2])],
  });
  const model = onnxModel({ graph, opsetImport: [{ domain: "", version: 18 }] });
  const { y } = evaluateGraph(importOnnx(model, { file: "test.onnx" }), { x: tensor("float32", [2], Float32Array.of(-2, 3)) });
  expect(Array.from<number | bigint>(y?.data ?? [])).toEqual(want);
});
