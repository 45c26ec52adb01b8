/** Models that `npm run fuzz` and its like made: each once hung, exhausted memory or broke with an error that was not hone's. */
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../src/compiler/compile.ts";
import { importModel } from "../../src/formats/index.ts";
import type { OnnxNode } from "../../src/formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { stringTensor, type AnyTensor, type StringTensor } from "../../src/text/tensor.ts";
import { HoneError } from "../../src/util/errors.ts";

const i64 = (...list: (number | bigint)[]): Tensor => tensor("int64", [list.length], BigInt64Array.from(list, BigInt));
const chain = (count: number, make: (from: string, to: string, i: number) => OnnxNode): OnnxNode[] =>
  Array.from({ length: count }, (_, i) => make(i === 0 ? "x" : `v${i}`, i === count - 1 ? "y" : `v${i + 1}`, i));

/** `compiled`, or the code of the error. */
function outcome(node: readonly OnnxNode[], dims: readonly (number | string)[], constants: Readonly<Record<string, Tensor>> = {}): string {
  const graph = onnxGraph({
    node,
    initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    input: [onnxValueInfo("x", "float32", dims)],
    output: [onnxValueInfo("y", "float32", [])],
  });
  try {
    compileGraph(importModel(writeOnnx(onnxModel({ graph })), { file: "hostile.onnx" }), { machine: { lanes: 8, registers: 16 } });
    return "compiled";
  } catch (error) {
    if (error instanceof HoneError) return error.code;
    throw error;
  }
}

const huge = 1n << 40n;
test.each<[string, OnnxNode, readonly number[], Record<string, Tensor>]>([
  ["a negative size", onnxNode("Expand", ["x", "s"], ["y"]), [1], { s: i64(-3) }],
  ["a size beyond exact numbers", onnxNode("ConstantOfShape", ["s"], ["y"]), [1], { s: i64(1n << 62n, 4) }],
  ["negative repeats", onnxNode("Tile", ["x", "s"], ["y"]), [4], { s: i64(-1) }],
  ["padding of 2^45", onnxNode("Pad", ["x", "s"], ["y"]), [4], { s: i64(1n << 45n, 1n << 45n) }],
  ["padding that takes away more than there is", onnxNode("Pad", ["x", "s"], ["y"]), [4], { s: i64(-9, -9) }],
  ["blocks of no pixels", onnxNode("DepthToSpace", ["x"], ["y"], { blocksize: 0n }), [1, 4, 4, 4], {}],
  ["one element of none", onnxNode("Gather", ["s", "i"], ["y"]), [1], { s: i64(), i: i64(0) }],
  [
    "a convolution padded by 2^40",
    onnxNode("Conv", ["x", "w"], ["y"], { pads: [huge, huge, huge, huge] }),
    [1, 4, 8, 8],
    { w: tensor("float32", [4, 4, 3, 3], new Float32Array(144)) },
  ],
])("%s is an error of shapes", (_, node, dims, constants) => {
  expect(outcome([node], dims, constants)).toBe("graph.shape");
});

const half = (dims: readonly number[]): Tensor => tensor("float16", dims, new Uint16Array(dims.reduce((a, b) => a * b, 1)));
test.each<[string, OnnxNode, readonly number[], Record<string, Tensor>]>([
  ["a convolution", onnxNode("Conv", ["x", "w"], ["y"]), [1, 4, 8, 8], { w: half([4, 4, 3, 3]) }],
  ["a product of matrices", onnxNode("MatMul", ["x", "w"], ["y"]), [4, 4], { w: half([4, 4]) }],
  ["a concatenation", onnxNode("Concat", ["x", "w"], ["y"], { axis: 0n }), [4], { w: half([4]) }],
  ["a slope", onnxNode("PRelu", ["x", "w"], ["y"]), [4], { w: half([1]) }],
])("%s of float32 and float16 is an error of shapes", (_, node, dims, constants) => {
  expect(outcome([node], dims, constants)).toBe("graph.shape");
});

test("a range by steps of zero is an error of shapes", () => {
  const scalar = (v: bigint): Tensor => tensor("int64", [], BigInt64Array.of(v));
  const node = onnxNode("Range", ["a", "b", "c"], ["y"]);
  expect(outcome([node], [1], { a: scalar(0n), b: scalar(5n), c: scalar(0n) })).toBe("graph.shape");
});

