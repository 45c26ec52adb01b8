/** The convolutions of bet 1, as graphs. */
import type { Graph, Value } from "../../src/ir/graph.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { tensor } from "../../src/tensor/tensor.ts";

/** Deterministic values in [-0.5, 0.5). */
export function noise(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

type Builder = ReturnType<typeof opBuilder>;

function weight(b: Builder, dims: readonly number[], seed: number): Value {
  const count = dims.reduce((n, d) => n * d, 1);
  const fan = dims.slice(1).reduce((n, d) => n * d, 1);
  return b.constant(
    tensor(
      "float32",
      dims,
      noise(count, seed).map((v) => v * Math.sqrt(12 / fan)),
    ),
    `w${seed}`,
  );
}

/** Activations that a convolution made, so that they lie as they do in the middle of a network. */
function blocked(b: Builder, channels: number, size: number, seed: number): Value {
  const x = b.input(`x${seed}`, "float32", [1, channels, size, size]);
  return b.op("conv", [x, weight(b, [channels, 1, 1, 1], seed)], { group: channels }, {});
}

export interface BenchCase {
  readonly name: string;
  readonly graph: Graph;
  /** Names of the layers under test. */
  readonly layers: readonly string[];
  /** Their multiply-adds. */
  readonly macs: number;
  /** The share of the fp32 peak that the bet asks for. */
  readonly bar: number;
}

/** 3×3 64→64 at 56² with bias, residual and ReLU. */
function conv3x3(): BenchCase {
  const b = opBuilder("conv3x3");
  const x = blocked(b, 64, 56, 1);
  const residual = blocked(b, 64, 56, 2);
  const y = b.op(
    "conv",
    [x, weight(b, [64, 64, 3, 3], 3), b.constant(tensor("float32", [64], noise(64, 4)), "bias")],
    { pads: [1, 1, 1, 1] },
    { name: "conv" },
  );
  b.output(b.op("relu", [b.op("add", [y, residual])]), "y");
  return { name: "3x3 64>64 at 56, bias, residual, relu", graph: b.finish(), layers: ["conv"], macs: 64 * 64 * 9 * 56 * 56, bar: 0.85 };
}

/** 1×1 256→64 at 56² with bias and ReLU. */
function conv1x1(): BenchCase {
  const b = opBuilder("conv1x1");
  const x = blocked(b, 256, 56, 1);
  const y = b.op(
    "conv",
    [x, weight(b, [64, 256, 1, 1], 3), b.constant(tensor("float32", [64], noise(64, 4)), "bias")],
    {},
    { name: "conv" },
  );
  b.output(b.op("relu", [y]), "y");
  return { name: "1x1 256>64 at 56, bias, relu", graph: b.finish(), layers: ["conv"], macs: 256 * 64 * 56 * 56, bar: 0.8 };
}

/** Depthwise 3×3 and pointwise 64→64 at 56². */
function separable(): BenchCase {
  const b = opBuilder("separable");
  const x = blocked(b, 64, 56, 1);
  const bias = b.constant(tensor("float32", [64], noise(64, 4)), "bias");
  const d = b.op("relu", [b.op("conv", [x, weight(b, [64, 1, 3, 3], 3), bias], { pads: [1, 1, 1, 1], group: 64 }, { name: "depthwise" })]);
  b.output(b.op("relu", [b.op("conv", [d, weight(b, [64, 64, 1, 1], 5), bias], {}, { name: "pointwise" })]), "y");
  return {
    name: "depthwise 3x3 + pointwise 64>64 at 56",
    graph: b.finish(),
    layers: ["depthwise", "pointwise"],
    macs: 64 * 9 * 56 * 56 + 64 * 64 * 56 * 56,
    bar: 0,
  };
}

export const CASES: readonly BenchCase[] = [conv3x3(), conv1x1(), separable()];
