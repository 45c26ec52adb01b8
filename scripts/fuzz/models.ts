/** Small ONNX models that between them touch every family of operators, for mutants to start from. */
import type { OnnxGraph, OnnxModel, OnnxNode } from "../../src/formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "../../src/formats/onnx/write.ts";
import { stringTensor } from "../../src/text/tensor.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";

const f32 = (dims: readonly number[]): Tensor => {
  const n = dims.reduce((a, b) => a * b, 1);
  return tensor(
    "float32",
    dims,
    Float32Array.from({ length: n }, (_, i) => ((i * 37) % 19) / 19 - 0.4),
  );
};
const i64 = (...list: number[]): Tensor => tensor("int64", [list.length], BigInt64Array.from(list, BigInt));
const ints = (...list: number[]): readonly bigint[] => list.map(BigInt);

function model(nodes: readonly OnnxNode[], dims: readonly (number | string)[], constants: Readonly<Record<string, Tensor>>): OnnxModel {
  const graph = onnxGraph({
    node: nodes,
    initializer: Object.entries(constants).map(([name, t]) => onnxTensor(name, t)),
    input: [onnxValueInfo("x", "float32", dims)],
    output: [onnxValueInfo("y", "float32", [])],
  });
  return onnxModel({ graph });
}

const network = model(
  [
    onnxNode("Conv", ["x", "w", "b"], ["c"], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), strides: ints(2, 2), group: 1n }),
    onnxNode("BatchNormalization", ["c", "s", "s", "s", "s2"], ["n"], { epsilon: 1e-5 }),
    onnxNode("Relu", ["n"], ["r"]),
    onnxNode("Conv", ["r", "d"], ["e"], { kernel_shape: ints(3, 3), auto_pad: "SAME_UPPER", group: 4n }),
    onnxNode("Clip", ["e", "lo", "hi"], ["k"]),
    onnxNode("Add", ["k", "r"], ["a"]),
    onnxNode("MaxPool", ["a"], ["p"], { kernel_shape: ints(2, 2), strides: ints(2, 2), ceil_mode: 1n }),
    onnxNode("ConvTranspose", ["p", "t"], ["u"], { kernel_shape: ints(2, 2), strides: ints(2, 2), output_padding: ints(0, 0) }),
    onnxNode("AveragePool", ["u"], ["v"], { kernel_shape: ints(2, 2), count_include_pad: 1n, pads: ints(0, 0, 1, 1) }),
    onnxNode("GlobalAveragePool", ["v"], ["g"]),
    onnxNode("Flatten", ["g"], ["f"], { axis: 1n }),
    onnxNode("Gemm", ["f", "m", "q"], ["h"], { transB: 1n, alpha: 0.5, beta: 1.5 }),
    onnxNode("Softmax", ["h"], ["y"], { axis: -1n }),
  ],
  [1, 3, 16, 16],
  {
    w: f32([4, 3, 3, 3]),
    b: f32([4]),
    s: f32([4]),
    s2: tensor("float32", [4], Float32Array.of(1, 2, 3, 4)),
    d: f32([4, 1, 3, 3]),
    lo: tensor("float32", [], Float32Array.of(0)),
    hi: tensor("float32", [], Float32Array.of(6)),
    t: f32([4, 2, 2, 2]),
    m: f32([5, 2]),
    q: f32([5]),
  },
);

