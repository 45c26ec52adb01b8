/**
 * What stands between a dequantizeLinear and a quantizeLinear is computed on bytes, as in the graphs that hone's own quantiser makes.
 * Bytes are uint8; those of an int8 model are 128 more.
 */
import { input, output, type Attrs, type Node, type Value } from "../ir/graph.ts";
import type { Patch } from "../ir/patch.ts";
import { everywhere } from "../ir/regions.ts";
import { rewrite, type RewriteContext, type Rule } from "../ir/rewrite.ts";
import { findOp } from "../ops/index.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { floats, integers, sameShape } from "./constants.ts";
import {
  functionTable,
  isAbsorbed,
  limitTable,
  movesElements,
  multiplier,
  negativeSlopes,
  rescaleTable,
  sumFactors,
  type ByteScale,
} from "./integer-parts.ts";
import { biasOf, weightsOf, type Weights } from "./integer-weights.ts";
import { inferOp, type Pass } from "./pass.ts";

/** A value that is known as bytes: uint8, or int8, with one scale. */
interface Quantized extends ByteScale {
  readonly bytes: Value;
  readonly signed: boolean;
}

const only = (list: ArrayLike<number> | undefined): number | undefined => (list?.length === 1 ? list[0] : undefined);

/** The scale of a quantizeLinear or dequantizeLinear of a whole tensor; the zero point as of uint8. */
function scaleOf(node: Node, dtype: string): (ByteScale & { readonly signed: boolean }) | undefined {
  const scale = only(floats(node.inputs[1]));
  const zero = node.inputs[2] ? only(integers(node.inputs[2])) : 0;
  const signed = dtype === "int8";
  if (scale === undefined || zero === undefined || !(signed || dtype === "uint8")) return undefined;
  return scale > 2 ** -100 && Number.isFinite(scale) ? { scale, zeroPoint: zero + (signed ? 128 : 0), signed } : undefined;
}

/** The bytes that a float value is made of. */
function quantized(value: Value | undefined, { producer }: RewriteContext): Quantized | undefined {
  const node = producer(value);
  if (node?.op !== "dequantizeLinear") return undefined;
  const bytes = input(node, 0);
  const scale = bytes.data ? undefined : scaleOf(node, bytes.dtype);
  return scale && { bytes, ...scale };
}

const isQuantize = (node: Node): boolean => node.op === "quantizeLinear" && input(node, 0).dtype === "float32";
const SIGN = tensor("uint8", [1], Uint8Array.of(128));

/** Makes nodes of one patch. */
class Maker {
  readonly #patch: Patch;

  constructor(patch: Patch) {
    this.#patch = patch;
  }

  constant = (data: Tensor): Value => this.#patch.constant(`q${this.#made++}`, data);
  #made = 0;
  byte = (x: number): Value => this.constant(tensor("uint8", [1], Uint8Array.of(x)));
  int = (x: number): Value => this.constant(tensor("int32", [1], Int32Array.of(x)));
  real = (x: number): Value => this.constant(tensor("float32", [1], Float32Array.of(x)));
  ints = (list: readonly number[]): Value => this.constant(tensor("int32", [list.length], Int32Array.from(list)));
  reals = (list: readonly number[]): Value => this.constant(tensor("float32", [list.length], Float32Array.from(list)));

  op(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    return this.#patch.op(op, inputs, attrs);
  }

  /** As uint8. */
  bytes(q: Quantized): Value {
    return q.signed ? this.op("bitwiseXor", [this.op("cast", [q.bytes], { to: "uint8" }), this.constant(SIGN)]) : q.bytes;
  }

  table(x: Value, table: Tensor | undefined): Value {
    return table ? this.op("quantizedTable", [x, this.constant(table)]) : x;
  }

  /** Gives bytes for what a quantizeLinear gives. */
  finish(x: Value, node: Node): Patch {
    const old = output(node);
    const made = old.dtype === "int8" ? this.op("cast", [this.op("bitwiseXor", [x, this.constant(SIGN)])], { to: "int8" }) : x;
    return this.#patch.replace(old, made);
  }
}

/** What is quantised: the node, and the activation between it and the quantising, if there is one. */
interface Target {
  readonly node: Node;
  readonly activation: Node | undefined;
  readonly scale: ByteScale;
}

