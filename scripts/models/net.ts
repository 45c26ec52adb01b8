/** Writes an image network layer by layer as an ONNX graph with seeded weights. For timing, never for accuracy. */
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, type AttributeValue } from "../../src/formats/onnx/write.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { activate, randomNumbers, type Activation, type Moments } from "./moments.ts";

/** A value of the network, batch 1: [1, channels, height, width]. */
export interface Feature {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly moments: Moments;
  /** Moments before a rising activation, for what takes the greatest of several. */
  readonly before?: { readonly moments: Moments; readonly activation: Activation };
}

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly group?: number;
  readonly bias?: boolean;
  /** Deviation of the result, about 1 by default. */
  readonly gain?: number;
}

const UNIT: Moments = { mean: 0, square: 1 };
const big = (...values: readonly number[]): readonly bigint[] => values.map(BigInt);

export class Net {
  /** Multiply-accumulates of convolutions and Gemm so far. */
  macs = 0;
  parameters = 0;
  readonly #name: string;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxTensor[] = [];
  readonly #random: () => number;
  #input: Feature | undefined;

  constructor(name: string, seed: number) {
    this.#name = name;
    this.#random = randomNumbers(seed);
  }

  /** Numbers of about unit variance, as a normalised picture has. */
  input(size: number): Feature {
    this.#input = { name: "input", channels: 3, height: size, width: size, moments: UNIT };
    return this.#input;
  }

