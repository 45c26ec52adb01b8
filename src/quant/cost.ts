/** What a plan costs by the rates of a machine: its layers, and the passes between floats and bytes that no kernel does besides. */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import { consumersOf } from "../ir/walk.ts";
import { findOp } from "../ops/index.ts";
import { staticShape } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { Plan, Unit } from "./plan.ts";
import type { Family, Form, Rates } from "./rates.ts";

/** Channels up to which a graph's input is read plain. */
const FEW_CHANNELS = 7;

const numbers = (node: Node, name: string): readonly number[] => {
  const list = node.attrs[name];
  return Array.isArray(list) ? list.map(Number) : [];
};
const ones = (list: readonly number[]): boolean => list.every((n) => n === 1);

/** Which kernels a convolution has. */
export function familyOf(node: Node): Family {
  const [x, w] = [input(node, 0), input(node, 1)];
  if (Number(node.attrs["group"] ?? 1) > 1) return "depthwise";
  if (Number(x.shape[1]) <= FEW_CHANNELS) return "first";
  const kernel = w.shape.slice(2).map(Number);
  const unit = ones(numbers(node, "strides")) && ones(numbers(node, "dilations"));
  if (ones(kernel) && unit) return "pointwise";
  return unit && kernel.length === 2 && kernel.every((k) => k === 3) ? "small" : "dense";
}

const sizeOf = (v: Value): number => elementCount(staticShape(v.shape, v.name));

/** Picoseconds of one convolution. */
export function convCost(rates: Rates, node: Node, form: Form): number {
  const [mac, perOutput, perInput, perWeight] = rates.convs[familyOf(node)][form];
  const outputs = sizeOf(output(node));
  const weights = input(node, 1);
  const macs = outputs * elementCount(weights.shape.slice(1).map(Number));
  return mac * macs + perOutput * outputs + perInput * sizeOf(input(node, 0)) + perWeight * sizeOf(weights);
}

/** Who reads what in a plan. */
class Readers {
  readonly #plan: Plan;
  readonly #consumers: ReadonlyMap<Value, readonly Node[]>;
  readonly #outputs: ReadonlySet<Value>;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#consumers = consumersOf(plan.graph);
    this.#outputs = new Set(plan.graph.outputs);
  }

  readonly of = (v: Value): readonly Node[] => this.#consumers.get(v) ?? [];
  readonly isFloat = (node: Node): boolean => !this.#plan.units.has(node);
  readonly asFloats = (v: Value): boolean => this.#outputs.has(v) || this.of(v).some(this.isFloat);
  readonly asBytes = (v: Value): boolean => v.dtype === "float32" && v.data === undefined && this.of(v).some((n) => !this.isFloat(n));

  /** The nodes whose elements a kernel computes in its epilogue after its own, up to the last. */
  chain(v: Value): readonly Node[] {
    const nodes: Node[] = [];
    for (let end = v; ;) {
      const [next, ...others] = this.#outputs.has(end) ? [] : this.of(end);
      const follows = next && others.length === 0 && this.isFloat(next) && next.outputs.length === 1;
      if (!follows || findOp(next.op)?.traits.elementwise !== true) return nodes;
      nodes.push(next);
      end = output(next);
    }
  }
}

/** Picoseconds of a node in bytes, with the pass that makes floats of its result when some reader wants them. */
function unitCost({ kind, node, result }: Unit, { scaleOf }: Plan, rates: Rates, readers: Readers): number {
  const bytes = scaleOf.has(result);
  const own = kind === "conv" ? convCost(rates, node, bytes ? "byte" : "byteFloat") : sizeOf(result) * passCost(node, rates, "Byte");
  return own + (bytes && readers.asFloats(result) ? rates.passes.dequantise * sizeOf(result) : 0);
}

/** Picoseconds of a kernel in floats, with the pass that makes bytes of its result when it cannot do so itself. */
function floatCost(node: Node, end: Value, rates: Rates, readers: Readers): number {
  const quantise = rates.passes.quantise * sizeOf(end);
  if (node.op !== "conv") return sizeOf(output(node)) * passCost(node, rates, "Float") + (readers.asBytes(end) ? quantise : 0);
  const fused = readers.asBytes(end) && !readers.asFloats(end);
  return convCost(rates, node, fused ? "floatByte" : "float") + (readers.asBytes(end) && !fused ? quantise : 0);
}

/** Picoseconds of everything that the plan decides about. */
export function planCost(plan: Plan, rates: Rates): number {
  const { graph, units } = plan;
  const readers = new Readers(plan);
  const inputs = graph.inputs.filter(readers.asBytes).map((v) => rates.passes.quantise * sizeOf(v));
  const chained = new Set<Node>();
  const costs = graph.nodes.map((node) => {
    const unit = units.get(node);
    if (unit) return unit.node === node ? unitCost(unit, plan, rates, readers) : 0;
    const [own] = node.outputs;
    if (own?.dtype !== "float32" || chained.has(node)) return 0;
    const chain = node.op === "conv" ? readers.chain(own) : [];
    chain.forEach((n) => chained.add(n));
    const last = chain.at(-1);
    return floatCost(node, last ? output(last) : own, rates, readers);
  });
  return [...inputs, ...costs].reduce((sum, c) => sum + c, 0);
}

/** Of nodes that are float in every plan it does not matter what they cost. */
function passCost(node: Node, { passes }: Rates, form: "Float" | "Byte"): number {
  const kind = node.op === "add" ? "add" : node.op === "maxPool" ? "pool" : "move";
  return passes[`${kind}${form}`];
}