const shapes = model(
  [
    onnxNode("Shape", ["x"], ["shape"]),
    onnxNode("Gather", ["shape", "first"], ["batch"], { axis: 0n }),
    onnxNode("Concat", ["batch", "rest"], ["to"], { axis: 0n }),
    onnxNode("Reshape", ["x", "to"], ["flat"]),
    onnxNode("Slice", ["flat", "starts", "ends", "axes", "steps"], ["part"]),
    onnxNode("Pad", ["part", "pads"], ["wide"], { mode: "constant" }),
    onnxNode("Tile", ["wide", "repeats"], ["tiled"]),
    onnxNode("ConstantOfShape", ["filled"], ["zero"]),
    onnxNode("Expand", ["zero", "repeats"], ["big"]),
    onnxNode("Unsqueeze", ["tiled", "first"], ["more"]),
    onnxNode("Transpose", ["more"], ["turned"], { perm: ints(0, 2, 1) }),
    onnxNode("Squeeze", ["turned", "first"], ["less"]),
    onnxNode("Split", ["less", "halves"], ["left", "right"], { axis: 0n }),
    onnxNode("Mul", ["left", "right"], ["mixed"]),
    onnxNode("ReduceMean", ["mixed"], ["mean"], { axes: ints(1), keepdims: 1n }),
    onnxNode("MatMul", ["mixed", "square"], ["product"]),
    onnxNode("Add", ["product", "big"], ["sum"]),
    onnxNode("Sub", ["sum", "mean"], ["y"]),
  ],
  [2, 3, 4],
  {
    first: i64(0),
    rest: i64(-1),
    starts: i64(0),
    ends: i64(9),
    axes: i64(1),
    steps: i64(2),
    pads: i64(0, 1, 0, 2),
    repeats: i64(1, 2),
    filled: i64(1, 1),
    halves: i64(8, 8),
    square: f32([2, 2]),
  },
);

const picture = model(
  [
    onnxNode("Resize", ["x", "", "scales"], ["big"], { mode: "linear", coordinate_transformation_mode: "half_pixel" }),
    onnxNode("DepthToSpace", ["big"], ["deep"], { blocksize: 2n, mode: "DCR" }),
    onnxNode("InstanceNormalization", ["deep", "one", "one"], ["norm"], { epsilon: 1e-5 }),
    onnxNode("PRelu", ["norm", "one"], ["act"]),
    onnxNode("TopK", ["act", "k"], ["best", "at"], { axis: -1n }),
    onnxNode("GatherElements", ["act", "at"], ["same"], { axis: -1n }),
    onnxNode("Where", ["mask", "best", "same"], ["chosen"]),
    onnxNode("Cast", ["chosen"], ["half"], { to: 10n }),
    onnxNode("Cast", ["half"], ["full"], { to: 1n }),
    onnxNode("CumSum", ["full", "axis"], ["running"]),
    onnxNode("LogSoftmax", ["running"], ["y"], { axis: 3n }),
  ],
  [1, 4, "height", "width"],
  {
    scales: tensor("float32", [4], Float32Array.of(1, 1, 2, 2)),
    one: f32([1]),
    k: i64(3),
    axis: tensor("int64", [], BigInt64Array.of(2n)),
    mask: tensor("bool", [1], Uint8Array.of(1)),
  },
);

const inner = (inputs: readonly string[], outputs: readonly string[], node: readonly OnnxNode[]): OnnxGraph =>
  onnxGraph({
    node,
    input: inputs.map((name) => onnxValueInfo(name, "float32", [])),
    output: outputs.map((name) => onnxValueInfo(name, "float32", [])),
  });

