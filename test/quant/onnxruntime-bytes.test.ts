/**
 * Operators on scaled integers give the bytes that ONNX Runtime gives. Weights are of 7 bits where its activations are of 8 without a
 * sign: its kernels for AVX2 saturate sums of two products, so that with larger ones its answers differ from machine to machine.
 */
import { describe, expect, test } from "vitest";
import { importModel } from "../../src/formats/index.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx, type AttributeValue } from "../../src/formats/onnx/write.ts";
import { evaluateGraph } from "../../src/ops/evaluate.ts";
import { optimize } from "../../src/passes/pipeline.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import type { Draw } from "../generators/draw.ts";

const runtime = await import("onnxruntime-node").catch(() => undefined);
if (!runtime) process.stderr.write("skipped: onnxruntime-node is not installed\n");

type Byte = "uint8" | "int8";

/** Random choices of the seed (Vigna's splitmix32). */
function drawOf(seed: number): Draw {
  let state = seed;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    const a = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    const b = Math.imul(a ^ (a >>> 15), 0x735a2d97);
    return ((b ^ (b >>> 15)) >>> 0) % below;
  };
}

/** A model of one operator under construction, and what it is fed. */
class Net {
  readonly draw: Draw;
  readonly type: Byte;
  readonly constants: { readonly name: string; readonly value: Tensor }[] = [];
  readonly feeds: Record<string, Tensor> = {};

  constructor(draw: Draw, type: Byte) {
    this.draw = draw;
    this.type = type;
  }

  #add(value: Tensor): string {
    const name = `k${this.constants.length}`;
    this.constants.push({ name, value });
    return name;
  }

  /** Bytes from `low`, `count` of them. */
  #list(type: Byte, n: number, low: number, count: number): Tensor["data"] {
    const values = Array.from({ length: n }, () => low + this.draw(count));
    return type === "uint8" ? Uint8Array.from(values) : Int8Array.from(values);
  }

  #bytes(type: Byte, dims: readonly number[], low: number, count: number): Tensor {
    return tensor(
      type,
      dims,
      this.#list(
        type,
        dims.reduce((n, d) => n * d, 1),
        low,
        count,
      ),
    );
  }

  #lowest(): number {
    return this.type === "uint8" ? 0 : -128;
  }

  x(dims: readonly number[]): string {
    const name = `x${Object.keys(this.feeds).length}`;
    this.feeds[name] = this.#bytes(this.type, dims, this.#lowest(), 256);
    return name;
  }

  weights(type: Byte, dims: readonly number[], low: number, count: number): string {
    return this.#add(this.#bytes(type, dims, low, count));
  }

  /** Scales about as large as `about`, `n` of them; 0 for a scalar. */
  scales(about: number, n = 0): string {
    const values = Float32Array.from({ length: Math.max(1, n) }, () => about * (0.5 + this.draw(100000) / 100000));
    return this.#add(tensor("float32", n === 0 ? [] : [n], values));
  }

  floats(name: string): readonly number[] {
    return Array.from(must(this.constants.find((k) => k.name === name)?.value.data, name), Number);
  }

  zero(type: Byte = this.type, dims: readonly number[] = [], value?: number): string {
    const low = type === "uint8" ? 0 : -128;
    return this.#add(this.#bytes(type, dims, value ?? low + this.draw(256), 1));
  }

  bias(values: readonly number[]): string {
    return this.#add(tensor("int32", [values.length], Int32Array.from(values)));
  }

  /** The scale and the zero point of a result that is about as large as `about`. */
  readonly result = (about: number): readonly string[] => [this.scales(about), this.zero()];

  model(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>>, own: boolean): Uint8Array {
    const node = { ...onnxNode(opType, inputs, ["y"], attributes), ...(own ? { domain: "com.microsoft" } : {}) };
    const graph = onnxGraph({
      node: [node],
      input: Object.entries(this.feeds).map(([name, t]) => onnxValueInfo(name, t.type, t.dims)),
      output: [onnxValueInfo("y", this.type, [])],
      initializer: this.constants.map(({ name, value }) => onnxTensor(name, value)),
    });
    const sets = [
      { domain: "", version: 17 },
      { domain: "com.microsoft", version: 1 },
    ];
    return writeOnnx(onnxModel({ graph: { ...graph, output: graph.output.map(({ type: _, ...rest }) => rest) }, opsetImport: sets }));
  }
}