test("a product of large constants is left to the engine", () => {
  const a = tensor("float32", [1024, 1024], new Float32Array(1 << 20));
  const nodes = [onnxNode("MatMul", ["a", "a"], ["b"]), onnxNode("ReduceSum", ["b"], ["c"]), onnxNode("Add", ["x", "c"], ["y"])];
  expect(outcome(nodes, [1], { a })).toBe("compiled");
});

test("a power of constants with an exponent of 63 bits wraps", () => {
  const cast = [onnxNode("Cast", ["p"], ["q"], { to: 1n }), onnxNode("Add", ["x", "q"], ["y"])];
  expect(outcome([onnxNode("Pow", ["a", "b"], ["p"]), ...cast], [1], { a: i64(3), b: i64((1n << 63n) - 1n) })).toBe("compiled");
});

test("a dimension that doubles sixty times has too long a formula", () => {
  expect(
    outcome(
      chain(60, (from, to) => onnxNode("Concat", [from, from], [to], { axis: 0n })),
      ["n"],
    ),
  ).toBe("graph.shape");
});

test("bodies that use their operand many times do not multiply in one kernel", { timeout: 10_000 }, () => {
  expect(
    outcome(
      chain(40, (from, to) => onnxNode("Sigmoid", [from], [to])),
      [64],
    ),
  ).toBe("compiled");
});

test("a long chain of x + x does not become one expression", () => {
  expect(
    outcome(
      chain(500, (from, to) => onnxNode("Add", [from, from], [to])),
      [4],
    ),
  ).toBe("compiled");
});

test.each<[string, OnnxNode]>([
  ["a scan", onnxNode("Scan", ["x", "", "x"], ["y"], { num_scan_inputs: 1n, body: onnxGraph({}) })],
  ["a loop", onnxNode("Loop", ["", "", ""], ["y"], { body: onnxGraph({}) })],
  ["a sequence", onnxNode("SequenceConstruct", ["", "x"], ["y"])],
  ["a cast to strings", onnxNode("Cast", [""], ["y"], { to: 8n })],
])("%s without an input is damaged", (_, node) => {
  expect(outcome([node], [4])).toMatch(/^model\./);
});

describe("strings", () => {
  const one = (text: string): StringTensor => stringTensor([1], [text]);

  /** `imported`, or the code of the error. */
  function imported(node: readonly OnnxNode[], constants: Readonly<Record<string, AnyTensor>>): string {
    const graph = onnxGraph({
      node,
      initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
      input: [onnxValueInfo("x", "string", [4])],
      output: [onnxValueInfo("y", "string", [])],
    });
    const model = onnxModel({ graph, opsetImport: [{ domain: "", version: 20 }] });
    try {
      importModel(writeOnnx(model), { file: "hostile.onnx" });
      return "imported";
    } catch (error) {
      if (error instanceof HoneError) return error.code;
      throw error;
    }
  }

  test("a constant that doubles sixty times ends at a bound", () => {
    const doubled = chain(60, (from, to) => onnxNode("StringConcat", [from === "x" ? "s" : from, from === "x" ? "s" : from], [to]));
    expect(imported(doubled, { s: one("0123456789") })).toBe("graph.shape");
  });

  test("a string repeated 2^40 times is an error of shapes", () => {
    expect(imported([onnxNode("Tile", ["x", "n"], ["y"])], { n: i64(1n << 40n) })).toBe("graph.shape");
    expect(imported([onnxNode("Expand", ["s", "n"], ["y"])], { s: one("a"), n: i64(huge) })).toBe("graph.shape");
  });

  test("a pattern that would try for ever is matched in a moment", { timeout: 10_000 }, () => {
    const nodes = [onnxNode("RegexFullMatch", ["s"], ["good"], { pattern: "(a*)*(a|a)*b" }), onnxNode("Cast", ["good"], ["y"], { to: 8n })];
    expect(imported(nodes, { s: one("a".repeat(5000)) })).toBe("imported");
    expect(imported([onnxNode("RegexFullMatch", ["x"], ["y"], { pattern: "((a{999}){999}){999}" })], {})).toBe("model.unsupported");
  });
});
