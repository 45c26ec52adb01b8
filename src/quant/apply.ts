/** Rewrites a graph by its plan and the ranges of its values. */
import { input, type Graph, type Value } from "../ir/graph.ts";
import { floats } from "../passes/constants.ts";
import { floatLimit, functionTable, limitTable, multiplier, negativeSlopes, sumFactors } from "../passes/integer-parts.ts";
import { staticShape } from "../tensor/dim.ts";
import { narrowed, readAs } from "../tensor/halves.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { integerBias, type Means } from "./correct.ts";
import type { Plan, Unit } from "./plan.ts";
import { PlanRewriter } from "./plan-rewriter.ts";
import type { Ranges } from "./ranges.ts";
import { quantizeWeights, type Scale } from "./scale.ts";

class Applier extends PlanRewriter {
  /** The new graph's values for the old one's, as bytes. */
  readonly #bytes = new Map<Value, Value>();
  readonly #constants = new Map<string, Value>();

  /** The result of each unit in the float graph, and what stands for it after {@link run}. */
  pairs(): readonly Pair[] {
    return [...new Set(this.plan.units.values())].map(({ result }) => {
      const bytes = this.#bytes.get(result);
      return bytes ? { float: result, int8: bytes, scale: this.scale(result) } : { float: result, int8: this.asFloat(result) };
    });
  }

  #constant(t: Tensor): Value {
    const key = `${t.type}:${Array.from(t.data as ArrayLike<number>).join()}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const value = this.builder.constant(t, `q${this.#constants.size}`);
    this.#constants.set(key, value);
    return value;
  }

  readonly #byte = (x: number): Value => this.#constant(tensor("uint8", [1], Uint8Array.of(x)));
  readonly #int = (x: number): Value => this.#constant(tensor("int32", [1], Int32Array.of(x)));
  readonly #real = (x: number): Value => this.#constant(tensor("float32", [1], Float32Array.of(x)));

