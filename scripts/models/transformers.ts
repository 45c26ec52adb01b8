/**
 * Transformers with seeded weights: for answers and timing, never for accuracy. Each comes in two forms with the same weights: in pieces,
 * as exporters have written norms, GELU and attention for years, and with the operators that ONNX has for them now.
 */
import type { OnnxNode, OnnxTensor } from "../../src/formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, type AttributeValue } from "../../src/formats/onnx/write.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import type { Built } from "./architectures.ts";
import { randomNumbers } from "./moments.ts";

/** Whether norms, GELU and scaled dot products are one operator each. */
type Form = "pieces" | "fused";

class Transformer {
  readonly form: Form;
  macs = 0;
  parameters = 0;
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #random: () => number;

  constructor(seed: number, form: Form) {
    this.form = form;
    this.#random = randomNumbers(seed);
  }

  op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = `${opType}_${this.nodes.length}`;
    this.nodes.push(onnxNode(opType, inputs, [name], attributes, name));
    return name;
  }

  /** Uniform numbers about a mean. */
  weights(dims: readonly number[], deviation: number, mean = 0): string {
    const name = `w${this.initializers.length}`;
    const count = dims.reduce((n, d) => n * d, 1);
    const data = Float32Array.from({ length: count }, () => mean + deviation * Math.sqrt(12) * (this.#random() - 0.5));
    this.initializers.push(onnxTensor(name, tensor("float32", dims, data)));
    this.parameters += count;
    return name;
  }

  scalar(value: number): string {
    const name = `c${this.initializers.length}`;
    this.initializers.push(onnxTensor(name, tensor("float32", [], Float32Array.of(value))));
    return name;
  }

  ints(values: readonly number[]): string {
    const name = `i${this.initializers.length}`;
    this.initializers.push(onnxTensor(name, tensor("int64", [values.length], BigInt64Array.from(values, BigInt))));
    return name;
  }

  linear(x: string, rows: number, from: number, to: number): string {
    this.macs += rows * from * to;
    return this.op("Add", [this.op("MatMul", [x, this.weights([from, to], 1 / Math.sqrt(from))]), this.weights([to], 0.02)]);
  }

  norm(x: string, width: number): string {
    const [scale, bias] = [this.weights([width], 0.1, 1), this.weights([width], 0.02)];
    if (this.form === "fused") return this.op("LayerNormalization", [x, scale, bias], { axis: -1n, epsilon: 1e-6 });
    const mean = (v: string): string => this.op("ReduceMean", [v], { axes: [-1n], keepdims: 1n });
    const centred = this.op("Sub", [x, mean(x)]);
    const variance = mean(this.op("Pow", [centred, this.scalar(2)]));
    const root = this.op("Sqrt", [this.op("Add", [variance, this.scalar(1e-6)])]);
    return this.op("Add", [this.op("Mul", [this.op("Div", [centred, root]), scale]), bias]);
  }

  /** x / 2 · (1 + erf(x / √2)) */
  gelu(x: string): string {
    if (this.form === "fused") return this.op("Gelu", [x]);
    const erf = this.op("Erf", [this.op("Div", [x, this.scalar(Math.SQRT2)])]);
    return this.op("Mul", [this.op("Mul", [x, this.op("Add", [erf, this.scalar(1)])]), this.scalar(0.5)]);
  }

  /** Scaled dot products of all heads; `mask` is added to the scores. */
  attention(x: string, rows: number, width: number, heads: number, mask?: string): string {
    this.macs += 2 * rows * rows * width;
    if (this.form === "fused") {
      const [q, k, v] = [0, 1, 2].map(() => this.linear(x, rows, width, width));
      const operands = [q, k, v, mask].filter((name) => name !== undefined);
      const joined = this.op("Attention", operands, { q_num_heads: BigInt(heads), kv_num_heads: BigInt(heads) });
      return this.linear(joined, rows, width, width);
    }
    const each = width / heads;
    const split = (perm: readonly bigint[]): string =>
      this.op("Transpose", [this.op("Reshape", [this.linear(x, rows, width, width), this.ints([1, rows, heads, each])])], { perm });
    const [q, k, v] = [split([0n, 2n, 1n, 3n]), split([0n, 2n, 3n, 1n]), split([0n, 2n, 1n, 3n])];
    const scores = this.op("Div", [this.op("MatMul", [q, k]), this.scalar(Math.sqrt(each))]);
    const shares = this.op("Softmax", [mask === undefined ? scores : this.op("Add", [scores, mask])], { axis: -1n });
    const joined = this.op("Transpose", [this.op("MatMul", [shares, v])], { perm: [0n, 2n, 1n, 3n] });
    return this.linear(this.op("Reshape", [joined, this.ints([1, rows, width])]), rows, width, width);
  }

  mlp(x: string, rows: number, width: number): string {
    return this.linear(this.gelu(this.linear(x, rows, width, 4 * width)), rows, 4 * width, width);
  }
}

/** Dosovitskiy et al., 2020, in the small size of Touvron et al., 2020: 12 layers of 384, 6 heads, patches of 16 × 16. */
function vitSmall(form: Form): Built {
  const t = new Transformer(1, form);
  const [width, heads, layers, patches, classes] = [384, 6, 12, 196, 1000];
  const rows = patches + 1;
  t.macs += patches * width * 3 * 16 * 16;
  const kernel = [t.weights([width, 3, 16, 16], 1 / Math.sqrt(3 * 16 * 16)), t.weights([width], 0.02)];
  const grid = t.op("Conv", ["input", ...kernel], { kernel_shape: [16n, 16n], strides: [16n, 16n] });
  const tokens = t.op("Transpose", [t.op("Reshape", [grid, t.ints([1, width, patches])])], { perm: [0n, 2n, 1n] });
  let x = t.op("Add", [t.op("Concat", [t.weights([1, 1, width], 0.5), tokens], { axis: 1n }), t.weights([1, rows, width], 0.5)]);
  for (let i = 0; i < layers; i++) {
    x = t.op("Add", [x, t.attention(t.norm(x, width), rows, width, heads)]);
    x = t.op("Add", [x, t.mlp(t.norm(x, width), rows, width)]);
  }
  const first = t.op("Gather", [t.norm(x, width), t.ints([0])], { axis: 1n });
  const y = t.linear(t.op("Reshape", [first, t.ints([1, width])]), 1, width, classes);
  return finish(t, "vit-small", [onnxValueInfo("input", "float32", [1, 3, 224, 224])], y, [1, classes]);
}

/** Devlin et al., 2018, in the mini size of Turc et al., 2019: 4 layers of 256, 4 heads; 128 tokens, the mask and the segments as inputs. */
function bertMini(form: Form): Built {
  const t = new Transformer(2, form);
  const [width, heads, layers, rows, words] = [256, 4, 4, 128, 30522];
  const lookup = (table: string, ids: string): string => t.op("Gather", [table, ids], { axis: 0n });
  const embedded = t.op("Add", [lookup(t.weights([words, width], 0.5), "input_ids"), lookup(t.weights([2, width], 0.5), "token_type_ids")]);
  let x = t.norm(t.op("Add", [embedded, t.weights([1, rows, width], 0.5)]), width);
  const present = t.op("Cast", [t.op("Unsqueeze", ["attention_mask", t.ints([1, 2])])], { to: 1n });
  const ofKeys = t.op("Mul", [t.op("Sub", [t.scalar(1), present]), t.scalar(-10000)]);
  // The operator wants a mask for every score.
  const mask = form === "fused" ? t.op("Expand", [ofKeys, t.ints([1, 1, rows, rows])]) : ofKeys;
  for (let i = 0; i < layers; i++) {
    x = t.norm(t.op("Add", [x, t.attention(x, rows, width, heads, mask)]), width);
    x = t.norm(t.op("Add", [x, t.mlp(x, rows, width)]), width);
  }
  const inputs = ["input_ids", "attention_mask", "token_type_ids"].map((name) => onnxValueInfo(name, "int64", [1, rows]));
  return finish(t, "bert-mini", inputs, x, [1, rows, width]);
}

function finish(
  t: Transformer,
  name: string,
  input: readonly ReturnType<typeof onnxValueInfo>[],
  y: string,
  dims: readonly number[],
): Built {
  t.nodes.push(onnxNode("Identity", [y], ["output"]));
  const graph = onnxGraph({ name, input, output: [onnxValueInfo("output", "float32", dims)], node: t.nodes, initializer: t.initializers });
  // Gelu is of operator set 20, Attention of 23, which came with version 11 of the format.
  const fused = { irVersion: 11, opsetImport: [{ domain: "", version: 23 }] };
  return { model: onnxModel({ graph, ...(t.form === "fused" ? fused : {}) }), macs: t.macs, parameters: t.parameters };
}

/** By the name of the file that they are written to. */
export const TRANSFORMERS: Readonly<Record<string, () => Built>> = {
  "vit-small": () => vitSmall("pieces"),
  "vit-small-fused": () => vitSmall("fused"),
  "bert-mini": () => bertMini("pieces"),
  "bert-mini-fused": () => bertMini("fused"),
};
