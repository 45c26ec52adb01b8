import { expect, test } from "vitest";
import { tensor } from "../../tensor/tensor.ts";
import { cleanOnnx } from "./clean.ts";
import { readOnnx } from "./read.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "./write.ts";

test("initializers leave the inputs, inputs take their numbers, weights and nodes stay", () => {
  const w = onnxTensor("w", tensor("float32", [2], Float32Array.of(1, 2)));
  const graph = onnxGraph({
    node: [onnxNode("Add", ["x", "w"], ["y"])],
    initializer: [w],
    input: [onnxValueInfo("x", "float32", ["n", 2]), onnxValueInfo("w", "float32", [2])],
    output: [onnxValueInfo("y", "float32", ["n", 2])],
    valueInfo: [onnxValueInfo("y", "float32", ["n", 2])],
  });
  const cleaned = cleanOnnx(onnxModel({ graph, irVersion: 3 }), { x: [5, 2] });
  const back = readOnnx(writeOnnx(cleaned), { file: "cleaned" });
  expect(back.irVersion).toBe(4);
  expect(back.graph?.input.map((v) => v.name)).toEqual(["x"]);
  expect(back.graph?.input[0]?.type?.tensorType?.shape?.dim.map((d) => d.dimValue)).toEqual([5n, 2n]);
  expect(back.graph?.node.map((n) => n.opType)).toEqual(["Add"]);
  expect(back.graph?.initializer.map((t) => t.name)).toEqual(["w"]);
  expect(back.graph?.valueInfo).toEqual([]);
});
