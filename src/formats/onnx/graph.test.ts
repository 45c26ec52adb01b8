import { expect, test } from "vitest";
import type { Attrs, Graph, Value } from "../../ir/graph.ts";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { opBuilder } from "../../ops/index.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { must } from "../../util/errors.ts";
import { importModel } from "../index.ts";
import { graphToOnnx } from "./graph.ts";
import { writeOnnx } from "./write.ts";

const floats = (dims: readonly number[], seed = 0): Tensor =>
  tensor(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 1.7 + seed)),
  );
const whole = (...list: number[]): Tensor => tensor("int64", [list.length], BigInt64Array.from(list.map(BigInt)));
const short = (...list: number[]): Tensor => tensor("int32", [list.length], Int32Array.from(list));
const WINDOW = { strides: [1, 2], dilations: [1, 1], pads: [1, 0, 0, 1] };

/** Ops on x [1,4,6,6] with constants behind it. */
const CASES: Readonly<Record<string, readonly [string, readonly Tensor[], Attrs]>> = {
  conv: ["conv", [floats([6, 2, 3, 3]), floats([6])], { ...WINDOW, group: 2 }],
  convTranspose: ["convTranspose", [floats([4, 2, 3, 3])], { ...WINDOW, outputPads: [0, 1], group: 1 }],
  maxPool: ["maxPool", [], { ...WINDOW, kernel: [3, 2], ceilMode: true }],
  averagePool: ["averagePool", [], { ...WINDOW, kernel: [3, 3], ceilMode: false, countIncludePad: true }],
  clip: ["clip", [], { min: -0.25 }],
  leakyRelu: ["leakyRelu", [], { alpha: 0.3 }],
  prelu: ["prelu", [floats([4, 1, 1])], {}],
  silu: ["silu", [], {}],
  hardSigmoid: ["hardSigmoid", [], { alpha: 0.3, beta: 0.4 }],
  elu: ["elu", [], { alpha: 0.5 }],
  add: ["add", [floats([6])], {}],
  takeChannels: ["takeChannels", [floats([1, 2, 6, 6], 3)], { channels: [5, 0, 3] }],
  "reshape by int32": ["reshape", [short(4, 36)], { allowZero: false }],
  transpose: ["transpose", [], { perm: [0, 2, 3, 1] }],
  softmax: ["softmax", [], { axis: 1 }],
  resize: [
    "resize",
    [tensor("float32", [4], Float32Array.of(1, 1, 2, 2))],
    { mode: "nearest", coordinates: "asymmetric", nearestMode: "floor" },
  ],
  slice: ["slice", [whole(1), whole(5), whole(2)], {}],
  pad: ["pad", [short(0, 0, 1, 0, 0, 0, 0, 2)], { mode: "constant" }],
  concat: ["concat", [floats([1, 1, 6, 6])], { axis: 1 }],
  unsqueeze: ["unsqueeze", [], { axes: [0, 3] }],
  quantizeLinear: ["quantizeLinear", [tensor("float32", [], Float32Array.of(0.01)), tensor("uint8", [], Uint8Array.of(7))], {}],
};

const x = floats([1, 4, 6, 6], 1);

test.for(Object.entries(CASES))("%s comes back from ONNX with the same answer", ([, [op, constants, attrs]]) => {
  const b = opBuilder("net");
  const input = b.input("x", "float32", x.dims);
  b.output(b.op(op, [input, ...constants.map((t, i) => b.constant(t, `c${i}`))], attrs, { name: "y" }));
  const graph = b.finish();
  const back = importModel(writeOnnx(graphToOnnx(graph)), { file: "net.onnx" });
  const run = (g: Graph): unknown => must(evaluateGraph(g, { x })["y"], "y");
  expect(run(back)).toEqual(run(graph));
});

test("tensors and nodes of one name are told apart, and what cannot be written is named", () => {
  const b = opBuilder("net");
  const input = b.input("x", "float32", x.dims);
  const twice = [1, 2].reduce<Value>((v) => b.op("relu", [v], {}, { name: "same", outputNames: ["same"] }), input);
  b.output(twice, "y");
  const model = graphToOnnx(b.finish());
  expect(new Set(model.graph?.node.map((n) => n.name)).size).toBe(3);
  expect(new Set(model.graph?.node.flatMap((n) => n.output)).size).toBe(3);
  const other = opBuilder("net");
  other.output(other.op("det", [other.input("x", "float32", [3, 3])], {}, { name: "the det" }));
  expect(() => graphToOnnx(other.finish())).toThrow(
    expect.objectContaining({ code: "model.unsupported", problems: [expect.objectContaining({ at: { node: "the det", op: "det" } })] }),
  );
});
