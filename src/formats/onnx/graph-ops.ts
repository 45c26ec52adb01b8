/** The ops of graphs as ONNX's operators, of operator set 17. */
import type { Attrs, Node } from "../../ir/graph.ts";
import { isDType } from "../../tensor/dtype.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { onnxTypeOf } from "./types.ts";
import type { AttributeValue } from "./write.ts";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** One operator; its inputs are names of tensors, "" for one that is left out. */
export interface Written {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly attributes?: Attributes;
}

/** What the writing of a node may add to the model. */
export interface Writing {
  readonly node: Node;
  /** Names of the node's inputs. */
  readonly inputs: readonly string[];
  /** The name of a constant. */
  constant(t: Tensor): string;
  /** The name of the result of one more operator. */
  step(written: Written): string;
}

export type Write = (w: Writing) => Written;

const int = (x: unknown): bigint => BigInt(Math.trunc(Number(x)));
const ints = (x: unknown): readonly bigint[] => (Array.isArray(x) ? x.map(int) : []);
const flag = (x: unknown): bigint => (x === true ? 1n : 0n);

/** The same inputs, attributes made of ours. */
const direct =
  (opType: string, attributes: (attrs: Attrs, node: Node) => Attributes = () => ({})): Write =>
  ({ node, inputs }) => ({ opType, inputs, attributes: attributes(node.attrs, node) });

const window = (a: Attrs): Attributes => ({ strides: ints(a["strides"]), dilations: ints(a["dilations"]), pads: ints(a["pads"]) });

/** The name of a constant input as int64, which reshape and its kin insist on. */
function int64(w: Writing, i: number): string {
  const value = w.node.inputs[i]?.data;
  if (!value || value.type === "int64") return w.inputs[i] ?? "";
  return w.constant(tensor("int64", value.dims, BigInt64Array.from([...(value.data as Int32Array)].map(BigInt))));
}

const conv = (opType: string): Write =>
  direct(opType, (a, { inputs: [, w] }) => ({
    ...window(a),
    group: int(a["group"] ?? 1),
    kernel_shape: ints(w?.shape.slice(2)),
    ...(opType === "ConvTranspose" ? { output_padding: ints(a["outputPads"]) } : {}),
  }));

const pool = (opType: string): Write =>
  direct(opType, (a) => ({
    ...window(a),
    kernel_shape: ints(a["kernel"]),
    ceil_mode: flag(a["ceilMode"]),
    ...(opType === "AveragePool" ? { count_include_pad: flag(a["countIncludePad"]) } : {}),
  }));

/** Average pooling has dilations only since operator set 19. */
const averagePool: Write = (w) => {
  const { attributes: { dilations: _, ...attributes } = {}, ...rest } = pool("AveragePool")(w);
  return { ...rest, attributes };
};

const clip: Write = (w) => {
  const bound = (name: string): string => {
    const x = Number(w.node.attrs[name]);
    return Number.isFinite(x) ? w.constant(tensor("float32", [], Float32Array.of(x))) : "";
  };
  return { opType: "Clip", inputs: [w.inputs[0] ?? "", bound("min"), bound("max")] };
};

const resize: Write = ({ node: { attrs }, inputs: [x = "", scales = "", sizes = ""] }) => ({
  opType: "Resize",
  inputs: sizes === "" ? [x, "", scales] : [x, "", "", sizes],
  attributes: {
    mode: String(attrs["mode"] ?? "nearest"),
    coordinate_transformation_mode: String(attrs["coordinates"] ?? "half_pixel"),
    nearest_mode: String(attrs["nearestMode"] ?? "round_prefer_floor"),
    cubic_coeff_a: Number(attrs["cubicCoeff"] ?? -0.75),
  },
});

const axesInput =
  (opType: string): Write =>
  (w) => ({
    opType,
    inputs: [
      w.inputs[0] ?? "",
      w.constant(tensor("int64", [ints(w.node.attrs["axes"]).length], BigInt64Array.from(ints(w.node.attrs["axes"])))),
    ],
  });

/** Channels of one tensor, or of several joined. */
const takeChannels: Write = (w) => {
  const joined = w.inputs.length === 1 ? (w.inputs[0] ?? "") : w.step({ opType: "Concat", inputs: w.inputs, attributes: { axis: 1n } });
  const channels = BigInt64Array.from(ints(w.node.attrs["channels"]));
  return { opType: "Gather", inputs: [joined, w.constant(tensor("int64", [channels.length], channels))], attributes: { axis: 1n } };
};