/** Branches, loops that stay and loops that are written out, a scan, a sequence and a function. */
const control: OnnxModel = {
  ...model(
    [
      onnxNode("ReduceMax", ["x"], ["most"], { keepdims: 0n }),
      onnxNode("Less", ["most", "bound"], ["small"]),
      onnxNode("If", ["small"], ["chosen"], {
        then_branch: inner([], ["a"], [onnxNode("Mul", ["x", "w"], ["a"])]),
        else_branch: inner([], ["b"], [onnxNode("Sub", ["x", "w"], ["b"])]),
      }),
      onnxNode("Loop", ["many", "", "chosen"], ["last", "rows"], {
        body: inner(
          ["i", "go", "v"],
          ["more", "next", "row"],
          [
            onnxNode("Identity", ["go"], ["more"]),
            onnxNode("Tanh", ["v"], ["t"]),
            onnxNode("Add", ["t", "w"], ["next"]),
            onnxNode("ReduceSum", ["next"], ["row"], { keepdims: 0n }),
          ],
        ),
      }),
      onnxNode("Loop", ["few", "yes", "last"], ["grown"], {
        body: inner(
          ["j", "on", "g"],
          ["on2", "g2"],
          [onnxNode("Identity", ["on"], ["on2"]), onnxNode("Concat", ["g", "x"], ["g2"], { axis: 0n })],
        ),
      }),
      onnxNode("Loop", ["", "yes", "last"], ["ended"], {
        body: inner(
          ["k", "still", "e"],
          ["under", "e2"],
          [
            onnxNode("Add", ["e", "w"], ["e1"]),
            onnxNode("Abs", ["e1"], ["e2"]),
            onnxNode("ReduceSum", ["e2"], ["total"], { keepdims: 0n }),
            onnxNode("Less", ["total", "far"], ["under"]),
          ],
        ),
      }),
      onnxNode("Scan", ["first", "grown"], ["state", "scanned"], {
        num_scan_inputs: 1n,
        scan_input_directions: ints(1),
        body: inner(["s", "r"], ["s2", "o"], [onnxNode("Add", ["s", "r"], ["s2"]), onnxNode("Identity", ["s2"], ["o"])]),
      }),
      onnxNode("SplitToSequence", ["scanned", "two"], ["parts"], { axis: 0n }),
      onnxNode("SequenceMap", ["parts"], ["mapped"], { body: inner(["p"], ["q"], [onnxNode("Neg", ["p"], ["q"])]) }),
      onnxNode("SequenceErase", ["mapped"], ["fewer"]),
      onnxNode("ConcatFromSequence", ["fewer"], ["joined"], { axis: 0n }),
      { ...onnxNode("Twice", ["joined"], ["doubled"]), domain: "own" },
      onnxNode("Add", ["doubled", "ended"], ["y"]),
    ],
    [1, 4],
    {
      bound: tensor("float32", [], Float32Array.of(0.5)),
      far: tensor("float32", [], Float32Array.of(40)),
      w: f32([1, 4]),
      first: f32([4]),
      many: i64(30),
      few: i64(3),
      two: tensor("int64", [], BigInt64Array.of(2n)),
      yes: tensor("bool", [1], Uint8Array.of(1)),
    },
  ),
  functions: [
    {
      name: "Twice",
      domain: "own",
      input: ["in"],
      output: ["out"],
      attribute: [],
      attributeProto: [],
      node: [onnxNode("Add", ["in", "in"], ["out"])],
      docString: "",
      opsetImport: [{ domain: "", version: 17 }],
      valueInfo: [],
      overload: "",
      metadataProps: [],
    },
  ],
};

