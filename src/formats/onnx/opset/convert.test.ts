import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../../../ops/evaluate.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import type { OnnxFunction, OnnxModel, OnnxNode } from "../ast.ts";
import { importOnnx } from "../import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, type AttributeValue } from "../write.ts";
import { convertOpset } from "./convert.ts";

const f32 = (dims: readonly number[], ...values: number[]): Tensor => tensor("float32", dims, Float32Array.from(values));
const i64 = (...values: number[]): Tensor => tensor("int64", [values.length], BigInt64Array.from(values, BigInt));
const scalar = (value: number): Tensor => f32([], value);

/** Numbers of both signs, none of them twice. */
function data(dims: readonly number[]): Tensor {
  const count = dims.reduce((a, b) => a * b, 1);
  return tensor(
    "float32",
    dims,
    Float32Array.from({ length: count }, (_, i) => ((i * 7) % count) / 3 - count / 7),
  );
}

interface Sample {
  readonly opset: number;
  readonly node: readonly OnnxNode[];
  readonly dims: readonly number[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly functions?: readonly OnnxFunction[];
  readonly domains?: readonly string[];
}

const modelOf = ({ opset, node, dims, constants = {}, functions = [], domains = [] }: Sample): OnnxModel =>
  onnxModel({
    irVersion: 8,
    functions,
    opsetImport: [{ domain: "", version: opset }, ...domains.map((domain) => ({ domain, version: 1 }))],
    graph: onnxGraph({
      node,
      input: [onnxValueInfo("x", "float32", dims)],
      output: [onnxValueInfo("y", "float32", [])],
      initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    }),
  });

const file = "test.onnx";
const convert = (model: OnnxModel, opset: number): OnnxModel => convertOpset(model, { file, opset });
const answer = (model: OnnxModel, dims: readonly number[]): Tensor | undefined =>
  evaluateGraph(importOnnx(model, { file, shapes: { x: dims } }), { x: data(dims) })["y"];
const opsOf = (m: OnnxModel): readonly string[] => m.graph?.node.map((n) => n.opType) ?? [];

function problemsOf(f: () => unknown): HoneError {
  try {
    f();
  } catch (error) {
    if (error instanceof HoneError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const one = (
  opType: string,
  opset: number,
  dims: readonly number[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  constants: Readonly<Record<string, Tensor>> = {},
): Sample => ({ opset, dims, constants, node: [onnxNode(opType, ["x", ...Object.keys(constants)], ["y"], attributes)] });

/** Models, and the operator sets that they are said in. */
const SAMPLES: readonly (readonly [name: string, sample: Sample, to: readonly number[]])[] = [
  ["axes of a sum", one("ReduceSum", 11, [2, 3, 4], { axes: [1n, -1n], keepdims: 0n }), [7, 13, 18, 28]],
  ["axes of a mean", one("ReduceMean", 18, [2, 3, 4], {}, { axes: i64(-2) }), [7, 17, 28]],
  ["a sum over nothing", one("ReduceSum", 13, [2, 3], { noop_with_empty_axes: 1n }), [7, 12]],
  ["axes squeezed", one("Squeeze", 11, [1, 3, 1], { axes: [0n, 2n] }), [7, 13, 21]],
  ["axes put in", one("Unsqueeze", 13, [2, 3], {}, { axes: i64(-1) }), [7, 11, 23]],
  ["a broadcast by axis", one("Add", 6, [2, 3, 4], { axis: 1n, broadcast: 1n }, { b: f32([3], 1, 2, 3) }), [7, 13, 28]],
  ["slopes of channels", one("PRelu", 6, [1, 2, 2, 2], {}, { slope: f32([2], 0.5, 2) }), [7, 16]],
  ["bounds", one("Clip", 6, [2, 3], { min: -0.5, max: 0.5 }), [7, 11, 13]],
  ["one bound", one("Clip", 13, [2, 3], {}, { low: scalar(0.25) }), [7, 10, 11]],
  ["bounds in the wrong order", one("Clip", 13, [2, 3], {}, { low: scalar(1), high: scalar(-1) }), [8, 11]],
  ["softmax over many axes", one("Softmax", 11, [2, 3, 4], { axis: 1n }), [7, 12, 13]],
  ["softmax over a middle axis", one("LogSoftmax", 13, [2, 3, 4], { axis: 1n }), [7, 11, 12, 28]],
  ["softmax over the last axis", one("Softmax", 13, [2, 3, 4]), [7, 11, 12]],
  ["the first maximum", one("Hardmax", 11, [2, 6], { axis: 1n }), [7, 13]],
  ["padding", one("Pad", 10, [2, 3], { pads: [0n, 1n, 1n, 0n], value: 2 }), [7, 11, 25]],
  ["padding of an axis", one("Pad", 18, [2, 3], {}, { pads: i64(1, 2), value: scalar(1), axes: i64(-1) }), [7, 11, 17]],
  ["a part", one("Slice", 9, [4, 5], { starts: [1n, -3n], ends: [1000n, -1n], axes: [0n, 1n] }), [7, 10, 13]],
  ["a part to the end", one("Slice", 9, [4, 5], { starts: [1n], ends: [2n ** 63n - 1n], axes: [0n] }), [7, 10, 13]],
  ["a part, from behind", one("Slice", 13, [4, 5], {}, { s: i64(-2), e: i64(1000), a: i64(-1) }), [7, 10, 11]],
  ["pixels enlarged", one("Upsample", 7, [1, 1, 2, 3], { scales: [1, 1, 2, 2] }), [9, 10, 11, 13, 19]],
  [
    "pixels enlarged by half places",
    { ...one("Resize", 13, [1, 1, 2, 3]), node: [onnxNode("Resize", ["x", "", "s"], ["y"])], constants: { s: f32([4], 1, 1, 2, 3) } },
    [7, 9, 10, 11, 19],
  ],
  [
    "sizes of some axes",
    {
      ...one("Resize", 18, [1, 1, 4, 4]),
      node: [onnxNode("Resize", ["x", "", "", "s"], ["y"], { axes: [2n, 3n], mode: "linear" })],
      constants: { s: i64(7, 5) },
    },
    [11, 13, 17, 19],
  ],
  [
    "pixels picked by a grid",
    one("GridSample", 16, [1, 1, 3, 3], { mode: "bicubic" }, { grid: f32([1, 1, 2, 2], 0, 0.2, -0.4, 1) }),
    [20, 22],
  ],
  [
    "regions",
    { ...one("RoiAlign", 10, [1, 1, 4, 4], { sampling_ratio: 2n }, { rois: f32([1, 4], 0, 0, 3, 2), at: i64(0) }) },
    [11, 16, 22],
  ],
  ["dropout", one("Dropout", 6, [2, 3], { is_test: 1n, ratio: 0.25 }), [7, 10, 12, 22]],
  [
    "the smallest",
    { ...one("TopK", 11, [2, 5], { largest: 0n }, { k: i64(2) }), node: [onnxNode("TopK", ["x", "k"], ["y", "at"], { largest: 0n })] },
    [7, 10, 24],
  ],
  ["channels in blocks", one("DepthToSpace", 11, [1, 8, 1, 2], { blocksize: 2n, mode: "CRD" }), [7, 10, 13]],
  ["a matrix product of two", one("Gemm", 11, [2, 3], {}, { b: f32([3, 2], 1, 2, 3, 4, 5, 6) }), [7, 9, 13]],
  ["constants from behind", one("Gather", 13, [3, 4], { axis: -1n }, { at: i64(-1, 0) }), [7, 10, 11]],
  ["a triangle", one("Trilu", 14, [3, 4], { upper: 0n }), [9, 13]],
  ["hard swish", one("HardSwish", 14, [2, 3]), [7, 13]],
  ["mish", one("Mish", 18, [2, 3]), [7, 17]],
  ["swish", one("Swish", 24, [2, 3], { alpha: 0.5 }), [7, 23]],
  ["gelu", one("Gelu", 20, [2, 3]), [9, 19]],
  ["gelu by tanh", one("Gelu", 20, [2, 3], { approximate: "tanh" }), [7, 19]],
  ["celu", one("Celu", 12, [2, 3], { alpha: 2 }), [7, 11]],
  [
    "layers normalised",
    one("LayerNormalization", 17, [2, 3, 4], { axis: 1n }, { scale: data([3, 4]), bias: data([3, 4]) }),
    [7, 11, 16, 23],
  ],
  ["roots of mean squares", one("RMSNormalization", 23, [2, 3, 4], {}, { scale: data([4]) }), [7, 13, 18, 22]],
  [
    "groups normalised, as they were",
    one("GroupNormalization", 18, [1, 4, 3], { num_groups: 2n }, { s: data([2]), b: data([2]) }),
    [21, 22],
  ],
  ["groups normalised", one("GroupNormalization", 21, [1, 4, 3], { num_groups: 2n }, { s: data([4]), b: data([4]) }), [7, 13, 18, 20, 23]],
  [
    "a part of a shape",
    {
      opset: 15,
      dims: [2, 3],
      node: [
        onnxNode("Shape", ["x"], ["s"], { start: 1n }),
        onnxNode("Cast", ["s"], ["t"], { to: 1n }),
        onnxNode("Add", ["x", "t"], ["y"]),
      ],
    },
    [7, 10, 13, 14, 19],
  ],
  [
    "a comparison and a type",
    {
      opset: 16,
      dims: [2, 3],
      node: [onnxNode("LessOrEqual", ["x", "zero"], ["c"]), onnxNode("CastLike", ["c", "x"], ["y"])],
      constants: { zero: scalar(0) },
    },
    [11, 12, 14, 23],
  ],
  [
    "a split into uneven parts",
    {
      opset: 18,
      dims: [2, 5],
      node: [onnxNode("Split", ["x"], ["a", "b"], { axis: 1n, num_outputs: 2n }), onnxNode("Concat", ["b", "a"], ["y"], { axis: -1n })],
    },
    [7, 11, 13, 17, 28],
  ],
];

const CASES = SAMPLES.flatMap(([name, sample, to]) => to.map((opset) => [name, opset, sample] as const));

test.each(CASES)("%s in operator set %i", (_, opset, sample) => {
  const before = modelOf(sample);
  const after = convert(before, opset);
  expect(after.opsetImport).toEqual([{ domain: "", version: opset }]);
  const [want, got] = [answer(before, sample.dims), answer(after, sample.dims)];
  expect(got?.dims).toEqual(want?.dims);
  const [a, b] = [got, want].map((r) => Array.from<number | bigint, number>(r?.data ?? [], Number));
  expect(Math.max(0, ...(b ?? []).map((v, i) => Math.abs(v - (a?.[i] ?? NaN))))).toBeLessThan(1e-6);
});

describe("what is written", () => {
  test("attributes are inputs and inputs are attributes, as the version has it", () => {
    const sum = modelOf(one("ReduceSum", 11, [2, 3], { axes: [1n] }));
    const newer = convert(sum, 13).graph?.node[0];
    expect([newer?.input.length, newer?.attribute.map((a) => a.name)]).toEqual([2, []]);
    const older = convert(convert(sum, 13), 12).graph?.node[0];
    expect([older?.input, older?.attribute.map((a) => [a.name, a.ints])]).toEqual([["x"], [["axes", BigInt64Array.of(1n)]]]);
  });

  test("a Constant has one value, in the form of its time", () => {
    const node = [onnxNode("Constant", [], ["c"], { value_floats: [1, 2] }), onnxNode("Add", ["x", "c"], ["y"])];
    const constant = (opset: number): OnnxNode | undefined => convert(modelOf({ opset: 13, dims: [2], node }), opset).graph?.node[0];
    const [a] = constant(11)?.attribute ?? [];
    expect([a?.name, a?.type, a?.i, a?.t?.dims]).toEqual(["value", 4, undefined, [2]]);
    expect(constant(12)).toEqual(node[0]);
  });

  test("the IR version goes with the operator set, and never below what constants need", () => {
    const relu = modelOf(one("Relu", 13, [2]));
    expect([7, 9, 11, 15, 19, 21, 23, 28].map((opset) => convert(relu, opset).irVersion)).toEqual([4, 4, 6, 8, 9, 10, 11, 14]);
    expect(convert(relu, 13)).toBe(relu);
  });

  test("nothing changes that need not", () => {
    const conv = modelOf(one("Conv", 11, [1, 1, 3, 3], { pads: [1n, 1n, 1n, 1n] }, { w: data([1, 1, 3, 3]) }));
    for (const opset of [7, 13, 22]) expect(convert(conv, opset).graph?.node).toEqual(conv.graph?.node);
  });

  test("bodies too, with the names around them left alone", () => {
    const body = (opType: string): ReturnType<typeof onnxGraph> =>
      onnxGraph({ node: [onnxNode(opType, ["x"], ["z"], { axes: [0n], keepdims: 0n })], output: [onnxValueInfo("z", "float32", [3])] });
    const node = [
      onnxNode("ReduceMax", ["x"], ["m"], { keepdims: 0n }),
      onnxNode("Greater", ["m", "bound"], ["c"]),
      onnxNode("If", ["c"], ["y"], { then_branch: body("ReduceSum"), else_branch: body("ReduceMin") }),
    ];
    const sample: Sample = { opset: 11, dims: [2, 3], node, constants: { bound: scalar(0.1) } };
    const before = modelOf(sample);
    const after = convert(before, 18);
    expect(after.graph?.node[2]?.attribute.map((a) => a.g?.node[0]?.input.length)).toEqual([2, 2]);
    expect(answer(after, [2, 3])).toEqual(answer(before, [2, 3]));
    expect(answer(convert(after, 9), [2, 3])).toEqual(answer(before, [2, 3]));
  });

  test("functions are written out, from the operator set of their own", () => {
    const callee: OnnxFunction = {
      name: "Mean",
      domain: "mine",
      input: ["a"],
      output: ["b"],
      attribute: ["keep"],
      node: [
        onnxNode("Constant", [], ["axes"], { value: i64(1) }),
        onnxNode("Exp", ["a"], ["e"]),
        {
          ...onnxNode("ReduceMean", ["e", "axes"], ["b"], { keepdims: 1n }),
          attribute: onnxNode("", [], [], { keepdims: 1n }).attribute.map((a) => ({
            ...withoutValue(a),
            refAttrName: "keep",
          })),
        },
      ],
      docString: "",
      opsetImport: [{ domain: "", version: 18 }],
      attributeProto: [],
      valueInfo: [],
      overload: "",
      metadataProps: [],
    };
    const call = (input: string, output: string): OnnxNode => ({ ...onnxNode("Mean", [input], [output], { keep: 1n }), domain: "mine" });
    const sample: Sample = {
      opset: 13,
      dims: [2, 3],
      node: [call("x", "once"), onnxNode("Sub", ["x", "once"], ["e"]), call("e", "twice"), onnxNode("Add", ["twice", "x"], ["y"])],
      functions: [callee],
      domains: ["mine"],
    };
    const before = modelOf(sample);
    for (const opset of [9, 18, 21]) {
      const after = convert(before, opset);
      expect([after.functions, after.opsetImport]).toEqual([[], [{ domain: "", version: opset }]]);
      expect(opsOf(after).filter((op) => op === "ReduceMean")).toHaveLength(2);
      expect(answer(after, [2, 3])).toEqual(answer(before, [2, 3]));
    }
  });

  test("operators of other domains stay", () => {
    const node = [{ ...onnxNode("Strange", ["x"], ["s"]), domain: "custom" }, onnxNode("ReduceSum", ["s"], ["y"], { axes: [0n] })];
    const after = convert(modelOf({ opset: 11, dims: [2], node, domains: ["custom"] }), 13);
    expect(after.graph?.node[0]).toEqual(node[0]);
    expect(after.opsetImport).toEqual([
      { domain: "", version: 13 },
      { domain: "custom", version: 1 },
    ]);
  });
});

describe("what cannot be said", () => {
  test("is told of all nodes at once, with what to do", () => {
    const node = [
      onnxNode("Einsum", ["x", "x"], ["e"], { equation: "ij,ij->ij" }, "product"),
      onnxNode("Round", ["e"], ["r"], {}, "round"),
      onnxNode("Relu", ["r"], ["y"]),
    ];
    const error = problemsOf(() => convert(modelOf({ opset: 13, dims: [2, 2], node }), 10));
    expect(error.code).toBe("model.unsupported");
    expect(error.problems).toEqual([
      { message: "Einsum: this needs operator set 12", at: { node: "product", op: "Einsum" }, hint: "--opset 12 or later has it." },
      { message: "Round: this needs operator set 11", at: { node: "round", op: "Round" }, hint: "--opset 11 or later has it." },
    ]);
  });

  test.each([
    ["a value of an attribute", one("ArgMax", 12, [2], { select_last_index: 1n }), 11, "select_last_index = 1: this needs operator set 12"],
    [
      "a type",
      { ...one("Relu", 14, [2]), node: [onnxNode("Cast", ["x"], ["i"], { to: 6n }), onnxNode("Relu", ["i"], ["y"])] },
      13,
      "the type int32: this needs operator set 14",
    ],
    [
      "a mode",
      one("RoiAlign", 16, [1, 1, 4, 4], {}, { rois: f32([1, 4], 0, 0, 3, 2), at: i64(0) }),
      15,
      'coordinate_transformation_mode "half_pixel": this needs operator set 16',
    ],
    [
      "what is gone",
      one("BatchNormalization", 7, [1, 2], { spatial: 0n }, { s: data([2]), b: data([2]), m: data([2]), v: data([2]) }),
      9,
      "statistics for each position (spatial = 0): this is no more since operator set 9",
    ],
  ])("%s", (_, sample, opset, message) => {
    expect(problemsOf(() => convert(modelOf(sample), opset)).problems.map((p) => p.message)).toEqual([message]);
  });

  test("axes that are computed", () => {
    const node = [onnxNode("Shape", ["x"], ["s"]), onnxNode("ReduceSum", ["x", "s"], ["y"])];
    const { problems } = problemsOf(() => convert(modelOf({ opset: 13, dims: [-1], node }), 12));
    expect(problems.map((p) => p.hint)).toEqual([
      "Fixed input shapes may make them known: --shape INPUT=DIMS. --opset 13 or later has it.",
    ]);
  });

  test("axes that are no whole numbers", () => {
    const node = [onnxNode("ReduceSum", ["x", "axes"], ["y"])];
    const { problems } = problemsOf(() => convert(modelOf({ opset: 13, dims: [2], node, constants: { axes: f32([1], 0.5) } }), 12));
    expect(problems.map((p) => p.message)).toEqual(["axes that are no whole numbers: this needs operator set 13"]);
  });

  test("operators that ONNX does not have, and versions that there are not", () => {
    const strange = modelOf(one("Strange", 11, [2]));
    expect(problemsOf(() => convert(strange, 13)).problems[0]?.message).toContain("no operator of ONNX");
    for (const opset of [6, 29, 7.5]) expect(problemsOf(() => convert(strange, opset)).code).toBe("usage");
  });

  const own: OnnxFunction = {
    name: "Own",
    domain: "mine",
    input: ["a"],
    output: ["b"],
    attribute: [],
    node: [],
    docString: "",
    opsetImport: [],
    attributeProto: [],
    valueInfo: [],
    overload: "",
    metadataProps: [],
  };
  const call = { ...onnxNode("Own", ["x"], ["y"]), domain: "mine" };

  test("functions that call themselves", () => {
    const again = { ...own, node: [{ ...onnxNode("Own", ["a"], ["b"]), domain: "mine" }] };
    expect(problemsOf(() => convert(modelOf({ opset: 13, dims: [2], node: [call], functions: [again] }), 14)).message).toContain(
      "too deeply",
    );
  });

  test("functions of an operator set that there is not", { timeout: 5000 }, () => {
    const late = { ...own, node: [onnxNode("Tanh", ["a"], ["b"])], opsetImport: [{ domain: "", version: 2 ** 40 }] };
    const model = modelOf({ opset: 13, dims: [2], node: [call], functions: [late] });
    for (const work of [() => convert(model, 14), () => convert(model, 8), () => importOnnx(model, { file })])
      expect(JSON.stringify([problemsOf(work).message, problemsOf(work).problems])).toContain("operator set 1099511627776");
  });

  test.each([
    ["LayerNormalization", 17, 16, -(2 ** 40), {}],
    ["Hardmax", 13, 12, -(2 ** 40), {}],
    ["Pad", 18, 17, 2 ** 31, { pads: i64(1, 1), axes: i64(2 ** 31) }],
  ])("%s along an axis that no tensor has", (op, opset, to, axis, constants) => {
    const names = op === "Pad" ? ["x", "pads", "", "axes"] : ["x", "x"].slice(0, op === "Hardmax" ? 1 : 2);
    const node = [onnxNode(op, names, ["y"], op === "Pad" ? {} : { axis: BigInt(axis) })];
    const model = modelOf({ opset, dims: [2, 3], node, constants });
    expect(problemsOf(() => convert(model, to)).problems.map((p) => p.message)).toEqual([
      `the axis ${axis}: this needs operator set ${to + 1}`,
    ]);
    expect(problemsOf(() => importOnnx(model, { file })).problems).toHaveLength(1);
  });
});

const withoutValue = ({ i: _value, ...rest }: OnnxNode["attribute"][number]): OnnxNode["attribute"][number] => rest;
