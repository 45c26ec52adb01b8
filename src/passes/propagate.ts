/** Walks a graph in order and types it anew, knowing the values of what can be computed from constants. */
import { makeConstant, makeValue, type Graph, type Node, type Value, type ValueType } from "../ir/graph.ts";
import { dimText } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { changingInputs, regionInputs } from "../ops/control.ts";
import { foldNode } from "../ops/evaluate.ts";
import { locate, must } from "../util/errors.ts";
import { inferOp } from "./pass.ts";
import { constantElements, elementsOf, symbolicShape, type Elements } from "./symbolic.ts";

export interface PropagateOptions {
  /** New types for graph inputs. */
  readonly inputs?: ReadonlyMap<Value, ValueType>;
  /** What is known of the values of graph inputs. */
  readonly known?: ReadonlyMap<Value, Tensor>;
  readonly elements?: ReadonlyMap<Value, Elements>;
  /** Values of more elements are not computed. */
  readonly limit: number;
  /** Whether computed values become constants; otherwise they only inform the types. */
  readonly fold: boolean;
}

const sameType = (a: ValueType, b: ValueType): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((d, i) => dimText(d) === dimText(b.shape[i] ?? -1));

class Propagation {
  readonly #options: PropagateOptions;
  readonly #values = new Map<Value, Value>();
  readonly #known = new Map<Value, Tensor>();
  readonly #elements = new Map<Value, Elements>();
  readonly #outputs: ReadonlySet<Value>;
  readonly nodes: Node[] = [];

  constructor(graph: Graph, options: PropagateOptions) {
    this.#options = options;
    this.#outputs = new Set(graph.outputs);
  }

  value(v: Value): Value {
    return this.#values.get(v) ?? v;
  }

  /** What the caller knows of an input; with `fold` its readers read a constant instead. */
  input(v: Value): Value {
    const next = this.retype(v, this.#options.inputs?.get(v) ?? v);
    const tensor = this.#options.known?.get(v);
    const elements = this.#options.elements?.get(v);
    if (tensor) this.#known.set(next, tensor);
    if (tensor && this.#options.fold && !this.#outputs.has(v)) this.#values.set(v, makeConstant(v.name, tensor, v.layout));
    if (elements) this.#elements.set(next, elements);
    return next;
  }

  retype(v: Value, type: ValueType): Value {
    const next = sameType(v, type) ? v : makeValue(v.name, type, v.layout);
    this.#values.set(v, next);
    return next;
  }

  visit(old: Node): void {
    const inputs = old.inputs.map((v) => v && this.value(v));
    const known = (v: Value): Tensor | undefined => v.data ?? this.#known.get(v);
    const regions = old.regions && this.#regions(old, old.regions, inputs, known);
    const types = this.#types(old, inputs, known, regions);
    const outputs = old.outputs.map((v, i) => this.retype(v, must(types[i], `type of ${v.name}`)));
    const changed = inputs.some((v, i) => v !== old.inputs[i]) || outputs.some((v, i) => v !== old.outputs[i]);
    const node = changed || regions ? { ...old, inputs, outputs, ...(regions ? { regions } : {}) } : old;
    this.#count(node);
    const results = foldNode(node, known, outputs, this.#options.limit);
    if (results) this.#learn(old, outputs, results);
    // An output of the graph stays an output of a node, so that it keeps its name.
    if (!results || !this.#options.fold || old.outputs.some((v) => this.#outputs.has(v))) this.nodes.push(node);
  }

  /** The regions, with what is known here of the values they are handed. What a loop changes keeps its type, and is not known. */
  #regions(
    node: Node,
    regions: readonly Graph[],
    inputs: readonly (Value | undefined)[],
    known: (v: Value) => Tensor | undefined,
  ): readonly Graph[] {
    const from = regionInputs({ op: node.op, inputs });
    const steady = changingInputs(node);
    return regions.map((region) => {
      const options = { inputs: new Map<Value, ValueType>(), known: new Map<Value, Tensor>(), elements: new Map<Value, Elements>() };
      region.inputs.forEach((input, i) => {
        const value = from[i];
        if (!value) return;
        options.inputs.set(input, value);
        const tensor = i < steady ? undefined : known(value);
        const elements = i < steady ? undefined : this.#elementsOf(value);
        if (tensor) options.known.set(input, tensor);
        if (elements) options.elements.set(input, elements);
      });
      return propagate(region, { ...options, limit: this.#options.limit, fold: this.#options.fold });
    });
  }

  #types(
    node: Node,
    inputs: readonly (Value | undefined)[],
    known: (v: Value) => Tensor | undefined,
    regions: readonly Graph[] = [],
  ): readonly ValueType[] {
    try {
      const operands = inputs.map((v) => v && { name: v.name, layout: v.layout, dtype: v.dtype, shape: v.shape, ...data(known(v)) });
      const types = inferOp(node.op, operands, node.attrs, node.outputs.length, regions);
      return types.map((type) => {
        if (type.shape.every((d) => typeof d === "number" || !d.text.includes("?"))) return type;
        const shape = symbolicShape(node, inputs, this.#elementsOf);
        return shape ? { ...type, shape } : type;
      });
    } catch (error) {
      throw locate(error, { node: node.name, op: node.op });
    }
  }

  readonly #elementsOf = (v: Value | undefined): Elements | undefined => v && (constantElements(v) ?? this.#elements.get(v));

  /** Remembers the elements of an integer result as dimensions. */
  #count(node: Node): void {
    const [result, ...others] = node.outputs;
    const elements = result && others.length === 0 ? elementsOf(node, result, this.#elementsOf) : undefined;
    if (result && elements) this.#elements.set(result, elements);
  }

  #learn(old: Node, outputs: readonly Value[], results: readonly Tensor[]): void {
    outputs.forEach((v, i) => {
      const result = must(results[i], `value of ${v.name}`);
      this.#known.set(v, result);
      const from = must(old.outputs[i], `output ${i}`);
      if (this.#options.fold && !this.#outputs.has(from)) this.#values.set(from, makeConstant(v.name, result, v.layout));
    });
  }
}

const data = (t: Tensor | undefined): { data?: Tensor } => (t ? { data: t } : {});

export function propagate(graph: Graph, options: PropagateOptions): Graph {
  const walk = new Propagation(graph, options);
  const inputs = graph.inputs.map((v) => walk.input(v));
  for (const node of graph.nodes) walk.visit(node);
  return { ...graph, inputs, nodes: walk.nodes, outputs: graph.outputs.map((v) => walk.value(v)) };
}