/** Strings before and after a kernel, a sequence of them, and a loop that is written out around them. */
const text: OnnxModel = onnxModel({
  opsetImport: [
    { domain: "", version: 20 },
    { domain: "ai.onnx.ml", version: 4 },
  ],
  graph: onnxGraph({
    node: [
      onnxNode("StringNormalizer", ["x"], ["plain"], {
        case_change_action: "LOWER",
        is_case_sensitive: 0n,
        stopwords: ["the", "a"],
        locale: "en_US",
      }),
      onnxNode("StringSplit", ["x"], ["parts", "lengths"], { delimiter: " ", maxsplit: 2n }),
      onnxNode("StringConcat", ["x", "suffix"], ["longer"]),
      onnxNode("RegexFullMatch", ["longer"], ["good"], { pattern: "(?i)([a-z]{1,20}|\\d+)*(\\W|!)?" }),
      onnxNode("Equal", ["x", "suffix"], ["same"]),
      onnxNode("Or", ["good", "same"], ["either"]),
      onnxNode("TfIdfVectorizer", ["plain"], ["counts"], {
        mode: "TFIDF",
        min_gram_length: 1n,
        max_gram_length: 2n,
        max_skip_count: 2n,
        ngram_counts: ints(0, 2),
        ngram_indexes: ints(1, 0, 2),
        pool_strings: ["one", "two", "one", "b"],
        weights: [1, 2, 0.5],
      }),
      {
        ...onnxNode("LabelEncoder", ["x"], ["ids"], { keys_strings: ["one", "b"], values_int64s: ints(0, 1), default_int64: 2n }),
        domain: "ai.onnx.ml",
      },
      onnxNode("Reshape", ["x", "square"], ["table"]),
      onnxNode("Concat", ["table", "table"], ["wide"], { axis: 1n }),
      onnxNode("SplitToSequence", ["ids", "two"], ["sequence"], { axis: 0n }),
      onnxNode("SequenceAt", ["sequence", "zero"], ["first"]),
      onnxNode("Loop", ["three", "yes", "longer"], ["grown"], {
        body: inner(
          ["i", "go", "s"],
          ["more", "t"],
          [onnxNode("Identity", ["go"], ["more"]), onnxNode("StringConcat", ["s", "suffix"], ["t"])],
        ),
      }),
      onnxNode("Cast", ["counts"], ["written"], { to: 8n }),
      onnxNode("ArgMax", ["counts"], ["best"], { axis: 0n, keepdims: 1n }),
      onnxNode("Where", ["either", "ids", "lengths"], ["chosen"]),
      onnxNode("Add", ["chosen", "best"], ["sum"]),
      onnxNode("Gather", ["names", "best"], ["label"], { axis: 0n }),
      onnxNode("Tile", ["label", "two1"], ["labels"]),
    ],
    initializer: [
      onnxTensor("suffix", stringTensor([1], ["!"])),
      onnxTensor("names", stringTensor([3], ["one", "two", "three"])),
      ...Object.entries({
        square: i64(2, 2),
        two1: i64(2),
        two: tensor("int64", [], BigInt64Array.of(2n)),
        zero: tensor("int64", [], BigInt64Array.of(0n)),
        three: i64(3),
        yes: tensor("bool", [1], Uint8Array.of(1)),
      }).map(([name, t]) => onnxTensor(name, t)),
    ],
    input: [onnxValueInfo("x", "string", [4])],
    output: [
      ...["parts", "wide", "grown", "written", "label", "labels"].map((name) => onnxValueInfo(name, "string", [])),
      ...["sum", "first", "lengths"].map((name) => onnxValueInfo(name, "int64", [])),
      onnxValueInfo("either", "bool", []),
      onnxValueInfo("counts", "float32", []),
    ],
  }),
});

/** One that an engine is built of has no strings: those are fuzzed where models are. */
export const SMALL_MODELS: readonly [OnnxModel, ...OnnxModel[]] = [network, shapes, picture, control];

export const TEXT_MODEL: OnnxModel = text;

/** Looks rows of one input up by constant indices, which lie among the weights. */
export const LOOKUP_MODEL: OnnxModel = model(
  [
    onnxNode("Gather", ["x", "rows"], ["taken"], { axis: 0n }),
    onnxNode("GatherND", ["x", "places"], ["points"]),
    onnxNode("ReduceSum", ["points"], ["sum"], { keepdims: 0n }),
    onnxNode("Add", ["taken", "sum"], ["moved"]),
    onnxNode("ScatterElements", ["moved", "at", "ones"], ["y"], { axis: 0n }),
  ],
  [64, 16],
  {
    rows: i64(...Array.from({ length: 40 }, (_, i) => (i * 13) % 64)),
    places: tensor("int64", [3, 2], BigInt64Array.of(1n, 2n, 63n, 15n, 0n, 0n)),
    at: tensor(
      "int64",
      [1, 16],
      BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i)),
    ),
    ones: f32([1, 16]),
  },
);