function targetOf(quantize: Node, context: RewriteContext): Target | undefined {
  const scale = isQuantize(quantize) ? scaleOf(quantize, output(quantize).dtype) : undefined;
  const last = scale && context.producer(quantize.inputs[0]);
  if (!scale || !last) return undefined;
  const before = context.usedOnce(output(last)) ? context.producer(last.inputs[0]) : undefined;
  const leads = before && context.usedOnce(output(before)) && (before.op === "conv" || before.op === "add");
  if (leads && isAbsorbed(last, before.op)) return { node: before, activation: last, scale };
  return { node: last, activation: undefined, scale };
}

interface ConvParts {
  readonly x: Quantized;
  readonly w: Weights;
  readonly bias: readonly number[];
}

function convParts(node: Node, context: RewriteContext): ConvParts | undefined {
  const x = node.op === "conv" && node.inputs[0]?.shape.length === 4 ? quantized(node.inputs[0], context) : undefined;
  const w = x && weightsOf(node.inputs[1], context);
  const bias = w && biasOf(node.inputs[2], x.scale, w, context);
  return bias && { x, w, bias };
}

function conv(make: Maker, node: Node, { x, w, bias }: ConvParts, to: ByteScale | undefined, activation: Node | undefined): Value {
  const channels = bias.length;
  const slopes = negativeSlopes(activation, channels, to === undefined || to.zeroPoint > 0);
  const m = Float32Array.from(w.scales, (s) => multiplier(x.scale, s, to?.scale ?? 1));
  const operands = [
    make.bytes(x),
    make.constant(w.data),
    make.byte(x.zeroPoint),
    make.ints(bias),
    make.reals(Array.from(m)),
    make.byte(to?.zeroPoint ?? 0),
    slopes && make.reals(Array.from(m, (v, c) => v * (slopes[c] ?? 0))),
  ];
  const y = make.op("quantizedConv", operands, { ...node.attrs, to: to ? "uint8" : "float32" });
  return to ? make.table(y, limitTable(activation, to, slopes !== undefined)) : y;
}

const convToBytes: Rule = {
  name: "integer-convolution",
  match: (node, context) => {
    const target = targetOf(node, context);
    const parts = target && convParts(target.node, context);
    if (!target || !parts) return undefined;
    const make = new Maker(context.patch(node, ...(target.activation ? [target.activation] : []), target.node));
    return make.finish(conv(make, target.node, parts, target.scale, target.activation), node);
  },
};

/** A convolution of bytes whose result stays in floats. */
const convToFloats: Rule = {
  name: "integer-convolution-to-floats",
  match: (node, context) => {
    const parts = convParts(node, context);
    const quantises = (v: Value): boolean =>
      context
        .consumers(v)
        .some((next) => isQuantize(next) || (isAbsorbed(next, "conv") && context.consumers(output(next)).some(isQuantize)));
    if (!parts || quantises(output(node))) return undefined;
    const patch = context.patch(node);
    return patch.replace(output(node), conv(new Maker(patch), node, parts, undefined, undefined));
  },
};

const sum: Rule = {
  name: "integer-sum",
  match: (node, context) => {
    const target = targetOf(node, context);
    const [x, y] = target?.node.op === "add" ? target.node.inputs.map((v) => quantized(v, context)) : [];
    if (!target || !x || !y || !sameShape(x.bytes.shape, y.bytes.shape)) return undefined;
    const { activation, scale } = target;
    const factors = sumFactors(x, y);
    // Other scales than those of hone's own sums are added in floats, in one kernel as well: factors of 14 bits would not be exact.
    if (Math.fround(factors.x * factors.unit) !== x.scale || Math.fround(factors.y * factors.unit) !== y.scale) return undefined;
    const make = new Maker(context.patch(node, ...(activation ? [activation] : []), target.node));
    const operands = [
      make.bytes(x),
      make.bytes(y),
      make.byte(x.zeroPoint),
      make.int(factors.x),
      make.byte(y.zeroPoint),
      make.int(factors.y),
    ];
    const made = make.op("quantizedAdd", [...operands, make.real(factors.unit / scale.scale), make.byte(scale.zeroPoint)]);
    return make.finish(make.table(made, limitTable(activation, scale, false)), node);
  },
};

const sameScale = (x: ByteScale, y: ByteScale): boolean => x.scale === y.scale && x.zeroPoint === y.zeroPoint;

