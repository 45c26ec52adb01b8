/** What came into ONNX's own operators with which operator set (the standard's Changelog.md), from 7 on. */

const words = (text: string): readonly string[] => text.split(" ");

const FIRST: readonly (readonly [version: number, operators: string])[] = [
  [
    1,
    "Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv ConvTranspose DepthToSpace Div Dropout " +
      "Elu Equal Exp Flatten Floor GRU Gather Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax Identity If " +
      "InstanceNormalization LRN LSTM LeakyRelu Less Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool MaxRoiPool Mean Min Mul " +
      "Neg Not Or PRelu Pad Pow RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Reciprocal ReduceL1 ReduceL2 " +
      "ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Selu Shape Sigmoid " +
      "Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Upsample Xor",
  ],
  [7, "Acos Asin Atan Cos Multinomial Sin Tan"],
  [8, "Expand Scan"],
  [
    9,
    "Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization NonZero OneHot Scatter Shrink " +
      "Sign Sinh TfIdfVectorizer Where",
  ],
  [
    10,
    "ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul QuantizeLinear Resize " +
      "ReverseSequence RoiAlign StringNormalizer ThresholdedRelu",
  ],
  [
    11,
    "BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range Round ScatterElements ScatterND SequenceAt " +
      "SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence Unique",
  ],
  [12, "Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"],
  [14, "HardSwish Trilu"],
  [15, "Bernoulli CastLike Optional OptionalGetElement OptionalHasElement"],
  [16, "GridSample"],
  [17, "BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap"],
  [18, "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish"],
  [19, "DeformConv"],
  [20, "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit"],
  [23, "Attention RMSNormalization RotaryEmbedding"],
  [24, "Swish TensorScatter"],
  [26, "BitCast CumProd"],
  [27, "CausalConvWithState LinearAttention"],
  [28, "SwiGLU"],
];

/** The first operator set that has an operator; those of 1 to 6 count as 1. */
export const FIRST_VERSION: ReadonlyMap<string, number> = new Map(
  FIRST.flatMap(([version, operators]) => words(operators).map((op) => [op, version] as const)),
);

/** Operators whose operands may be of further types since a version; `Op/1` is its input 1 alone. */
interface Widening {
  readonly version: number;
  readonly types: readonly string[];
  readonly operators: readonly string[];
}

const FLOAT8 = "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz";
const INTEGERS = "int16 int32 int64 int8 uint16 uint32 uint64 uint8";
const MOVERS = "Cast CastLike Constant Identity If Loop Reshape Scan Shape Size";
const NARROW = `${MOVERS} ConstantOfShape DequantizeLinear Flatten Pad QuantizeLinear Squeeze Transpose Unsqueeze`;

const WIDENED: readonly (readonly [version: number, types: string, operators: string])[] = [
  [7, "int16 int8 string uint16 uint32 uint64 uint8", "Upsample"],
  [9, `bool string ${INTEGERS}`, "Flatten"],
  [9, INTEGERS, "Greater Less"],
  [9, "int32 int64 uint32 uint64", "Gemm MatMul PRelu"],
  [9, "string", "Cast"],
  [11, "double float float16 int16 int8 uint16 uint32 uint64 uint8", "Equal"],
  [11, INTEGERS, "Pad/0 TopK/0"],
  [12, INTEGERS, "Clip Max Min Pow"],
  [12, "int8 uint8", "MaxPool ReduceMax ReduceMin"],
  [
    13,
    "bfloat16",
    "Abs Add ArgMax ArgMin Cast Ceil Clip Concat Constant DepthToSpace Div Dropout Equal Erf Exp Expand Flatten Floor Gather GatherElements " +
      "GatherND Gemm Greater Hardmax Identity IsNaN LRN Less Log LogSoftmax MatMul Max Mean MeanVarianceNormalization Min Mod Mul Neg NonZero " +
      "Pad Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum " +
      "ReduceSumSquare Relu Reshape Resize ScatterElements ScatterND Shape Sigmoid Sign Size Slice Softmax SoftmaxCrossEntropyLoss " +
      "SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze",
  ],
  [13, "bool string", "Pad"],
  [13, "sequence", "If Loop"],
  [14, "bfloat16", "BatchNormalization CumSum"],
  [14, "float16", "CumSum"],
  [14, "int16 int32 int64 int8", "Relu"],
  [14, "int16 int8 uint16 uint8", "Add Div Mul Sub"],
  [14, "sequence", "Identity"],
  [15, "bfloat16", "Pow/1"],
  [16, "bfloat16", "GreaterOrEqual If LeakyRelu LessOrEqual Loop PRelu Scan Where"],
  [16, "optional", "Identity If Loop"],
  [18, `bool double float float16 sequence string ${INTEGERS}`, "OptionalGetElement/0 OptionalHasElement/0"],
  [19, `bfloat16 float16 ${FLOAT8}`, "DequantizeLinear QuantizeLinear"],
  [19, FLOAT8, MOVERS],
  [19, "string", "Equal"],
  [20, `bfloat16 float16 ${FLOAT8}`, "IsInf"],
  [20, `bfloat16 ${FLOAT8}`, "ConstantOfShape"],
  [20, "bool", "ReduceMax ReduceMin"],
  [20, FLOAT8, "IsNaN"],
  [21, `bfloat16 float16 ${FLOAT8}`, "QLinearMatMul"],
  [21, FLOAT8, "Flatten Pad Squeeze Transpose Unsqueeze"],
  [21, "int4 uint4", NARROW],
  [21, "int16 uint16", "DequantizeLinear QuantizeLinear"],
  [
    22,
    "bfloat16",
    "Acos Acosh Asin Asinh Atan Atanh AveragePool Bernoulli Conv ConvTranspose Cos Cosh DeformConv Det Elu EyeLike GRU GlobalAveragePool " +
      "GlobalLpPool GlobalMaxPool GridSample HardSigmoid HardSwish InstanceNormalization LSTM LpNormalization LpPool MaxPool MaxRoiPool " +
      "MaxUnpool Mish Multinomial NegativeLogLikelihoodLoss RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike RoiAlign Round " +
      "Selu Sin Sinh Softplus Softsign Tan ThresholdedRelu",
  ],
  [22, FLOAT8, "Dropout"],
  [23, "float4e2m1", NARROW],
  [24, "bfloat16", "SplitToSequence TopK"],
  [24, "float8e8m0", NARROW],
  [25, "int2 uint2", NARROW],
  [27, "bfloat16 float16", "Range"],
  [28, "bfloat16", "Celu Compress Einsum OneHot ReverseSequence Unique"],
  [28, "double float16", "Celu"],
  [28, `bfloat16 float4e2m1 float8e8m0 int2 int4 uint2 uint4 ${FLOAT8}`, "Optional OptionalGetElement OptionalHasElement"],
  [28, "int16 int32 int64 int8", "BitShift"],
];

