/** What hone writes between pairs, and ONNX Runtime's operators on scaled integers, read as integer kernels. */
import { expect, test } from "vitest";
import { importModel } from "../../src/formats/index.ts";
import { graphToOnnx } from "../../src/formats/onnx/graph.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { parseGraph, randomTensor } from "../../src/ir/parse.ts";
import { evaluateGraph } from "../../src/ops/evaluate.ts";
import { inferOp } from "../../src/passes/pass.ts";
import { optimize } from "../../src/passes/pipeline.ts";
import { applyInt8 } from "../../src/quant/apply.ts";
import { planInt8 } from "../../src/quant/plan.ts";
import { applyQdq } from "../../src/quant/qdq.ts";
import { tensor } from "../../src/tensor/tensor.ts";

const NET = `graph "net"(%x: float32[1,3,9,9]) -> (%y) {
  %w0 = const float32[8,3,3,3] random(1)
  %b0 = const float32[8] random(2)
  %c0 = conv(%x, %w0, %b0) {pads = [1, 1, 1, 1]}
  %r0 = relu(%c0)
  %w1 = const float32[8,1,3,3] random(3)
  %c1 = conv(%r0, %w1) {pads = [1, 1, 1, 1], group = 8}
  %r1 = leakyRelu(%c1) {alpha = 0.25}
  %s = add(%r0, %r1)
  %w2 = const float32[4,8,1,1] random(4)
  %y = conv(%s, %w2)
}`;

const ops = (g: Graph): readonly string[] => g.nodes.map((n) => n.op).sort();

test("a model that hone wrote between pairs is read as the kernels of its engine, and computes the same bits", () => {
  const plan = planInt8(optimize(parseGraph(NET, { infer: inferOp })));
  const ranges = new Map(plan.observed.map((v, i) => [v.name, { min: -1 - i / 7, max: 2 + i / 3 }]));
  const engine = optimize(applyInt8(plan, ranges));
  const read = optimize(importModel(writeOnnx(graphToOnnx(applyQdq(plan, ranges))), { file: "pairs.onnx" }));
  expect(ops(read)).toEqual(ops(engine));
  const feeds = { x: randomTensor("float32", [1, 3, 9, 9], 9) };
  expect(evaluateGraph(read, feeds)["y"]?.data).toEqual(evaluateGraph(engine, feeds)["y"]?.data);
});

test("ONNX Runtime's sums, products, joins and functions of scaled integers mean what they say", () => {
  const scalars = ["a", "b", "c"].flatMap((name, i) => [
    onnxTensor(`${name}s`, tensor("float32", [], Float32Array.of(0.25 * (i + 1)))),
    onnxTensor(`${name}z`, tensor("uint8", [], Uint8Array.of(8 * i))),
  ]);
  const own = (type: string, inputs: readonly string[], output: string): ReturnType<typeof onnxNode> => ({
    ...onnxNode(type, inputs, [output], type === "QLinearConcat" ? { axis: 0 } : {}),
    domain: "com.microsoft",
  });
  const both = ["x", "as", "az", "x", "bs", "bz", "cs", "cz"];
  const nodes = [
    own("QLinearAdd", both, "sum"),
    own("QLinearMul", both, "product"),
    own("QLinearSigmoid", ["x", "as", "az", "cs", "cz"], "s"),
    own("QLinearConcat", ["cs", "cz", "x", "as", "az", "x", "bs", "bz"], "joined"),
  ];
  const outputs = ["sum", "product", "s"].map((name) => onnxValueInfo(name, "uint8", [3])).concat(onnxValueInfo("joined", "uint8", [6]));
  const graph = onnxGraph({ node: nodes, input: [onnxValueInfo("x", "uint8", [3])], output: outputs, initializer: scalars });
  const model = onnxModel({
    graph,
    opsetImport: [
      { domain: "", version: 17 },
      { domain: "com.microsoft", version: 1 },
    ],
  });
  const got = evaluateGraph(optimize(importModel(writeOnnx(model), { file: "own.onnx" })), {
    x: tensor("uint8", [3], Uint8Array.of(4, 16, 40)),
  });
  const list = (name: string): readonly number[] => Array.from(got[name]?.data ?? [], Number);
  // x is 1, 4, 10 by the first scale and -2, 4, 16 by the second; results are in steps of 0.75 around 16.
  expect(list("sum")).toEqual([15, 27, 51]);
  expect(list("product")).toEqual([13, 37, 229]);
  expect(list("s")).toEqual([17, 17, 17]);
  expect(list("joined")).toEqual([17, 21, 29, 13, 21, 37]);
});