async function peerOutput(model: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor["data"]> {
  const { InferenceSession, Tensor: PeerTensor } = must(runtime, "onnxruntime-node");
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const given = Object.entries(feeds).map(([name, t]) => [name, new PeerTensor(t.type as "uint8", t.data as Uint8Array, t.dims)] as const);
  const { y } = await session.run(Object.fromEntries(given));
  await session.release();
  return must(y, "y").data as Tensor["data"];
}

type Case = readonly [opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>>, own?: boolean];

const ints = (...list: readonly number[]): readonly bigint[] => list.map(BigInt);

interface Shape {
  readonly outputs: number;
  readonly perGroup: number;
  readonly kernel: number;
  readonly group?: number;
}

/** A convolution whose results spread over what bytes hold. */
function conv(net: Net, x: readonly number[], { perGroup, kernel, group = 1 }: Shape, weights: readonly string[], bias?: string): Case {
  const spread = 64 * 40 * Math.sqrt(perGroup * kernel * kernel);
  const attributes = { pads: ints(1, 0, 1, 1), strides: ints(1, 2), group: BigInt(group), kernel_shape: ints(kernel, kernel) };
  const given = [net.x(x), net.scales(0.02), net.zero(), ...weights, ...net.result((0.02 * 0.01 * spread) / 60)];
  return ["QLinearConv", bias ? [...given, bias] : given, attributes];
}

const dims = ({ outputs, perGroup, kernel }: Shape): readonly number[] => [outputs, perGroup, kernel, kernel];

const signed = (net: Net, shape: Shape): readonly string[] => [
  net.weights("int8", dims(shape), -64, 128),
  net.scales(0.01, shape.outputs),
  net.zero("int8", [shape.outputs], 0),
];

/** What each operator is tried with. */
const CASES: Readonly<Record<string, (net: Net) => Case>> = {
  "a convolution by channels": (net) => {
    const shape = { outputs: 24, perGroup: 5, kernel: 3 };
    return conv(net, [1, 5, 9, 12], shape, signed(net, shape), net.bias(Array.from({ length: 24 }, () => net.draw(20000) - 10000)));
  },
  "a depthwise convolution": (net) => {
    const shape = { outputs: 9, perGroup: 1, kernel: 3, group: 9 };
    return conv(net, [1, 9, 9, 12], shape, signed(net, shape));
  },
  "a convolution in three groups": (net) => {
    const shape = { outputs: 6, perGroup: 4, kernel: 3, group: 3 };
    return conv(net, [1, 12, 9, 12], shape, signed(net, shape));
  },
  "sums that lie beside halves of steps, where one rounding of a multiplier shows": (net) => {
    const shape = { outputs: 500, perGroup: 1, kernel: 1 };
    const scales = [net.scales(0.02), net.scales(0.0001, 500), net.scales(0.2)];
    const [x = [], w = [], y = []] = scales.map((name) => net.floats(name));
    const sums = w.map((s) => Math.round(((net.draw(60) + 0.5) * (y[0] ?? 1)) / ((x[0] ?? 1) * s)));
    const weights = [net.weights("int8", dims(shape), 0, 1), scales[1] ?? "", net.zero("int8", [500], 0)];
    return ["QLinearConv", [net.x([1, 1, 1, 1]), scales[0] ?? "", net.zero(), ...weights, scales[2] ?? "", net.zero(), net.bias(sums)], {}];
  },
  "a channel whose bias is almost all of int32": (net) => {
    const shape = { outputs: 3, perGroup: 2, kernel: 1 };
    return conv(net, [1, 2, 5, 5], shape, signed(net, shape), net.bias([2 ** 31 - 1 - 70000, -(2 ** 31) + 70000, 12]));
  },
};

/** Where ONNX Runtime takes uint8 weights only with uint8 activations. */
const UNSIGNED: typeof CASES = {
  "weights around a zero point that leave int8": (net) => {
    const shape = { outputs: 8, perGroup: 4, kernel: 3 };
    const weights = [net.weights("uint8", dims(shape), 0, 256), net.scales(0.01), net.zero("uint8", [], 30)];
    return conv(net, [1, 4, 9, 12], shape, weights, net.bias(Array.from({ length: 8 }, () => net.draw(20000) - 10000)));
  },
};

/** What is left of floats in a graph. */
const FLOATS = /^(conv|gemm|matMul|averagePool|quantize|reduceMean|quantizeLinear|dequantize|dequantizeLinear)$/;

async function check(kind: string, make: (net: Net) => Case, type: Byte): Promise<void> {
  for (const seed of [1, 2, 3]) {
    const net = new Net(drawOf(seed), type);
    const [opType, inputs, attributes, own] = make(net);
    const model = net.model(opType, inputs, attributes, own === true);
    const graph = optimize(importModel(model, { file: "bytes.onnx" }));
    expect(graph.nodes.filter((n) => FLOATS.test(n.op)).map((n) => n.op)).toEqual([]);
    const got = must(evaluateGraph(graph, net.feeds)["y"], "y").data;
    expect(Array.from(got, Number)).toEqual(Array.from(await peerOutput(model, net.feeds), Number));
  }
}

describe.skipIf(!runtime)("ONNX Runtime's bytes", () => {
  test.each(Object.keys(CASES))("%s of uint8", (kind) => check(kind, must(CASES[kind], kind), "uint8"));
  test.each(Object.keys(CASES))("%s of int8", (kind) => check(kind, must(CASES[kind], kind), "int8"));
  test.each(Object.keys(UNSIGNED))("%s", (kind) => check(kind, must(UNSIGNED[kind], kind), "uint8"));
});