  /** The value as floats: itself, or made from its bytes. */
  protected asFloat(v: Value): Value {
    const known = v.data ? v : this.floats.get(v);
    if (known) return known;
    const { scale, zeroPoint } = this.scale(v);
    const bytes = must(this.#bytes.get(v), `bytes of ${v.name}`);
    const made = this.builder.op("dequantize", [bytes, this.#real(scale), this.#byte(zeroPoint)], {}, { name: v.name, origin: [] });
    this.floats.set(v, made);
    return made;
  }

  /** The value as bytes: itself, or made from its floats. */
  #asBytes(v: Value): Value {
    const known = this.#bytes.get(v);
    if (known) return known;
    const { scale, zeroPoint } = this.scale(v);
    const operands = [must(this.floats.get(v), `floats of ${v.name}`), this.#real(scale), this.#byte(zeroPoint)];
    const made = this.builder.op("quantize", operands, {}, { name: `${v.name}:uint8`, origin: [] });
    this.#bytes.set(v, made);
    return made;
  }

  protected writeUnit(unit: Unit): void {
    const { kind, result } = unit;
    if (kind === "conv") this.#conv(unit);
    else if (kind === "add") this.#bytes.set(result, this.#limited(unit, this.#add(unit)));
    else if (kind === "move") this.#move(unit);
    else this.#table(unit);
  }

  #options(
    unit: Unit,
    result: Value,
  ): { readonly name: string; readonly outputNames: readonly string[]; readonly origin: readonly string[] } {
    const { node, activation } = unit;
    return { name: node.name, outputNames: [result.name], origin: [...node.origin, ...(activation?.origin ?? [])] };
  }

  #conv(unit: Unit): void {
    const { node, result, activation } = unit;
    const w = must(input(node, 1).data, "weights");
    const bias = floats(node.inputs[2]);
    const x = this.#asBytes(input(node, 0));
    const { scale: xScale, zeroPoint: xZero } = this.scale(input(node, 0));
    const toFloat = !this.plan.scaleOf.has(result);
    const y = toFloat ? { scale: 1, zeroPoint: 0 } : this.scale(result);
    const quantized = quantizeWeights(w, bias, { input: xScale, output: y.scale });
    const { data, scales } = quantized;
    const channels = scales.length;
    const m = Float32Array.from(scales, (s) => multiplier(xScale, s, y.scale));
    const sums = integerBias(w, bias, quantized, xScale, this.means.get(input(node, 0).name));
    const slopes = negativeSlopes(activation, channels, y.zeroPoint > 0 || toFloat);
    const operands = [
      x,
      this.builder.constant(tensor("int8", w.dims, data), input(node, 1).name),
      this.#byte(xZero),
      this.#constant(tensor("int32", [channels], sums)),
      this.#multipliers(m),
      this.#byte(y.zeroPoint),
      slopes && this.#multipliers(m.map((v, c) => v * (slopes[c] ?? 0))),
    ];
    const attrs = { ...node.attrs, to: toFloat ? "float32" : "uint8" };
    const made = this.builder.op("quantizedConv", operands, attrs, this.#options(unit, result));
    if (toFloat) this.floats.set(result, this.#limitedFloat(unit, made));
    else this.#bytes.set(result, this.#limited(unit, made, slopes !== undefined));
  }

  /** Kept as bfloat16 when every one of them is one. */
  #multipliers(list: Float32Array<ArrayBuffer>): Value {
    const whole = tensor("float32", [list.length], list);
    const half = narrowed(whole, "bfloat16");
    if (!readAs(half, "float32").data.every((v, i) => v === list[i])) return this.#constant(whole);
    return { ...this.#constant(half), dtype: "float32" };
  }

  /** What an absorbed activation still asks for when the scale alone does not cut there. */
  #limited({ activation, result }: Unit, value: Value, negative = false): Value {
    const table = limitTable(activation, this.scale(result), negative);
    if (!table) return value;
    return this.builder.op("quantizedTable", [value, this.#constant(table)], {}, { name: `${result.name}:limited`, origin: [] });
  }

  #limitedFloat({ activation }: Unit, value: Value): Value {
    const limit = floatLimit(activation);
    return limit === Infinity ? value : this.builder.op("clip", [value], { max: limit }, { name: `${value.name}:limited`, origin: [] });
  }

  #add(unit: Unit): Value {
    const { node, result } = unit;
    const [a, b] = [input(node, 0), input(node, 1)];
    const [x, y, z] = [this.scale(a), this.scale(b), this.scale(result)];
    const factors = sumFactors(x, y);
    const operands = [
      this.#asBytes(a),
      this.#asBytes(b),
      this.#byte(x.zeroPoint),
      this.#int(factors.x),
      this.#byte(y.zeroPoint),
      this.#int(factors.y),
      this.#real(factors.unit / z.scale),
      this.#byte(z.zeroPoint),
    ];
    return this.builder.op("quantizedAdd", operands, {}, this.#options(unit, result));
  }

  #move(unit: Unit): void {
    const { node, result } = unit;
    const moved = new Set(unit.operands);
    const inputs = node.inputs.map((v) => v && (moved.has(v) ? this.#asBytes(v) : this.asFloat(v)));
    this.#bytes.set(result, this.builder.op(node.op, inputs, node.attrs, this.#options(unit, result)));
  }

  #table(unit: Unit): void {
    const { node, result } = unit;
    const x = input(node, 0);
    const [from, to] = [this.scale(x), this.scale(result)];
    if (node.op === "relu" && to.zeroPoint === 0) {
      const operands = [this.#asBytes(x), this.#byte(from.zeroPoint), this.#real(from.scale / to.scale), this.#byte(to.zeroPoint)];
      this.#bytes.set(result, this.builder.op("rescale", operands, {}, this.#options(unit, result)));
      return;
    }
    const operands = [this.#asBytes(x), this.#constant(functionTable(node, from, to))];
    this.#bytes.set(result, this.builder.op("quantizedTable", operands, {}, this.#options(unit, result)));
  }
}

/** A value of the float graph beside the one of the int8 graph; without a scale that is a float too. */
export interface Pair {
  readonly float: Value;
  readonly int8: Value;
  readonly scale?: Scale;
}

/** {@link applyInt8} with each unit's result as an output, instead of the graph's own, to be held against the float graph's. */
export function pairInt8(plan: Plan, ranges: Ranges, means: Means = new Map()): { readonly graph: Graph; readonly pairs: readonly Pair[] } {
  const applier = new Applier(plan, ranges, means);
  const graph = applier.run();
  const pairs = applier.pairs();
  return { graph: { ...graph, outputs: [...new Set(pairs.map((p) => p.int8))] }, pairs };
}

/**
 * The graph in int8 where the plan says so, with biases corrected where the means of what a convolution reads are given. Its inputs,
 * outputs and their names are those of the float graph.
 */
export function applyInt8(plan: Plan, ranges: Ranges, means: Means = new Map()): Graph {
  plan.graph.inputs.forEach((v) => staticShape(v.shape, `the input ${v.name}`));
  return new Applier(plan, ranges, means).run();
}