/** Elements that only move: each part brought to the result's scale first, where it has another. */
const move: Rule = {
  name: "integer-move",
  match: (node, context) => {
    const target = targetOf(node, context);
    const parts = new Map<Value | undefined, Quantized>();
    for (const v of target?.node.inputs ?? []) {
      const q = quantized(v, context);
      if (q) parts.set(v, q);
    }
    if (!target || target.activation || !movesElements(target.node, (v) => parts.has(v))) return undefined;
    const { node: mover, scale } = target;
    const make = new Maker(context.patch(node, mover));
    const bytes = (q: Quantized): Value => make.table(make.bytes(q), sameScale(q, scale) ? undefined : rescaleTable(q, scale));
    const inputs = mover.inputs.map((v) => {
      const q = parts.get(v);
      return q ? bytes(q) : v;
    });
    return make.finish(make.op(mover.op, inputs, mover.attrs), node);
  },
};

/** A function of one float. */
const isFunction = (node: Node): boolean =>
  node.inputs.length === 1 && findOp(node.op)?.traits.elementwise === true && node.op !== "identity" && output(node).dtype === "float32";

const table: Rule = {
  name: "integer-table",
  match: (node, context) => {
    const target = targetOf(node, context);
    const x = target && !target.activation && isFunction(target.node) ? quantized(target.node.inputs[0], context) : undefined;
    if (!target || !x) return undefined;
    const { node: of, scale } = target;
    const make = new Maker(context.patch(node, of));
    if (of.op === "relu" && scale.zeroPoint === 0) {
      const operands = [make.bytes(x), make.byte(x.zeroPoint), make.real(x.scale / scale.scale), make.byte(0)];
      return make.finish(make.op("rescale", operands), node);
    }
    return make.finish(make.table(make.bytes(x), functionTable(of, x, scale)), node);
  },
};

/** Bytes of one scale as those of another. */
const requantise: Rule = {
  name: "integer-requantise",
  match: (node, context) => {
    const scale = isQuantize(node) ? scaleOf(node, output(node).dtype) : undefined;
    const x = scale && quantized(node.inputs[0], context);
    if (!x) return undefined;
    const make = new Maker(context.patch(node));
    return make.finish(make.table(make.bytes(x), sameScale(x, scale) ? undefined : rescaleTable(x, scale)), node);
  },
};

/** int8 made of bytes, as bytes again. */
const signTwice: Rule = {
  name: "sign-twice",
  match: (node, context) => {
    const back = node.op === "cast" && output(node).dtype === "uint8" ? context.producer(node.inputs[0]) : undefined;
    if (back?.op === "cast" && back.inputs[0]?.dtype === "uint8") return context.patch(node, back).replace(output(node), input(back, 0));
    const first = isSignFlip(node) ? context.producer(node.inputs[0]) : undefined;
    return first && isSignFlip(first) ? context.patch(node, first).replace(output(node), input(first, 0)) : undefined;
  },
};

const isSignFlip = (node: Node): boolean => node.op === "bitwiseXor" && node.inputs[1]?.data === SIGN;

/** What integer kernels read is made, and what they give read, in the loops of others. */
const ends: Rule = {
  name: "integer-ends",
  match: (node, context) => {
    const toBytes = isQuantize(node);
    if (!toBytes && (node.op !== "dequantizeLinear" || output(node).dtype !== "float32")) return undefined;
    const scale = scaleOf(node, toBytes ? output(node).dtype : input(node, 0).dtype);
    const x = input(node, 0);
    if (!scale || x.data) return undefined;
    const patch = context.patch(node);
    const make = new Maker(patch);
    if (toBytes) return make.finish(make.op("quantize", [x, make.real(scale.scale), make.byte(scale.zeroPoint)]), node);
    const bytes = make.bytes({ bytes: x, ...scale });
    return patch.replace(output(node), make.op("dequantize", [bytes, make.real(scale.scale), make.byte(scale.zeroPoint)]));
  },
};

const KERNELS: readonly Rule[] = [convToBytes, sum, move, table, requantise, signTwice];

export const integerKernels: Pass = {
  name: "integer-kernels",
  reason: "quantised models run on bytes; before constants are folded, which makes floats of their weights",
  run: (graph) =>
    everywhere(graph, (g) => {
      if (!g.nodes.some((n) => n.op === "quantizeLinear" || n.op === "dequantizeLinear")) return g;
      const kernels = rewrite(rewrite(g, KERNELS, inferOp), [convToFloats, signTwice], inferOp);
      const found = kernels.nodes.some((n) => n.op.startsWith("quantized") || n.op === "rescale");
      return found ? rewrite(kernels, [ends, signTwice], inferOp) : kernels;
    }),
};
