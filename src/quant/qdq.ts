/**
 * The plan as a graph of floats between pairs of quantizeLinear and dequantizeLinear, the form in which others exchange int8 models:
 * what stands between two pairs is to be computed on bytes, with the scales of the engine that hone builds from the same plan.
 */
import { input, type Graph, type Node, type Value } from "../ir/graph.ts";
import { floats } from "../passes/constants.ts";
import { sumFactors } from "../passes/integer-parts.ts";
import { tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { integerBias, type Means } from "./correct.ts";
import type { Plan, Unit } from "./plan.ts";
import { PlanRewriter } from "./plan-rewriter.ts";
import type { Ranges } from "./ranges.ts";
import { quantizeWeights } from "./scale.ts";

/** Weights are written as uint8 around this. */
const MIDDLE = 128;

class Writer extends PlanRewriter {
  /** What comes out of a pair after a value that is a float first. */
  readonly #rounded = new Map<Value, Value>();
  readonly #scales = new Map<Value, readonly [Value, Value]>();

  protected asFloat(v: Value): Value {
    return v.data ? v : must(this.floats.get(v), v.name);
  }

  /** One pair of constants for all values that share a scale. */
  #constants(v: Value): readonly [Value, Value] {
    const shared = this.plan.scaleOf.get(v) ?? v;
    const known = this.#scales.get(shared);
    if (known) return known;
    const { scale, zeroPoint } = this.scale(v);
    const made = [
      this.builder.constant(tensor("float32", [], Float32Array.of(scale)), `${shared.name}_scale`),
      this.builder.constant(tensor("uint8", [], Uint8Array.of(zeroPoint)), `${shared.name}_zero_point`),
    ] as const;
    this.#scales.set(shared, made);
    return made;
  }

  /** Rounded to what bytes hold, under the given name. */
  #pair(v: Value, x: Value, name: string): Value {
    const [scale, zero] = this.#constants(v);
    const bytes = this.builder.op("quantizeLinear", [x, scale, zero], {}, { name: `${v.name}_quantized`, origin: [] });
    this.#bytes.set(v, bytes);
    return this.builder.op("dequantizeLinear", [bytes, scale, zero], {}, { name, origin: [] });
  }

  /** An operand of a unit: out of a pair, which it may need first. */
  readonly #operand = (v: Value): Value => {
    if (!this.plan.scaleOf.has(v) || this.#isPaired(v)) return this.asFloat(v);
    const known = this.#rounded.get(v);
    if (known) return known;
    const made = this.#pair(v, this.asFloat(v), `${v.name}_dequantized`);
    this.#rounded.set(v, made);
    return made;
  };

  readonly #bytes = new Map<Value, Value>();

  /** The engine adds multiples of a unit: each operand comes out of its bytes with its scale rounded to one. */
  #summands(node: Node): (Value | undefined)[] {
    const both = [input(node, 0), input(node, 1)] as const;
    const { x, y, unit } = sumFactors(this.scale(both[0]), this.scale(both[1]));
    return both.map((v, i) => {
      this.#operand(v);
      const [, zero] = this.#constants(v);
      const scale = Float32Array.of((i === 0 ? x : y) * unit);
      const rounded = this.builder.constant(tensor("float32", [], scale), `${node.name}_scale_${i}`);
      const bytes = must(this.#bytes.get(v), v.name);
      return this.builder.op("dequantizeLinear", [bytes, rounded, zero], {}, { name: `${node.name}_summand_${i}`, origin: [] });
    });
  }

  readonly #paired = new Set<Value>();
  #isPaired(v: Value): boolean {
    return this.#paired.has(v);
  }

  protected writeUnit(unit: Unit): void {
    const { node, activation, result } = unit;
    const bytes = this.plan.scaleOf.has(result);
    const last = bytes ? `${result.name}_float` : result.name;
    const own = activation ? `${result.name}_before_${activation.op}` : last;
    const inputs = this.#inputs(unit);
    const options = { name: node.name, outputNames: [own], origin: node.origin };
    let value = this.builder.op(node.op, inputs, node.attrs, options);
    if (activation) {
      const rest = activation.inputs.slice(1).map((v) => v && this.asFloat(v));
      const after = { name: activation.name, outputNames: [last], origin: activation.origin };
      value = this.builder.op(activation.op, [value, ...rest], activation.attrs, after);
    }
    this.floats.set(result, bytes ? this.#pair(result, value, result.name) : value);
    if (bytes) this.#paired.add(result);
  }

  #inputs({ kind, node, operands, result }: Unit): readonly (Value | undefined)[] {
    if (kind === "conv") return this.#conv(node, this.plan.scaleOf.has(result) ? this.scale(result).scale : 1);
    if (kind === "add") return this.#summands(node);
    const paired = new Set(operands);
    return node.inputs.map((v) => v && (paired.has(v) ? this.#operand(v) : this.asFloat(v)));
  }

  /** Input, weights and bias, the last two as the integers that the engine has. */
  #conv(node: Node, output: number): (Value | undefined)[] {
    const [x, weights] = [input(node, 0), input(node, 1)];
    const bias = floats(node.inputs[2]);
    const xScale = this.scale(x).scale;
    const w = must(weights.data, "weights");
    const quantized = quantizeWeights(w, bias, { input: xScale, output });
    const { data, scales } = quantized;
    const means = this.means.get(x.name);
    const channels = scales.length;
    const constant = this.builder.constant.bind(this.builder);
    const vector = (list: readonly number[], name: string): Value => constant(tensor("float32", [channels], Float32Array.from(list)), name);
    const { name } = weights;
    const real = (v: Value, scale: Value, called: string, zero?: Value): Value =>
      this.builder.op("dequantizeLinear", [v, scale, zero], { axis: 0 }, { name: called, origin: [] });
    const unsigned = constant(
      tensor(
        "uint8",
        w.dims,
        Uint8Array.from(data, (v) => v + MIDDLE),
      ),
      `${name}_quantized`,
    );
    const middle = constant(tensor("uint8", [channels], new Uint8Array(channels).fill(MIDDLE)), `${name}_zero_point`);
    const made = real(unsigned, vector(scales, `${name}_scale`), `${name}_dequantized`, middle);
    const operand = this.#operand(x);
    if (!bias && !means) return [operand, made, undefined];
    const sums = integerBias(w, bias, quantized, xScale, means);
    const products = vector(
      scales.map((s) => xScale * s),
      `${name}_bias_scale`,
    );
    return [
      operand,
      made,
      real(constant(tensor("int32", [channels], sums), `${name}_bias_quantized`), products, `${name}_bias_dequantized`),
    ];
  }
}

/** The graph between pairs where the plan says so. Its inputs, outputs and their names are those of the float graph. */
export function applyQdq(plan: Plan, ranges: Ranges, means: Means = new Map()): Graph {
  return new Writer(plan, ranges, means).run();
}
