import type { Value } from "../../../ir/graph.ts";
import { viewOf, elementCount, stridesOf, tensor, type Tensor } from "../../../tensor/tensor.ts";
import { byteSize } from "../../../tensor/dtype.ts";
import { HoneError } from "../../../util/errors.ts";
import { samePads, type Sliding } from "../../padding.ts";
import type { Conv2DOptions } from "../options.ts";
import type { Mapper, OperatorView } from "./node.ts";

const VALID = 1;

/** Pads of a window over an NHWC value. */
export function padsOf(x: Value, padding: number, sliding: Sliding): readonly number[] {
  const bad = [...sliding.kernel, ...sliding.strides, ...sliding.dilations].find((v) => v < 1);
  if (bad !== undefined) throw new HoneError("model.damaged", `a window's size, stride or dilation is ${bad}`);
  return padding === VALID ? [0, 0, 0, 0] : samePads(x.shape.slice(1, 3), sliding);
}

/** The window of a convolution with weights [_, height, width, _]. */
export const slidingOf = (n: OperatorView, w: Value, o: Conv2DOptions): Sliding => ({
  kernel: [n.size(w, 1), n.size(w, 2)],
  strides: [o.strideH, o.strideW],
  dilations: [o.dilationH, o.dilationW],
});

/** Weights in another order of axes: at once when they are constant. */
function reordered(n: OperatorView, w: Value, perm: readonly number[]): Value {
  return w.data === undefined ? n.step("transpose", [w], { perm }) : n.constant(transposed(w.data, perm));
}

/** A copy of a tensor with its axes in another order. */
export function transposed(t: Tensor, perm: readonly number[]): Tensor {
  const dims = perm.map((axis) => t.dims[axis] ?? 1);
  const strides = stridesOf(t.dims);
  const steps = perm.map((axis) => strides[axis] ?? 0);
  const count = elementCount(dims);
  const data = viewOf(t.type, new ArrayBuffer(count * byteSize(t.type)), 0, count);
  const at = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    data[to] = t.data[from] ?? 0;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += steps[axis] ?? 0;
      at[axis] = (at[axis] ?? 0) + 1;
      if ((at[axis] ?? 0) < (dims[axis] ?? 1)) break;
      from -= (steps[axis] ?? 0) * (dims[axis] ?? 1);
      at[axis] = 0;
    }
  }
  return tensor(t.type, dims, data);
}

export function groups(n: OperatorView, x: Value, w: Value): number {
  const group = n.size(x, 3) / n.size(w, 3);
  if (!Number.isInteger(group) || group < 1)
    throw new HoneError("model.damaged", `${n.size(x, 3)} channels for filters over ${n.size(w, 3)}`);
  return group;
}

/** Filters are [O, H, W, I]; fewer input channels than x has mean groups. */
const conv2d: Mapper = (n) => {
  const o = n.options("Conv2DOptions");
  const [x, w] = [n.input(0), n.input(1)];
  const sliding = slidingOf(n, w, o);
  const { strides, dilations } = sliding;
  const attrs = { strides, dilations, pads: padsOf(x, o.padding, sliding), group: groups(n, x, w) };
  const y = n.step("conv", [n.channelsFirst(x), reordered(n, w, [0, 3, 1, 2]), n.inputs[2]], attrs);
  return n.emitChannelsLast(y, o.activation);
};

/** Filters are [1, H, W, O]: each input channel has O / C of its own. */
const depthwiseConv2d: Mapper = (n) => {
  const o = n.options("DepthwiseConv2DOptions");
  const [x, w] = [n.input(0), n.input(1)];
  const sliding = slidingOf(n, w, o);
  const { strides, dilations } = sliding;
  const attrs = { strides, dilations, pads: padsOf(x, o.padding, sliding), group: n.size(x, 3) };
  const y = n.step("conv", [n.channelsFirst(x), reordered(n, w, [3, 0, 1, 2]), n.inputs[2]], attrs);
  return n.emitChannelsLast(y, o.activation);
};

const pool =
  (op: "maxPool" | "averagePool"): Mapper =>
  (n) => {
    const o = n.options("Pool2DOptions");
    const x = n.input(0);
    const sliding = { kernel: [o.filterHeight, o.filterWidth], strides: [o.strideH, o.strideW], dilations: [1, 1] };
    const attrs = { ...sliding, pads: padsOf(x, o.padding, sliding), ceilMode: false };
    const y = n.step(op, [n.channelsFirst(x)], op === "averagePool" ? { ...attrs, countIncludePad: false } : attrs);
    return n.emitChannelsLast(y, o.activation);
  };

/** The size is an input; TFLite's three ways to count pixels have ONNX's names in our op. */
const resize =
  (mode: "linear" | "nearest"): Mapper =>
  (n) => {
    const o = n.options(mode === "linear" ? "ResizeBilinearOptions" : "ResizeNearestNeighborOptions");
    const x = n.input(0);
    const [height = 1, width = 1] = n.fixed(1, "sizes");
    const sizes = n.ints64([n.size(x, 0), n.size(x, 3), height, width]);
    const coordinates = o.alignCorners ? "align_corners" : o.halfPixelCenters ? "half_pixel" : "asymmetric";
    const nearestMode = coordinates === "asymmetric" ? "floor" : "round_prefer_ceil";
    return n.emitChannelsLast(n.step("resize", [n.channelsFirst(x), undefined, sizes], { mode, coordinates, nearestMode }));
  };

const depthToSpace: Mapper = (n) => {
  const { blockSize } = n.options("DepthToSpaceOptions");
  return n.emitChannelsLast(n.step("depthToSpace", [n.channelsFirst(n.input(0))], { blockSize, mode: "DCR" }));
};

const spaceToDepth: Mapper = (n) => {
  const { blockSize } = n.options("SpaceToDepthOptions");
  return n.emitChannelsLast(n.step("spaceToDepth", [n.channelsFirst(n.input(0))], { blockSize }));
};

/** Operators on images, which our ops take channels first: transposes go around them, and passes take most of those away. */
export const WINDOWS: Readonly<Record<string, Mapper>> = {
  AVERAGE_POOL_2D: pool("averagePool"),
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwiseConv2d,
  DEPTH_TO_SPACE: depthToSpace,
  MAX_POOL_2D: pool("maxPool"),
  RESIZE_BILINEAR: resize("linear"),
  RESIZE_NEAREST_NEIGHBOR: resize("nearest"),
  SPACE_TO_DEPTH: spaceToDepth,
};
