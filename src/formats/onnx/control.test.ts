/** If, Loop and Scan as ONNX writes them: subgraphs that see the names around them. */
import { describe, expect, test } from "vitest";
import type { Graph } from "../../ir/graph.ts";
import { allGraphs } from "../../ir/regions.ts";
import { verifyGraph } from "../../ir/verify.ts";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { inferOp } from "../../passes/pass.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxNode } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

const f32 = (dims: readonly number[], ...values: number[]): Tensor => tensor("float32", dims, Float32Array.from(values));
const i64 = (dims: readonly number[], ...values: number[]): Tensor => tensor("int64", dims, BigInt64Array.from(values, BigInt));
const flag = (value: boolean): Tensor => tensor("bool", [], Uint8Array.of(value ? 1 : 0));
const value = (name: string): ReturnType<typeof onnxValueInfo> => onnxValueInfo(name, "float32", []);

const subgraph = (
  inputs: readonly string[],
  outputs: readonly string[],
  node: readonly OnnxNode[],
  constants: Record<string, Tensor> = {},
) =>
  onnxGraph({
    name: "body",
    input: inputs.map(value),
    output: outputs.map(value),
    node,
    initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
  });

interface Sketch {
  readonly inputs: Record<string, Tensor>;
  readonly constants?: Record<string, Tensor>;
  readonly node: readonly OnnxNode[];
  readonly outputs: readonly string[];
}

function imported({ inputs, constants = {}, node, outputs }: Sketch): Graph {
  const model = onnxModel({
    graph: onnxGraph({
      node,
      input: Object.entries(inputs).map(([name, t]) => onnxValueInfo(name, t.type, t.dims)),
      output: outputs.map(value),
      initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    }),
  });
  const graph = importOnnx(model, { file: "test.onnx" });
  verifyGraph(graph, inferOp);
  return graph;
}

function results(sketch: Sketch): { readonly graph: Graph; readonly values: readonly (readonly number[])[] } {
  const graph = imported(sketch);
  const outputs = evaluateGraph(graph, sketch.inputs);
  return { graph, values: sketch.outputs.map((name) => Array.from<number | bigint, number>(outputs[name]?.data ?? [], Number)) };
}

function errorOf(sketch: Sketch): HoneError {
  try {
    imported(sketch);
  } catch (error) {
    if (error instanceof HoneError) return error;
    throw error;
  }
  throw new Error("the import did not fail");
}

const controls = (graph: Graph): readonly string[] => allGraphs(graph).flatMap((g) => g.nodes.flatMap((n) => (n.regions ? [n.op] : [])));

describe("If", () => {
  const node = [
    onnxNode("Neg", ["x"], ["minus"]),
    onnxNode("If", ["c"], ["y"], {
      then_branch: subgraph([], ["a"], [onnxNode("Add", ["minus", "two"], ["a"])], { two: f32([], 2) }),
      else_branch: subgraph([], ["b"], [onnxNode("Mul", ["x", "w"], ["b"])]),
    }),
  ];
  const inputs = { x: f32([2], 1, 5) };
  const constants = { w: f32([2], 10, 100) };

  test.each([
    [true, [1, -3]],
    [false, [10, 500]],
  ])("chosen while the model runs: %s", (c, want) => {
    const { graph, values } = results({ inputs: { ...inputs, c: flag(c) }, constants, node, outputs: ["y"] });
    expect(values).toEqual([want]);
    expect(controls(graph)).toEqual(["if"]);
  });

  test("chosen by a constant, it is gone", () => {
    const { graph, values } = results({ inputs, constants: { ...constants, c: flag(true) }, node, outputs: ["y"] });
    expect(values).toEqual([[1, -3]]);
    expect(controls(graph)).toEqual([]);
  });

  test("a problem in one branch is told with its node, and what can be done when the other is the one that runs", () => {
    const bad = [
      onnxNode("If", ["c"], ["y"], {
        then_branch: subgraph([], ["a"], [onnxNode("Nonsense", ["x"], ["a"], {}, "inner")]),
        else_branch: subgraph([], ["b"], [onnxNode("Neg", ["x"], ["b"])]),
      }),
    ];
    const error = errorOf({ inputs: { ...inputs, c: flag(true) }, node: bad, outputs: ["y"] });
    expect(error).toMatchObject({ code: "model.unsupported", problems: [{ at: { node: "inner", op: "Nonsense" } }, { at: { op: "If" } }] });
    expect(error.describe()).toContain("hone convert model.onnx --set");
  });

  test("branches of different ranks need to be decided before", () => {
    const uneven = [
      onnxNode("If", ["c"], ["y"], {
        then_branch: subgraph([], ["a"], [onnxNode("Neg", ["x"], ["a"])]),
        else_branch: subgraph([], ["b"], [onnxNode("ReduceSum", ["x"], ["b"], { keepdims: 0n })]),
      }),
    ];
    const error = errorOf({ inputs: { ...inputs, c: flag(true) }, node: uneven, outputs: ["y"] });
    expect(error.describe()).toMatch(/float32\[2\] or float32\[\][\s\S]*--shape/);
  });
});

