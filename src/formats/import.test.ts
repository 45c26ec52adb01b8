import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Graph } from "../ir/graph.ts";
import { verifyGraph } from "../ir/verify.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { findOp } from "../ops/index.ts";
import { shapeText } from "../tensor/dim.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { importModel, type InputShapes } from "./index.ts";
import type { OnnxNode } from "./onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "./onnx/write.ts";
import type { TfliteTensor } from "./tflite/ast.ts";
import { importTflite } from "./tflite/import.ts";
import { readTflite } from "./tflite/read.ts";
import { tfliteTypeName } from "./tflite/types.ts";

const file = "test.onnx";
const f32 = (dims: readonly number[], list: readonly number[]): Tensor => tensor("float32", dims, Float32Array.from(list));
const i64 = (list: readonly number[]): Tensor => tensor("int64", [list.length], BigInt64Array.from(list, BigInt));
const values = (t: Tensor): (number | bigint)[] => Array.from<number | bigint>(t.data);
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

interface Case {
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly dims: readonly (number | string)[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly shapes?: InputShapes;
}

/** A model from x to y. */
function build({ opset, nodes, dims, constants = {}, shapes = {} }: Case): Graph {
  const graph = onnxGraph({
    node: nodes,
    initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    input: [onnxValueInfo("x", "float32", dims)],
    output: [onnxValueInfo("y", "float32", [])],
  });
  const bytes = writeOnnx(onnxModel({ graph, opsetImport: [{ domain: "", version: opset }] }));
  const imported = importModel(bytes, { file, shapes });
  verifyGraph(imported);
  return imported;
}

function run(model: Case, x: Tensor): Tensor {
  const { y } = evaluateGraph(build(model), { x });
  if (y === undefined) throw new Error("no y");
  return y;
}

const failure = (work: () => unknown): HoneError => {
  try {
    work();
  } catch (error) {
    if (error instanceof HoneError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("what changed between operator sets means the same", () => {
  const x = f32([2, 3], [-2, -1, 0, 1, 2, 3]);

  test("Clip", () => {
    const want = [-1, -1, 0, 1, 2, 2];
    const old = run({ opset: 7, dims: [2, 3], nodes: [onnxNode("Clip", ["x"], ["y"], { min: -1, max: 2 })] }, x);
    const constants = { low: f32([], [-1]), high: f32([], [2]) };
    const now = run({ opset: 13, dims: [2, 3], constants, nodes: [onnxNode("Clip", ["x", "low", "high"], ["y"])] }, x);
    const open = run({ opset: 13, dims: [2, 3], constants, nodes: [onnxNode("Clip", ["x", "", "high"], ["y"])] }, x);
    expect([values(old), values(now)]).toEqual([want, want]);
    expect(values(open)).toEqual([-2, -1, 0, 1, 2, 2]);
  });

  test("Slice, to an end that is INT64_MAX", () => {
    const end = (1n << 63n) - 1n;
    const old = run({ opset: 9, dims: [2, 3], nodes: [onnxNode("Slice", ["x"], ["y"], { starts: [1n], ends: [end], axes: [1n] })] }, x);
    const constants = { s: i64([1]), e: tensor("int64", [1], BigInt64Array.of(end)), a: i64([1]) };
    const now = run({ opset: 10, dims: [2, 3], constants, nodes: [onnxNode("Slice", ["x", "s", "e", "a"], ["y"])] }, x);
    expect(old).toEqual(f32([2, 2], [-1, 0, 2, 3]));
    expect(now).toEqual(old);
  });

  test("Squeeze, Unsqueeze and ReduceSum axes", () => {
    const nodes = (opset: number): OnnxNode[] =>
      opset < 13
        ? [
            onnxNode("Unsqueeze", ["x"], ["u"], { axes: [0n, 3n] }),
            onnxNode("Squeeze", ["u"], ["s"], { axes: [-1n] }),
            onnxNode("ReduceSum", ["s"], ["y"], { axes: [2n], keepdims: 0n }),
          ]
        : [
            onnxNode("Unsqueeze", ["x", "u_axes"], ["u"]),
            onnxNode("Squeeze", ["u", "s_axes"], ["s"]),
            onnxNode("ReduceSum", ["s", "r_axes"], ["y"], { keepdims: 0n }),
          ];
    const constants = { u_axes: i64([0, 3]), s_axes: i64([-1]), r_axes: i64([2]) };
    expect(run({ opset: 11, dims: [2, 3], nodes: nodes(11) }, x)).toEqual(f32([1, 2], [-3, 6]));
    expect(run({ opset: 13, dims: [2, 3], nodes: nodes(13), constants }, x)).toEqual(f32([1, 2], [-3, 6]));
  });

  test("Softmax: over all axes from the axis on, and over one", () => {
    const zeros = f32([1, 2, 3], [0, 0, 0, 0, 0, 0]);
    const node = onnxNode("Softmax", ["x"], ["y"], { axis: 1n });
    const old = run({ opset: 12, dims: [1, 2, 3], nodes: [node] }, zeros);
    const now = run({ opset: 13, dims: [1, 2, 3], nodes: [node] }, zeros);
    expect(old.data[0]).toBeCloseTo(1 / 6);
    expect(now.data[0]).toBeCloseTo(1 / 2);
    expect(old.dims).toEqual([1, 2, 3]);
  });

  test("Pad, also of some axes", () => {
    const want = f32([2, 5], [9, -2, -1, 0, 9, 9, 1, 2, 3, 9]);
    const old = run({ opset: 10, dims: [2, 3], nodes: [onnxNode("Pad", ["x"], ["y"], { pads: [0n, 1n, 0n, 1n], value: 9 })] }, x);
    const constants = { p: i64([1, 1]), v: f32([], [9]), a: i64([-1]) };
    const now = run({ opset: 18, dims: [2, 3], constants, nodes: [onnxNode("Pad", ["x", "p", "v", "a"], ["y"])] }, x);
    expect(old).toEqual(want);
    expect(now).toEqual(want);
  });

  test("Upsample counts from the corner, Resize from half pixels", () => {
    const row = f32([1, 1, 1, 2], [0, 4]);
    const constants = { s: f32([4], [1, 1, 1, 2]), none: f32([0], []) };
    const old = run({ opset: 9, dims: [1, 1, 1, 2], constants, nodes: [onnxNode("Upsample", ["x", "s"], ["y"], { mode: "linear" })] }, row);
    const node = onnxNode("Resize", ["x", "none", "s"], ["y"], { mode: "linear" });
    const now = run({ opset: 13, dims: [1, 1, 1, 2], constants, nodes: [node] }, row);
    expect(values(old)).toEqual([0, 2, 4, 4]);
    expect(values(now)).toEqual([0, 1, 3, 4]);
  });

  test("Split into sizes, by count, and with a rest", () => {
    const five = f32([5], count(5));
    const pick = (extra: Record<string, bigint[] | bigint>, opset: number): Tensor =>
      run({ opset, dims: [5], nodes: [onnxNode("Split", ["x"], ["a", "b"], extra), onnxNode("Identity", ["b"], ["y"])] }, five);
    expect(values(pick({ split: [1n, 4n] }, 11))).toEqual([1, 2, 3, 4]);
    expect(values(pick({ num_outputs: 2n }, 18))).toEqual([3, 4]);
  });
});

describe("windows", () => {
  const ramp = f32([1, 1, 5, 5], count(25));
  const w = f32([1, 1, 2, 2], [1, 0, 0, 0]);
  const pick = (auto: string): Tensor =>
    run(
      {
        opset: 11,
        dims: [1, 1, 5, 5],
        constants: { w },
        nodes: [onnxNode("Conv", ["x", "w"], ["y"], { auto_pad: auto, strides: [2n, 2n] })],
      },
      ramp,
    );

  test("auto_pad puts the odd one where its name says", () => {
    expect(values(pick("SAME_UPPER"))).toEqual([0, 2, 4, 10, 12, 14, 20, 22, 24]);
    expect(values(pick("SAME_LOWER"))).toEqual([0, 0, 0, 0, 6, 8, 0, 16, 18]);
    expect(pick("VALID").dims).toEqual([1, 1, 2, 2]);
  });

  test("padding that depends on an unknown size says which flag to add", () => {
    const nodes = [onnxNode("Conv", ["x", "w"], ["y"], { auto_pad: "SAME_UPPER", strides: [2n, 2n] })];
    const model = { opset: 11, dims: [1, 1, "height", "width"], constants: { w }, nodes };
    const error = failure(() => build(model));
    expect(error.code).toBe("model.unsupported");
    expect(error.problems[0]).toMatchObject({
      message: expect.stringMatching(/height/) as unknown,
      hint: expect.stringMatching(/--shape/) as unknown,
    });
    expect(shapeText(build({ ...model, shapes: { x: [1, 1, 5, 6] } }).outputs[0]?.shape ?? [])).toBe("[1,1,3,3]");
  });
});

describe("symbols and calculated shapes", () => {
  const nodes = [
    onnxNode("Shape", ["x"], ["shape"]),
    onnxNode("Gather", ["shape", "zero"], ["batch"], { axis: 0n }),
    onnxNode("Unsqueeze", ["batch"], ["batch1"], { axes: [0n] }),
    onnxNode("Concat", ["batch1", "minus"], ["target"], { axis: 0n }),
    onnxNode("Reshape", ["x", "target"], ["y"]),
  ];
  const constants = { zero: tensor("int64", [], BigInt64Array.of(0n)), minus: i64([-1]) };

  test("a symbol stays one, or takes the number it is given", () => {
    const model = { opset: 11, dims: ["batch", 2, 3], nodes, constants };
    expect(shapeText(build(model).inputs[0]?.shape ?? [])).toBe("[batch,2,3]");
    expect(shapeText(build({ ...model, shapes: { x: [4, 2, 3] } }).outputs[0]?.shape ?? [])).toBe("[4,6]");
  });

  test.each<[InputShapes, RegExp]>([
    [{ z: [1] }, /no input z/],
    [{ x: [4, 2] }, /3 dimensions/],
    [{ x: [4, 2, 5] }, /axis 2 .* fixes it at 3/],
    [{ x: [4.5, 2, 3] }, /not a size/],
  ])("shapes that do not fit are a usage error: %j", (shapes, message) => {
    const error = failure(() => build({ opset: 11, dims: ["batch", 2, 3], nodes, constants, shapes }));
    expect([error.code, error.message]).toEqual(["usage", expect.stringMatching(message)]);
  });
});

describe("problems", () => {
  test("all are told at once, and what only follows from them is not", () => {
    const nodes = [
      onnxNode("LSTM", ["x"], ["a"], {}, "memory"),
      onnxNode("Relu", ["a"], ["b"], {}, "follows"),
      onnxNode("RandomNormalLike", ["x"], ["c"], {}, "places"),
      onnxNode("Bernoulli", ["b"], ["d"]),
      onnxNode("MatMul", ["x", "x"], ["y"], {}, "misfit"),
    ];
    const error = failure(() => build({ opset: 13, dims: [1, 2, 3], nodes }));
    expect(error.code).toBe("model.unsupported");
    expect(error.problems.map((p) => p.at?.node)).toEqual(["memory", "places", "d", "misfit"]);
    expect(error.describe()).toMatch(/LSTM[\s\S]*RandomNormalLike[\s\S]*Bernoulli/);
  });

  test("operator sets that are too old or new are refused", () => {
    expect(failure(() => build({ opset: 5, dims: [1], nodes: [onnxNode("Relu", ["x"], ["y"])] })).describe()).toMatch(/operator set 5/);
    expect(failure(() => build({ opset: 99, dims: [1], nodes: [onnxNode("Relu", ["x"], ["y"])] })).describe()).toMatch(/operator set 99/);
  });

  test.each([
    ["a name that nothing computes", [onnxNode("Relu", ["nothing"], ["y"])], /"nothing" is not computed/],
    ["an output that nothing computes", [onnxNode("Relu", ["x"], ["z"])], /output "y" is not computed/],
    ["an attribute that is missing", [onnxNode("MaxPool", ["x"], ["y"])], /kernel_shape is missing/],
    ["a stride of 0", [onnxNode("MaxPool", ["x"], ["y"], { kernel_shape: [1n, 1n], strides: [0n, 1n] })], /below 1/],
  ])("%s is damage", (_what, nodes, message) => {
    const error = failure(() => build({ opset: 13, dims: [1, 1, 4, 4], nodes }));
    expect([error.code, error.describe()]).toEqual(["model.damaged", expect.stringMatching(message)]);
  });

  test("a file of another kind says what it is and what to do", () => {
    const error = failure(() => importModel(new TextEncoder().encode("PK\x03\x04....archive/data.pkl"), { file }));
    expect([error.code, error.describe()]).toEqual(["model.format", expect.stringMatching(/PyTorch[\s\S]*ONNX/)]);
    expect(failure(() => importModel(new Uint8Array(), { file })).message).toMatch(/empty/);
  });
});

test("node names that repeat become unique, and a constant can be an output", () => {
  const nodes = [onnxNode("Relu", ["x"], ["a"], {}, "n"), onnxNode("Relu", ["a"], ["b"], {}, "n"), onnxNode("Identity", ["k"], ["y"])];
  const graph = build({ opset: 13, dims: [2], nodes, constants: { k: f32([1], [5]) } });
  expect(graph.nodes.map((n) => n.name)).toEqual(["n", "n#2", "y"]);
});

const INT16 = 7;
const shared = join(import.meta.dirname, "../../../shared/models");
const mediapipe = join(import.meta.dirname, "../../node_modules/@mediapipe/face_detection");
const EXPECTED = [
  ["fastestdet/FastestDet.onnx", "[1,85,22,22]"],
  ["retinaface-landmark/retinaface-mobilenet0.25-640.onnx", "[1,16800,4] [1,16800,2] [1,16800,10]"],
  ["retinaface-landmark/retinaface-rfb-640.onnx", "[1,23500,4] [1,23500,2] [1,23500,10]"],
  ["samplenet/samplenet.onnx", "[1,10]"],
  ["sinet/SINet.onnx", "[1,2,320,320]"],
  ["ultra-light/version-RFB-320.onnx", "[1,4420,2] [1,4420,4]"],
  ["ultra-light/version-RFB-320_without_postprocessing.tflite", "[1,4420,4] [1,4420,2]"],
  ["facemesh-int8/face_landmark.tflite", "[1,1,1,1404] [1,1,1,1]"],
  ["facemesh-int8/face_detection_front.tflite", "[1,896,16] [1,896,1]"],
  ["mlperf-tiny/vww_96_float.tflite", "[1,2]"],
] as const;

describe.skipIf(!existsSync(shared))("the trained models (need ../shared/models)", () => {
  test.each(EXPECTED)("%s has outputs %s", (name, shapes) => {
    const graph = importModel(readFileSync(join(shared, name)), { file: name });
    verifyGraph(graph);
    expect(graph.outputs.map((v) => shapeText(v.shape)).join(" ")).toBe(shapes);
    expect(graph.nodes.filter((n) => findOp(n.op) === undefined)).toEqual([]);
  });

  test("a dynamic model takes its shapes at import", () => {
    const bytes = readFileSync(join(shared, "yunet/yunet_n_dynamic.onnx"));
    const graph = importModel(bytes, { file, shapes: { input: [1, 3, 320, 640] } });
    expect(shapeText(graph.outputs[0]?.shape ?? [])).toBe("[1,3200,1]");
    expect(importModel(bytes, { file }).inputs.map((v) => shapeText(v.shape))).toEqual(["[batch,3,height,width]"]);
  });

  test("a TFLite model of int8 imports as integers, and one of int16 is refused once, with a hint", () => {
    const bytes = readFileSync(join(shared, "mlperf-tiny/vww_96_int8.tflite"));
    const graph = importModel(bytes, { file });
    verifyGraph(graph);
    expect([...graph.inputs, ...graph.outputs].map((v) => v.dtype)).toEqual(["int8", "int8"]);
    expect(graph.nodes.flatMap((n) => n.outputs).filter((v) => v.dtype === "float32")).toEqual([]);
    const model = readTflite(bytes, { file });
    const wider = (t: TfliteTensor): TfliteTensor => (tfliteTypeName(t.type) === "INT8" ? { ...t, type: INT16 } : t);
    const subgraphs = model.subgraphs.map((g) => ({ ...g, tensors: g.tensors.map(wider) }));
    const error = failure(() => importTflite({ ...model, subgraphs }, { file }));
    expect([error.code, error.describe()]).toEqual(["model.unsupported", expect.stringMatching(/INT16[\s\S]*int8 and uint8/)]);
  });
});

const dense = existsSync(mediapipe) ? readdirSync(mediapipe).filter((f) => f.endsWith("range.tflite")) : [];

test.skipIf(dense.length === 0)("BlazeFace imports, its float16 weights widened (needs @mediapipe/face_detection)", () => {
  for (const name of dense) {
    const graph = importModel(readFileSync(join(mediapipe, name)), { file: name });
    verifyGraph(graph);
    expect(graph.nodes.flatMap((n) => n.inputs).some((v) => v?.dtype === "float16")).toBe(false);
  }
});

test.each([
  ["version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"],
  ["\n<!DOCTYPE html><html>404</html>", "web page"],
])("what comes in place of a model is named: %j", (text, hint) => {
  expect(() => importModel(new TextEncoder().encode(text), { file: "model.onnx" })).toThrow(
    expect.objectContaining({ code: "model.format", hint: expect.stringContaining(hint) as string }),
  );
});