const silu: Write = (w) => ({ opType: "Mul", inputs: [w.inputs[0] ?? "", w.step({ opType: "Sigmoid", inputs: w.inputs })] });

const axis = (a: Attrs): Attributes => ({ axis: int(a["axis"] ?? 0) });

/** Ops whose operator has their name with a capital and no attributes. */
const PLAIN =
  "relu sigmoid hardSwish tanh exp log sqrt abs neg floor ceil erf sin cos reciprocal softplus softsign sign not add sub mul div pow min max matMul prelu identity";
const PLAIN_NAMES: Readonly<Record<string, string>> = { prelu: "PRelu" };
const capital = (name: string): string => PLAIN_NAMES[name] ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`;

export const GRAPH_OPS: Readonly<Record<string, Write>> = {
  ...Object.fromEntries(PLAIN.split(" ").map((name) => [name, direct(capital(name))])),
  averagePool,
  cast: direct("Cast", ({ to }) => ({ to: BigInt(onnxTypeOf(typeof to === "string" && isDType(to) ? to : "float32")) })),
  clip,
  concat: direct("Concat", axis),
  conv: conv("Conv"),
  convTranspose: conv("ConvTranspose"),
  depthToSpace: direct("DepthToSpace", (a) => ({ blocksize: int(a["blockSize"]), mode: String(a["mode"] ?? "DCR") })),
  dequantizeLinear: direct("DequantizeLinear", axis),
  elu: direct("Elu", (a) => ({ alpha: Number(a["alpha"] ?? 1) })),
  expand: (w) => ({ opType: "Expand", inputs: [w.inputs[0] ?? "", int64(w, 1)] }),
  flatten: direct("Flatten", (a) => ({ axis: int(a["axis"] ?? 1) })),
  gather: direct("Gather", axis),
  gemm: direct("Gemm", (a) => ({
    alpha: Number(a["alpha"] ?? 1),
    beta: Number(a["beta"] ?? 1),
    transA: flag(a["transA"]),
    transB: flag(a["transB"]),
  })),
  hardSigmoid: direct("HardSigmoid", (a) => ({ alpha: Number(a["alpha"] ?? 0.2), beta: Number(a["beta"] ?? 0.5) })),
  leakyRelu: direct("LeakyRelu", (a) => ({ alpha: Number(a["alpha"] ?? 0.01) })),
  maxPool: pool("MaxPool"),
  pad: (w) => ({
    opType: "Pad",
    inputs: [w.inputs[0] ?? "", int64(w, 1), w.inputs[2] ?? ""],
    attributes: { mode: String(w.node.attrs["mode"] ?? "constant") },
  }),
  quantizeLinear: direct("QuantizeLinear", axis),
  reduceMean: direct("ReduceMean", (a, { inputs: [x] }) => ({
    axes: Array.isArray(a["axes"]) && a["axes"].length > 0 ? ints(a["axes"]) : ints(x?.shape.map((_, i) => i)),
    keepdims: flag(a["keepDims"] ?? true),
  })),
  reshape: (w) => ({
    opType: "Reshape",
    inputs: [w.inputs[0] ?? "", int64(w, 1)],
    attributes: { allowzero: flag(w.node.attrs["allowZero"]) },
  }),
  resize,
  silu,
  slice: direct("Slice"),
  softmax: direct("Softmax", (a) => ({ axis: int(a["axis"] ?? -1) })),
  spaceToDepth: direct("SpaceToDepth", (a) => ({ blocksize: int(a["blockSize"]) })),
  split: (w) => {
    const sizes = BigInt64Array.from(ints(w.node.attrs["sizes"]));
    return {
      opType: "Split",
      inputs: [w.inputs[0] ?? "", w.constant(tensor("int64", [sizes.length], sizes))],
      attributes: axis(w.node.attrs),
    };
  },
  squeeze: axesInput("Squeeze"),
  takeChannels,
  transpose: direct("Transpose", (a) => ({ perm: ints(a["perm"]) })),
  unsqueeze: axesInput("Unsqueeze"),
};