  /** He initialisation for what the input really holds: weights of variance 1 / (fan in · E[x²]), 2 / fan in after a ReLU of unit numbers. */
  conv(x: Feature, channels: number, { kernel, stride = 1, pad = 0, group = 1, bias = false, gain = 1 }: ConvOptions): Feature {
    const size = (n: number): number => Math.floor((n + 2 * pad - kernel) / stride) + 1;
    const [height, width] = [size(x.height), size(x.width)];
    const fan = (x.channels / group) * kernel * kernel;
    const inside = insideShare(x.height, height, kernel, stride, pad);
    const deviation = gain * Math.sqrt(1 / (fan * inside * x.moments.square));
    const weights = this.#uniform([channels, x.channels / group, kernel, kernel], 0, deviation);
    const inputs = [x.name, weights, ...(bias ? [this.#uniform([channels], 0, 0.1)] : [])];
    this.macs += channels * height * width * fan;
    const name = this.#node("Conv", inputs, {
      kernel_shape: big(kernel, kernel),
      strides: big(stride, stride),
      pads: big(pad, pad, pad, pad),
      dilations: big(1, 1),
      group: BigInt(group),
    });
    return { name, channels, height, width, moments: UNIT };
  }

  /** Statistics near those that the input has; `gain` is the deviation of the result. `damping` is not told to what follows, so that errors of the estimates do not add up. */
  batchNorm(x: Feature, gain = 1, damping = 1): Feature {
    const shape = [x.channels];
    const parts = [
      this.#uniform(shape, gain * damping, gain * 0.1),
      this.#uniform(shape, 0, gain * 0.1),
      this.#uniform(shape, 0, 0.1),
      this.#uniform(shape, 1, 0.1),
    ];
    const name = this.#node("BatchNormalization", [x.name, ...parts], { epsilon: 1e-5 });
    return { ...x, name, moments: { mean: 0, square: 1.02 * gain * gain } };
  }

  activation(x: Feature, kind: Exclude<Activation, "identity">): Feature {
    const { moments } = x;
    return { ...x, name: this.#activationNode(x.name, kind), moments: activate(kind, moments), before: { moments, activation: kind } };
  }

  convBnAct(x: Feature, channels: number, options: ConvOptions, kind: Activation = "relu", gain = 1, damping = 1): Feature {
    const y = this.batchNorm(this.conv(x, channels, options), gain, damping);
    return kind === "identity" ? y : this.activation(y, kind);
  }

  maxPool(
    x: Feature,
    { kernel, stride, pad = 0, ceil = false }: { kernel: number; stride: number; pad?: number; ceil?: boolean },
  ): Feature {
    const round = ceil ? Math.ceil : Math.floor;
    const size = (n: number): number => round((n + 2 * pad - kernel) / stride) + 1;
    const attributes = { kernel_shape: big(kernel, kernel), strides: big(stride, stride), pads: big(pad, pad, pad, pad) };
    const name = this.#node("MaxPool", [x.name], { ...attributes, ...(ceil ? { ceil_mode: 1n } : {}) });
    const { moments, activation }: NonNullable<Feature["before"]> = x.before ?? { moments: x.moments, activation: "identity" };
    return {
      name,
      channels: x.channels,
      height: size(x.height),
      width: size(x.width),
      // Neighbours are much alike, so the greatest of four is about that of two independent ones.
      moments: activate(activation, moments, kernel),
    };
  }

  add(x: Feature, y: Feature): Feature {
    const mean = x.moments.mean + y.moments.mean;
    const square = x.moments.square + y.moments.square + 2 * x.moments.mean * y.moments.mean;
    return { name: this.#node("Add", [x.name, y.name]), channels: x.channels, height: x.height, width: x.width, moments: { mean, square } };
  }

  /** Channel by channel: y is [1, channels, 1, 1]. */
  scale(x: Feature, y: Feature): Feature {
    const moments = { mean: x.moments.mean * y.moments.mean, square: x.moments.square * y.moments.square };
    return { ...this.#bare(x), name: this.#node("Mul", [x.name, y.name]), moments };
  }

  concat(parts: readonly [Feature, ...Feature[]]): Feature {
    const name = this.#node(
      "Concat",
      parts.map((p) => p.name),
      { axis: 1n },
    );
    return { ...parts[0], name, channels: parts.reduce((n, p) => n + p.channels, 0) };
  }

  /** The mean over all pixels: what is common to a channel stays, most of what a deep layer holds. */
  globalAveragePool(x: Feature): Feature {
    const { mean, square } = x.moments;
    const moments = { mean, square: (mean * mean + 3 * square) / 4 };
    return { name: this.#node("GlobalAveragePool", [x.name]), channels: x.channels, height: 1, width: 1, moments };
  }

  flatten(x: Feature): Feature {
    const channels = x.channels * x.height * x.width;
    return { name: this.#node("Flatten", [x.name], { axis: 1n }), channels, height: 1, width: 1, moments: x.moments };
  }

  /** Of a flattened value. */
  gemm(x: Feature, channels: number): Feature {
    const deviation = Math.sqrt(1 / (x.channels * x.moments.square));
    const inputs = [x.name, this.#uniform([channels, x.channels], 0, deviation), this.#uniform([channels], 0, 0.1)];
    this.macs += channels * x.channels;
    return { name: this.#node("Gemm", inputs, { transB: 1n }), channels, height: 1, width: 1, moments: UNIT };
  }

  /** The model, whose output is `x`: flat unless it was never flattened. */
  finish(x: Feature, flat = true): OnnxModel {
    const input = this.#input;
    if (input === undefined) throw new Error("the network has no input");
    const graph = onnxGraph({
      name: this.#name,
      node: [...this.#nodes, onnxNode("Identity", [x.name], ["output"], {}, "output")],
      initializer: this.#initializers,
      input: [onnxValueInfo("input", "float32", [1, 3, input.height, input.width])],
      output: [onnxValueInfo("output", "float32", flat ? [1, x.channels] : [1, x.channels, x.height, x.width])],
    });
    return onnxModel({ graph, docString: "Random weights: for timing, never for accuracy." });
  }

  #bare({ name, channels, height, width, moments }: Feature): Feature {
    return { name, channels, height, width, moments };
  }

  #activationNode(x: string, kind: Exclude<Activation, "identity">): string {
    switch (kind) {
      case "relu":
        return this.#node("Relu", [x]);
      case "relu6":
        return this.#node("Clip", [x, this.#scalar(0), this.#scalar(6)]);
      case "hardSwish":
        return this.#node("HardSwish", [x]);
      case "hardSigmoid":
        return this.#node("HardSigmoid", [x], { alpha: 1 / 6, beta: 0.5 });
    }
  }

  #node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = `${op.toLowerCase()}_${this.#nodes.length}`;
    this.#nodes.push(onnxNode(op, inputs, [name], attributes, name));
    return name;
  }

  #scalar(value: number): string {
    return this.#initializer([], Float32Array.of(value));
  }

  #uniform(dims: readonly number[], mean: number, deviation: number): string {
    const count = dims.reduce((n, d) => n * d, 1);
    const data = new Float32Array(count);
    const width = deviation * Math.sqrt(12);
    for (let i = 0; i < count; i++) data[i] = mean + (this.#random() - 0.5) * width;
    this.parameters += count;
    return this.#initializer(dims, data);
  }

  #initializer(dims: readonly number[], data: Float32Array<ArrayBuffer>): string {
    const name = `w${this.#initializers.length}`;
    this.#initializers.push(onnxTensor(name, tensor("float32", dims, data)));
    return name;
  }
}

/** The share of a window's taps that fall inside the picture, along one axis: padding is zeros, which bring no variance. For both axes it is too much: edges are alike. */
function insideShare(size: number, outputs: number, kernel: number, stride: number, pad: number): number {
  let inside = 0;
  for (let o = 0; o < outputs; o++) {
    const from = o * stride - pad;
    inside += Math.min(size, from + kernel) - Math.max(0, from);
  }
  return inside / (outputs * kernel);
}