const WIDENINGS: readonly Widening[] = WIDENED.map(([version, types, operators]) => ({
  version,
  types: words(types),
  operators: words(operators),
}));

/** Types that an operator lost. */
export const NARROWED: Readonly<Record<string, { readonly version: number; readonly types: readonly string[] }>> = {
  Erf: { version: 13, types: words(INTEGERS) },
  ReduceLogSum: { version: 28, types: words("int32 int64 uint32 uint64") },
  ReduceLogSumExp: { version: 28, types: words("int32 int64 uint32 uint64") },
};

/** The types that an operator takes since exactly this version; with `input`, those for this input. */
export function typesSince(operator: string, version: number, input: number | undefined): readonly string[] {
  const names = [operator, `${operator}/${input ?? "output"}`];
  return WIDENINGS.filter((w) => w.version === version && w.operators.some((o) => names.includes(o))).flatMap((w) => w.types);
}

/** What an attribute that is new must be for the older version to mean the same: a number, a text, or `ones`, a list of such. */
export type Default = number | string;

const BLOCKS = { block_size: 0 };

/** Attributes since a version, where it is all the same when they have these values. */
export const ATTRIBUTES_SINCE: Readonly<Record<string, Readonly<Record<number, Readonly<Record<string, Default>>>>>> = {
  ArgMax: { 12: { select_last_index: 0 } },
  ArgMin: { 12: { select_last_index: 0 } },
  Attention: { 25: { left_window_size: -1, right_window_size: -1 } },
  AveragePool: { 7: { count_include_pad: 0 }, 10: { ceil_mode: 0 }, 19: { dilations: "ones" } },
  Cast: { 19: { saturate: 1 }, 24: { round_mode: "up" } },
  CastLike: { 19: { saturate: 1 }, 24: { round_mode: "up" } },
  DequantizeLinear: { 21: BLOCKS },
  GRU: { 14: { layout: 0 } },
  GatherND: { 12: { batch_dims: 0 } },
  GroupNormalization: { 21: { stash_type: 1 } },
  LSTM: { 14: { layout: 0 } },
  LpPool: { 18: { ceil_mode: 0, dilations: "ones" } },
  MaxPool: { 10: { ceil_mode: 0, dilations: "ones" } },
  QuantizeLinear: { 19: { saturate: 1 }, 21: BLOCKS, 23: { precision: 0 } },
  RNN: { 14: { layout: 0 } },
  Range: { 27: { stash_type: 1 } },
  ScatterElements: { 16: { reduction: "none" } },
  ScatterND: { 16: { reduction: "none" } },
  SpaceToDepth: { 28: { mode: "DCR" } },
};

/** The IR version that came with an operator set. Older than 4, every initializer had to be an input too. */
const IR_VERSIONS: Readonly<Record<number, number>> = { 9: 4, 10: 5, 11: 6, 12: 7, 15: 8, 19: 9, 21: 10, 23: 11, 24: 12, 25: 13, 28: 14 };

export const irVersionOf = (opset: number): number =>
  Math.max(4, ...Object.entries(IR_VERSIONS).flatMap(([since, ir]) => (Number(since) <= opset ? [ir] : [])));
