import type { Value } from "../../../ir/graph.ts";
import { elementCount, tensor, zeros, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import { groups, slidingOf, padsOf, transposed } from "../map/window.ts";
import { fixedPoint } from "./fixed-point.ts";
import type { QuantizedMapper, QuantizedView } from "./view.ts";

/** Weights less their zero point, in another order of axes: int8 where they fit, else int16. */
function weights(n: QuantizedView, i: number, perm: readonly number[]): Tensor {
  const { data } = n.input(i);
  const q = n.quantization(i);
  if (!data || !q) throw n.unsupported("weights that are not constant bytes");
  const [zero = 0] = q.zeroPoints;
  if (q.zeroPoints.some((z) => z !== zero) || (q.scales.length > 1 && zero !== 0))
    throw n.unsupported("weights with zero points for each channel");
  const moved = transposed(data, perm);
  const centred = Array.from(moved.data as Int8Array | Uint8Array, (v) => v - zero);
  const small = centred.every((v) => v >= -128 && v <= 127);
  return small ? tensor("int8", moved.dims, Int8Array.from(centred)) : tensor("int16", moved.dims, Int16Array.from(centred));
}

/** Multipliers of the sums of products, one an output channel. */
function multipliers(n: QuantizedView, channels: number, axis: number): ReturnType<QuantizedView["multipliers"]> {
  const q = n.quantization(1);
  const scales = q?.scales ?? [];
  if (scales.length !== 1 && (scales.length !== channels || q?.axis !== axis))
    throw new HoneError("model.damaged", `${scales.length} scales for ${channels} output channels`);
  const [x, y] = [n.scale(0).scale, n.outputScale.scale];
  return n.multipliers(Array.from({ length: channels }, (_, c) => fixedPoint((x * (scales[scales.length === 1 ? 0 : c] ?? 0)) / y)));
}

function bias(n: QuantizedView, channels: number): Value {
  const value = n.inputs[2];
  if (value && (value.dtype !== "int32" || !value.data || elementCount(value.data.dims) !== channels))
    throw n.unsupported(`a bias that is not ${channels} constant int32`);
  return value?.data ? n.constant(tensor("int32", [channels], value.data.data)) : n.constant(zeros("int32", [channels]));
}

interface Product {
  readonly w: Tensor;
  /** The axis of the weights in the file that counts output channels. */
  readonly axis: number;
  readonly activation: number;
  readonly attrs: Readonly<Record<string, number | readonly number[]>>;
}

/** The convolution of x, channels first. */
function product(n: QuantizedView, x: Value, { w, axis, activation, attrs }: Product): Value {
  const [channels = 1] = w.dims;
  const { operands, left } = multipliers(n, channels, axis);
  const inputs = [x, n.constant(w), n.byte(n.scale(0).zero), bias(n, channels), ...operands, ...n.limits(activation), left];
  return n.step("fixedPointConv", inputs, attrs);
}

const conv2d: QuantizedMapper = (n) => {
  const o = n.options("Conv2DOptions");
  const [x, w] = [n.bytes(0), n.input(1)];
  const sliding = slidingOf(n, w, o);
  const attrs = { strides: sliding.strides, dilations: sliding.dilations, pads: padsOf(x, o.padding, sliding), group: groups(n, x, w) };
  const made = product(n, n.channelsFirst(x), { w: weights(n, 1, [0, 3, 1, 2]), axis: 0, activation: o.activation, attrs });
  return n.emitChannelsLast(made);
};

const depthwiseConv2d: QuantizedMapper = (n) => {
  const o = n.options("DepthwiseConv2DOptions");
  const [x, w] = [n.bytes(0), n.input(1)];
  const sliding = slidingOf(n, w, o);
  const attrs = { strides: sliding.strides, dilations: sliding.dilations, pads: padsOf(x, o.padding, sliding), group: n.size(x, 3) };
  const made = product(n, n.channelsFirst(x), { w: weights(n, 1, [3, 0, 1, 2]), axis: 3, activation: o.activation, attrs });
  return n.emitChannelsLast(made);
};

/** A convolution of one pixel: what is before the last axis of x is the batch. */
const fullyConnected: QuantizedMapper = (n) => {
  const o = n.options("FullyConnectedOptions");
  if (o.weightsFormat !== 0) throw n.unsupported("shuffled weights");
  const x = n.bytes(0);
  const matrix = weights(n, 1, [0, 1]);
  const [outputs = 1, inputs = 1] = matrix.dims;
  const pixels = n.step("reshape", [x, n.ints64([-1, inputs, 1, 1])], { allowZero: false });
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], group: 1 };
  const y = product(n, pixels, { w: { ...matrix, dims: [outputs, inputs, 1, 1] }, axis: 0, activation: o.activation, attrs });
  const shape = o.keepNumDims ? [...x.shape.slice(0, -1).map((_, i) => n.size(x, i)), outputs] : [n.size(y, 0), outputs];
  return n.emit("reshape", [y, n.ints64(shape)], { allowZero: false });
};

const averagePool: QuantizedMapper = (n) => {
  const o = n.options("Pool2DOptions");
  const x = n.bytes(0);
  const sliding = { kernel: [o.filterHeight, o.filterWidth], strides: [o.strideH, o.strideW], dilations: [1, 1] };
  const attrs = { ...sliding, pads: padsOf(x, o.padding, sliding), ceilMode: false, centre: n.scale(0).offset, ...n.bounds(o.activation) };
  return n.emitChannelsLast(n.step("fixedPointAveragePool", [n.channelsFirst(x)], attrs));
};

const maxPool: QuantizedMapper = (n) => {
  const o = n.options("Pool2DOptions");
  const x = n.bytes(0);
  const sliding = { kernel: [o.filterHeight, o.filterWidth], strides: [o.strideH, o.strideW], dilations: [1, 1] };
  const y = n.step("maxPool", [n.channelsFirst(x)], { ...sliding, pads: padsOf(x, o.padding, sliding), ceilMode: false });
  const { low, high } = n.bounds(o.activation);
  return n.emitChannelsLast(low === 0 && high === 255 ? y : n.step("clip", [y], { min: low, max: high }));
};

const resizeBilinear: QuantizedMapper = (n) => {
  const { alignCorners, halfPixelCenters } = n.options("ResizeBilinearOptions");
  if (n.scale(0).offset === 0) throw n.unsupported("uint8");
  const [height = 1, width = 1] = n.fixed(1, "sizes");
  const attrs = { height, width, alignCorners, halfPixel: halfPixelCenters };
  return n.emitChannelsLast(n.step("fixedPointResize", [n.channelsFirst(n.bytes(0))], attrs));
};

/** Operators on images of bytes. */
export const WINDOWS: Readonly<Record<string, QuantizedMapper>> = {
  AVERAGE_POOL_2D: averagePool,
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwiseConv2d,
  FULLY_CONNECTED: fullyConnected,
  MAX_POOL_2D: maxPool,
  RESIZE_BILINEAR: resizeBilinear,
};
