import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import type { OnnxModel, OnnxNode } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { simplifyOnnx, type SimplifyOptions } from "./simplify.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

const f32 = (...values: number[]): Tensor => tensor("float32", [values.length], Float32Array.from(values));
const i64 = (...values: number[]): Tensor => tensor("int64", [values.length], BigInt64Array.from(values, BigInt));
const value = (name: string): ReturnType<typeof onnxValueInfo> => onnxValueInfo(name, "float32", []);

const model = (
  node: readonly OnnxNode[],
  constants: Record<string, Tensor> = {},
  dims: readonly (number | string)[] = ["n", 4],
): OnnxModel =>
  onnxModel({
    graph: onnxGraph({
      node,
      input: [onnxValueInfo("x", "float32", dims), onnxValueInfo("flag", "bool", [])],
      output: [onnxValueInfo("y", "float32", ["n", "m"])],
      initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    }),
  });

const opsOf = (m: OnnxModel): readonly string[] => m.graph?.node.map((n) => n.opType) ?? [];
const simplified = (m: OnnxModel, options: Partial<SimplifyOptions> = {}): OnnxModel => simplifyOnnx(m, { file: "test.onnx", ...options });

describe("a simplified model", () => {
  const shaped = model(
    [
      onnxNode("Shape", ["x"], ["shape"]),
      onnxNode("Gather", ["shape", "zero"], ["n"], { axis: 0n }),
      onnxNode("Concat", ["n", "rest"], ["to"], { axis: 0n }),
      onnxNode("Reshape", ["x", "to"], ["flat"]),
      onnxNode("Mul", ["half", "half"], ["quarter"]),
      onnxNode("Identity", ["flat"], ["same"]),
      onnxNode("Mul", ["same", "quarter"], ["product"]),
      onnxNode("Identity", ["product"], ["y"]),
      onnxNode("Exp", ["x"], ["unused"]),
    ],
    { zero: i64(0), rest: i64(-1), half: f32(0.5), leftover: f32(1, 2, 3) },
  );

  test("has no shape arithmetic for fixed shapes, no copies, nothing unused", () => {
    const simple = simplified(shaped, { shapes: { x: [2, 4] } });
    expect(opsOf(simple)).toEqual(["Reshape", "Mul"]);
    expect(simple.graph?.node.at(-1)?.output).toEqual(["y"]);
    expect(simple.graph?.initializer.map((t) => t.name)).not.toContain("leftover");
    expect(simple.graph?.output[0]?.type?.tensorType?.shape?.dim.map((d) => d.dimValue)).toEqual([2n, 4n]);
    const x = tensor(
      "float32",
      [2, 4],
      Float32Array.from({ length: 8 }, (_, i) => i),
    );
    const feeds = { x, flag: tensor("bool", [], Uint8Array.of(1)) };
    const results = [shaped, simple].map((m) => evaluateGraph(importOnnx(m, { file: "test.onnx", shapes: { x: [2, 4] } }), feeds)["y"]);
    expect(results[1]).toEqual(results[0]);
  });

  test("keeps what depends on open dims", () => {
    expect(opsOf(simplified(shaped))).toEqual(["Shape", "Gather", "Concat", "Reshape", "Mul"]);
  });

  test("keeps operators that hone does not know, and folds around them", () => {
    const strange = model([
      { ...onnxNode("Strange", ["x", "double"], ["s"]), domain: "custom" },
      onnxNode("Constant", [], ["c"], { value: f32(2) }),
      onnxNode("Add", ["c", "c"], ["double"]),
      onnxNode("Relu", ["s"], ["y"]),
    ]);
    const sorted = {
      ...strange,
      graph: { ...strange.graph, node: [1, 2, 0, 3].flatMap((i) => strange.graph?.node[i] ?? []) },
    } as OnnxModel;
    const simple = simplified(sorted);
    expect(opsOf(simple)).toEqual(["Strange", "Relu"]);
    expect(simple.graph?.initializer.map((t) => t.name)).toEqual(["double"]);
  });

  test("has the branch that a constant chooses, also in a branch that data choose", () => {
    const inner = onnxNode("If", ["c"], ["a"], {
      then_branch: onnxGraph({ output: [value("p")], node: [onnxNode("Neg", ["x"], ["p"])] }),
      else_branch: onnxGraph({ output: [value("q")], node: [onnxNode("Exp", ["x"], ["q"])] }),
    });
    const outer = model([
      onnxNode("Constant", [], ["k"], { value: i64(3) }),
      onnxNode("Constant", [], ["three"], { value: i64(3) }),
      onnxNode("Equal", ["k", "three"], ["c"]),
      onnxNode("If", ["flag"], ["y"], {
        then_branch: onnxGraph({ output: [value("a")], node: [inner] }),
        else_branch: onnxGraph({ output: [value("b")], node: [onnxNode("Relu", ["x"], ["b"])] }),
      }),
    ]);
    const open = simplified(outer);
    expect(opsOf(open)).toEqual(["If"]);
    expect(open.graph?.node[0]?.attribute[0]?.g?.node.map((n) => n.opType)).toEqual(["Neg"]);
    const decided = simplified(outer, { values: { flag: tensor("bool", [], Uint8Array.of(0)) } });
    expect(opsOf(decided)).toEqual(["Relu"]);
    expect(decided.graph?.input.map((v) => v.name)).toEqual(["x"]);
  });

  test("does not grow by constants that are larger than what they are made of", () => {
    const wide = model(
      [
        onnxNode("ConstantOfShape", ["many"], ["zeros"]),
        onnxNode("ReduceSum", ["zeros"], ["sum"], { keepdims: 0n }),
        onnxNode("Add", ["x", "zeros"], ["y"]),
      ],
      { many: i64(200, 200) },
      ["n", 200],
    );
    expect(opsOf(simplified(wide))).toEqual(["ConstantOfShape", "Add"]);
  });
});
