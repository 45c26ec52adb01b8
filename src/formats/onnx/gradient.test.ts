/** Gradient of ONNX's training domain, held against differences. */
import { expect, test } from "vitest";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { must } from "../../util/errors.ts";
import type { OnnxNode } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo } from "./write.ts";

const f32 = (dims: readonly number[], ...values: number[]): Tensor => tensor("float32", dims, Float32Array.from(values));
const gradientOf = (y: string, xs: readonly string[]): OnnxNode => ({
  ...onnxNode(
    "Gradient",
    xs,
    xs.map((x) => `d${x}`),
    { xs, y },
  ),
  domain: "ai.onnx.preview.training",
});

type Feeds = Readonly<Record<string, Tensor>>;

function run(node: readonly OnnxNode[], feeds: Feeds, outputs: readonly string[]): Feeds {
  const input = Object.entries(feeds).map(([name, t]) => onnxValueInfo(name, t.type, t.dims));
  const output = outputs.map((name) => onnxValueInfo(name, "float32", []));
  return evaluateGraph(importOnnx(onnxModel({ graph: onnxGraph({ node, input, output }) }), { file: "test.onnx" }), feeds);
}

const numbers = (t: Tensor | undefined): number[] => Array.from<number | bigint, number>(must(t, "a result").data, Number);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

test("of every operation that has a rule, with operands that are repeated", () => {
  const feeds = { a: f32([2, 3], 1.5, 2, 0.5, 1, 3, 2.5), b: f32([3], 2, 1.25, 4), c: f32([2, 1], 0.75, 1.5) };
  const node = [
    onnxNode("Mul", ["a", "b"], ["ab"]),
    onnxNode("Sub", ["ab", "c"], ["m"]),
    onnxNode("Exp", ["c"], ["e"]),
    onnxNode("Div", ["m", "e"], ["q"]),
    onnxNode("Sqrt", ["a"], ["r"]),
    onnxNode("Log", ["b"], ["l"]),
    onnxNode("Add", ["r", "l"], ["s"]),
    onnxNode("Neg", ["s"], ["t"]),
    onnxNode("Add", ["q", "t"], ["y"]),
  ];
  const got = run([...node, gradientOf("y", ["a", "b", "c"])], feeds, ["da", "db", "dc"]);
  for (const [name, x] of Object.entries(feeds)) {
    const slope = numbers(x).map((_, i) => {
      const moved = (by: number): number => {
        const values = numbers(x).map((v, k) => (k === i ? v + by : v));
        return sum(numbers(run(node, { ...feeds, [name]: f32(x.dims, ...values) }, ["y"])["y"]));
      };
      return (moved(2 ** -7) - moved(-(2 ** -7))) / 2 ** -6;
    });
    expect(got[`d${name}`]?.dims).toEqual(x.dims);
    numbers(got[`d${name}`]).forEach((value, i) => expect(value, `d${name}[${i}]`).toBeCloseTo(must(slope[i], "a slope"), 2));
  }
});

test("a value that does not count has the gradient zero, and an operation without a rule is named", () => {
  const feeds = { a: f32([2], 1, 2), b: f32([2], 3, 4) };
  expect(numbers(run([onnxNode("Neg", ["a"], ["y"]), gradientOf("y", ["a", "b"])], feeds, ["da", "db"])["db"])).toEqual([0, 0]);
  const refused = (): unknown => run([onnxNode("Erf", ["a"], ["y"]), gradientOf("y", ["a"])], { a: f32([2], 1, 2) }, ["da"]);
  expect(refused).toThrow(
    expect.objectContaining({
      code: "model.unsupported",
      problems: [expect.objectContaining({ message: "hone does not support the operation erf between the values of Gradient" })],
    }) as Error,
  );
});
