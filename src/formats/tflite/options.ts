import { bool, float32, int32, int32s, int8, type TableSchema } from "./table.ts";

/** ActivationFunctionType by number. */
export const ACTIVATIONS = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"] as const;

export interface FusedOptions {
  /** Index into ACTIVATIONS. */
  readonly activation: number;
}

interface WindowOptions extends FusedOptions {
  /** 0: SAME, 1: VALID. */
  readonly padding: number;
  readonly strideW: number;
  readonly strideH: number;
}

export interface Conv2DOptions extends WindowOptions {
  readonly dilationW: number;
  readonly dilationH: number;
}

export interface DepthwiseConv2DOptions extends Conv2DOptions {
  readonly depthMultiplier: number;
}

export interface Pool2DOptions extends WindowOptions {
  readonly filterWidth: number;
  readonly filterHeight: number;
}

export interface FullyConnectedOptions extends FusedOptions {
  /** 0: plain, 1: shuffled 4×16 int8. */
  readonly weightsFormat: number;
  readonly keepNumDims: boolean;
}

export interface ConcatenationOptions extends FusedOptions {
  readonly axis: number;
}

export interface ResizeOptions {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

export interface StridedSliceOptions {
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
  readonly offset: boolean;
}

/** The options that hone reads, by the name of their table. */
export interface OptionTables {
  readonly Conv2DOptions: Conv2DOptions;
  readonly DepthwiseConv2DOptions: DepthwiseConv2DOptions;
  readonly Pool2DOptions: Pool2DOptions;
  readonly FullyConnectedOptions: FullyConnectedOptions;
  readonly SoftmaxOptions: { readonly beta: number };
  readonly ConcatenationOptions: ConcatenationOptions;
  readonly AddOptions: FusedOptions;
  readonly ResizeBilinearOptions: ResizeOptions;
  readonly ReshapeOptions: { readonly newShape: readonly number[] };
  readonly SpaceToDepthOptions: { readonly blockSize: number };
  readonly MulOptions: FusedOptions;
  readonly GatherOptions: { readonly axis: number; readonly batchDims: number };
  readonly ReducerOptions: { readonly keepDims: boolean };
  readonly SubOptions: FusedOptions;
  readonly DivOptions: FusedOptions;
  readonly SqueezeOptions: { readonly squeezeDims: readonly number[] };
  readonly StridedSliceOptions: StridedSliceOptions;
  readonly SplitOptions: { readonly numSplits: number };
  readonly CastOptions: { readonly inDataType: number; readonly outDataType: number };
  readonly ArgMaxOptions: { readonly outputType: number };
  readonly TransposeConvOptions: WindowOptions;
  readonly ShapeOptions: { readonly outType: number };
  readonly ArgMinOptions: { readonly outputType: number };
  readonly PackOptions: { readonly valuesCount: number; readonly axis: number };
  readonly UnpackOptions: { readonly num: number; readonly axis: number };
  readonly ResizeNearestNeighborOptions: ResizeOptions;
  readonly LeakyReluOptions: { readonly alpha: number };
  readonly MirrorPadOptions: { readonly mode: number };
  readonly SplitVOptions: { readonly numSplits: number };
  readonly DepthToSpaceOptions: { readonly blockSize: number };
  readonly BatchMatMulOptions: { readonly adjX: boolean; readonly adjY: boolean };
  readonly GeluOptions: { readonly approximate: boolean };
}

export type OptionName = keyof OptionTables;

/** One table of options under its name; nothing when there is none, or one that hone does not read. */
export type TfliteOptions = Partial<OptionTables>;

const window = { padding: int8(0), strideW: int32(1), strideH: int32(2) };
const fused = { activation: int8(0) };

/** Slots of each table of options. */
export const OPTION_SCHEMAS: { readonly [K in OptionName]: TableSchema<OptionTables[K]> } = {
  Conv2DOptions: {
    name: "Conv2DOptions",
    slots: { ...window, activation: int8(3), dilationW: int32(4, 1), dilationH: int32(5, 1) },
  },
  DepthwiseConv2DOptions: {
    name: "DepthwiseConv2DOptions",
    slots: { ...window, depthMultiplier: int32(3), activation: int8(4), dilationW: int32(5, 1), dilationH: int32(6, 1) },
  },
  Pool2DOptions: { name: "Pool2DOptions", slots: { ...window, filterWidth: int32(3), filterHeight: int32(4), activation: int8(5) } },
  FullyConnectedOptions: {
    name: "FullyConnectedOptions",
    slots: { ...fused, weightsFormat: int8(1), keepNumDims: bool(2) },
  },
  SoftmaxOptions: { name: "SoftmaxOptions", slots: { beta: float32(0) } },
  ConcatenationOptions: { name: "ConcatenationOptions", slots: { axis: int32(0), activation: int8(1) } },
  AddOptions: { name: "AddOptions", slots: fused },
  ResizeBilinearOptions: { name: "ResizeBilinearOptions", slots: { alignCorners: bool(2), halfPixelCenters: bool(3) } },
  ReshapeOptions: { name: "ReshapeOptions", slots: { newShape: int32s(0) } },
  SpaceToDepthOptions: { name: "SpaceToDepthOptions", slots: { blockSize: int32(0) } },
  MulOptions: { name: "MulOptions", slots: fused },
  GatherOptions: { name: "GatherOptions", slots: { axis: int32(0), batchDims: int32(1) } },
  ReducerOptions: { name: "ReducerOptions", slots: { keepDims: bool(0) } },
  SubOptions: { name: "SubOptions", slots: fused },
  DivOptions: { name: "DivOptions", slots: fused },
  SqueezeOptions: { name: "SqueezeOptions", slots: { squeezeDims: int32s(0) } },
  StridedSliceOptions: {
    name: "StridedSliceOptions",
    slots: {
      beginMask: int32(0),
      endMask: int32(1),
      ellipsisMask: int32(2),
      newAxisMask: int32(3),
      shrinkAxisMask: int32(4),
      offset: bool(5),
    },
  },
  SplitOptions: { name: "SplitOptions", slots: { numSplits: int32(0) } },
  CastOptions: { name: "CastOptions", slots: { inDataType: int8(0), outDataType: int8(1) } },
  ArgMaxOptions: { name: "ArgMaxOptions", slots: { outputType: int8(0) } },
  TransposeConvOptions: { name: "TransposeConvOptions", slots: { ...window, activation: int8(3) } },
  ShapeOptions: { name: "ShapeOptions", slots: { outType: int8(0) } },
  ArgMinOptions: { name: "ArgMinOptions", slots: { outputType: int8(0) } },
  PackOptions: { name: "PackOptions", slots: { valuesCount: int32(0), axis: int32(1) } },
  UnpackOptions: { name: "UnpackOptions", slots: { num: int32(0), axis: int32(1) } },
  ResizeNearestNeighborOptions: { name: "ResizeNearestNeighborOptions", slots: { alignCorners: bool(0), halfPixelCenters: bool(1) } },
  LeakyReluOptions: { name: "LeakyReluOptions", slots: { alpha: float32(0) } },
  MirrorPadOptions: { name: "MirrorPadOptions", slots: { mode: int8(0) } },
  SplitVOptions: { name: "SplitVOptions", slots: { numSplits: int32(0) } },
  DepthToSpaceOptions: { name: "DepthToSpaceOptions", slots: { blockSize: int32(0) } },
  BatchMatMulOptions: { name: "BatchMatMulOptions", slots: { adjX: bool(0), adjY: bool(1) } },
  GeluOptions: { name: "GeluOptions", slots: { approximate: bool(0) } },
};

/** BuiltinOptions, the union's type tags. */
export const OPTION_TAGS: Readonly<Record<number, OptionName>> = {
  1: "Conv2DOptions",
  2: "DepthwiseConv2DOptions",
  5: "Pool2DOptions",
  8: "FullyConnectedOptions",
  9: "SoftmaxOptions",
  10: "ConcatenationOptions",
  11: "AddOptions",
  15: "ResizeBilinearOptions",
  17: "ReshapeOptions",
  19: "SpaceToDepthOptions",
  21: "MulOptions",
  23: "GatherOptions",
  27: "ReducerOptions",
  28: "SubOptions",
  29: "DivOptions",
  30: "SqueezeOptions",
  32: "StridedSliceOptions",
  35: "SplitOptions",
  37: "CastOptions",
  40: "ArgMaxOptions",
  49: "TransposeConvOptions",
  55: "ShapeOptions",
  57: "ArgMinOptions",
  59: "PackOptions",
  64: "UnpackOptions",
  74: "ResizeNearestNeighborOptions",
  75: "LeakyReluOptions",
  77: "MirrorPadOptions",
  79: "SplitVOptions",
  94: "DepthToSpaceOptions",
  101: "BatchMatMulOptions",
  116: "GeluOptions",
};
