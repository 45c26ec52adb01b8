/** Results whose size depends on data, from the model to the results of the interpreter. */
import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { sized } from "../../tensor/sized.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxNode, OnnxTensor } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { traceOnnx } from "./trace.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

const ints = (...values: number[]): Tensor => tensor("int64", [values.length], BigInt64Array.from(values, BigInt));
const x = tensor("float32", [2, 3], Float32Array.of(0, 1, 0, 2, 0, -3));

function model(
  node: readonly OnnxNode[],
  outputs: readonly string[],
  initializer: readonly OnnxTensor[] = [],
): ReturnType<typeof onnxModel> {
  const input = [onnxValueInfo("x", "float32", [2, 3])];
  return onnxModel({ graph: onnxGraph({ node, initializer, input, output: outputs.map((name) => onnxValueInfo(name, "float32", [])) }) });
}

function results(...args: Parameters<typeof model>): Record<string, Tensor> {
  return sized(evaluateGraph(importOnnx(model(...args), { file: "m.onnx" }), { x }));
}

function refusal(...args: Parameters<typeof model>): string {
  try {
    importOnnx(model(...args), { file: "m.onnx" });
  } catch (error) {
    if (error instanceof HoneError) return error.describe();
    throw error;
  }
  return "nothing was thrown";
}

const places = onnxNode("NonZero", ["x"], ["n"], {}, "places");

describe("what is counted", () => {
  test("is given with its shape, and cut to it", () => {
    expect(results([places], ["n"])).toEqual({
      n: tensor("int64", [2, 3], BigInt64Array.of(0n, 1n, 1n, 1n, 0n, 2n)),
      "n.shape": ints(2, 3),
    });
  });

  test("is handed on by what treats its elements alike", () => {
    const nodes = [
      places,
      onnxNode("Transpose", ["n"], ["t"], { perm: [1n, 0n] }),
      onnxNode("GatherND", ["x", "t"], ["values"]),
      onnxNode("Mul", ["values", "values"], ["squares"]),
      onnxNode("Gather", ["n", "one"], ["columns"], { axis: 0n }),
      onnxNode("Cast", ["columns"], ["y"], { to: 1n }),
      onnxNode("Shape", ["squares"], ["size"]),
    ];
    const one = onnxTensor("one", tensor("int64", [], BigInt64Array.of(1n)));
    const { squares, y, size } = results(nodes, ["squares", "y", "size"], [one]);
    expect(squares).toEqual(tensor("float32", [3], Float32Array.of(1, 4, 9)));
    expect(y).toEqual(tensor("float32", [3], Float32Array.of(1, 0, 2)));
    expect(size).toEqual(ints(3));
  });

  test("is refused by what would take the room for elements, with the way around", () => {
    for (const node of [
      onnxNode("ReduceSum", ["n"], ["y"]),
      onnxNode("Reshape", ["n", "flat"], ["y"]),
      onnxNode("Slice", ["n", "one", "two", "one"], ["y"]),
      onnxNode("Add", ["n", "three"], ["y"]),
      onnxNode("SequenceConstruct", ["n"], ["y"]),
    ]) {
      const constants = [
        onnxTensor("flat", ints(-1)),
        onnxTensor("one", ints(1)),
        onnxTensor("two", ints(2)),
        onnxTensor("three", ints(1, 2, 3, 4, 5, 6)),
      ];
      const text = refusal([places, node], ["y"], constants);
      expect(text, node.opType).toContain('the size of "n", which depends on data');
      expect(text, node.opType).toContain("end it at this value");
    }
  });

  test("does not enter a subgraph", () => {
    const branch = onnxGraph({ node: [onnxNode("Identity", ["n"], ["b"])], output: [onnxValueInfo("b", "int64", [])] });
    const nodes = [places, onnxNode("ReduceMax", ["x"], ["m"], { keepdims: 0n }), onnxNode("Cast", ["m"], ["c"], { to: 9n })];
    expect(refusal([...nodes, onnxNode("If", ["c"], ["y"], { then_branch: branch, else_branch: branch })], ["y"])).toContain(
      "depends on data",
    );
  });

  test("is of its true size where that is known", () => {
    const known = onnxTensor("k", tensor("float32", [4], Float32Array.of(0, 5, 0, 6)));
    const nodes = [onnxNode("NonZero", ["k"], ["n"]), onnxNode("ReduceSum", ["n"], ["y"], { keepdims: 0n })];
    const graph = importOnnx(model(nodes, ["n", "y"], [known]), { file: "m.onnx" });
    expect(graph.outputs.map((v) => v.shape)).toEqual([[1, 2], []]);
    expect(results(nodes, ["y"], [known])["y"]?.data).toEqual(BigInt64Array.of(4n));
  });

  test("has no shape that a simpler model could state", () => {
    const m = model([places], ["n"]);
    expect(traceOnnx(m, { file: "m.onnx" }).value("n")).toBeUndefined();
  });
});