describe("Loop", () => {
  const body = subgraph(
    ["i", "go", "v"],
    ["stop", "next", "slice"],
    [
      onnxNode("Add", ["v", "x"], ["next"]),
      onnxNode("Mul", ["next", "next"], ["slice"]),
      onnxNode("ReduceMax", ["next"], ["most"], { keepdims: 0n }),
      onnxNode("Less", ["most", "bound"], ["stop"]),
    ],
    { bound: f32([], 6) },
  );
  const start = f32([2], 0, 0);

  test("ends by the body's condition; its value comes out", () => {
    const inner = { ...body, output: body.output.slice(0, 2) };
    const node = [onnxNode("Loop", ["", "", "v0"], ["y"], { body: inner })];
    const { graph, values } = results({ inputs: { x: f32([2], 1, 2), v0: start }, node, outputs: ["y"] });
    expect(values).toEqual([[3, 6]]);
    expect(controls(graph)).toEqual(["loop"]);
  });

  test("collects slices, as many as there were iterations", () => {
    const node = [onnxNode("Loop", ["n", "", "v0"], ["y", "all"], { body })];
    const { values } = results({ inputs: { x: f32([2], 1, 2), v0: start, n: i64([], 2) }, node, outputs: ["y", "all"] });
    expect(values).toEqual([
      [2, 4],
      [1, 4, 4, 16],
    ]);
  });

  test("values that grow are written out when the number of iterations is known, and refused when not", () => {
    const growing = subgraph(
      ["i", "go", "v"],
      ["go2", "next"],
      [onnxNode("Identity", ["go"], ["go2"]), onnxNode("Concat", ["v", "x"], ["next"], { axis: 0n })],
    );
    const node = [onnxNode("Loop", ["n", "", "v0"], ["y"], { body: growing })];
    const inputs = { x: f32([1], 7), v0: f32([2], 1, 2) };
    const { graph, values } = results({ inputs, constants: { n: i64([], 3) }, node, outputs: ["y"] });
    expect(values).toEqual([[1, 2, 7, 7, 7]]);
    expect(controls(graph)).toEqual([]);
    expect(errorOf({ inputs: { ...inputs, n: i64([], 3) }, node, outputs: ["y"] }).describe()).toMatch(/shape changes/);
  });

  test("loops that would be written out without end are refused", () => {
    const growing = subgraph(
      ["i", "go", "v"],
      ["go2", "next"],
      [onnxNode("Identity", ["go"], ["go2"]), onnxNode("Concat", ["v", "v"], ["next"], { axis: 0n })],
    );
    const node = [onnxNode("Loop", ["n", "", "v0"], ["y"], { body: growing })];
    expect(errorOf({ inputs: { v0: f32([1], 1) }, constants: { n: i64([], 1 << 30) }, node, outputs: ["y"] }).describe()).toContain(
      "have to be written out",
    );
  });
});

describe("Scan", () => {
  test("walks axes, also backwards, and puts its slices on any axis", () => {
    const body = subgraph(
      ["s", "a", "b"],
      ["next", "out"],
      [onnxNode("Add", ["s", "a"], ["next"]), onnxNode("Sub", ["next", "b"], ["out"])],
    );
    const node = [
      onnxNode("Scan", ["s0", "p", "q"], ["s", "all"], {
        body,
        num_scan_inputs: 2n,
        scan_input_axes: [0n, 1n],
        scan_input_directions: [0n, 1n],
        scan_output_axes: [1n],
        scan_output_directions: [1n],
      }),
    ];
    const inputs = { s0: f32([2], 0, 10), p: f32([3, 2], 1, 2, 3, 4, 5, 6), q: f32([2, 3], 1, 2, 3, 4, 5, 6) };
    const { graph, values } = results({ inputs, node, outputs: ["s", "all"] });
    // states: [1, 12], [4, 16], [9, 22]; minus q backwards: [3, 6], [2, 5], [1, 4]; then the slices in reverse as columns
    expect(values).toEqual([
      [9, 22],
      [8, 2, -2, 18, 11, 6],
    ]);
    expect(controls(graph)).toEqual(["loop"]);
  });
});
