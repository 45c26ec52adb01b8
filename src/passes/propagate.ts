/** Walks a graph in order and types it anew, knowing the values of what can be computed from constants. */
import { makeConstant, makeValue, type Graph, type Node, type Value, type ValueType } from "../ir/graph.ts";
import { dimText } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { foldNode } from "../ops/evaluate.ts";
import { locate, must } from "../util/errors.ts";
import { inferOp } from "./pass.ts";
import { constantElements, elementsOf, symbolicShape, type Elements } from "./symbolic.ts";

export interface PropagateOptions {
  /** New types for graph inputs. */
  readonly inputs?: ReadonlyMap<Value, ValueType>;
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

  retype(v: Value, type: ValueType): Value {
    const next = sameType(v, type) ? v : makeValue(v.name, type, v.layout);
    this.#values.set(v, next);
    return next;
  }

  visit(old: Node): void {
    const inputs = old.inputs.map((v) => v && this.value(v));
    const known = (v: Value): Tensor | undefined => v.data ?? this.#known.get(v);
    const types = this.#types(old, inputs, known);
    const outputs = old.outputs.map((v, i) => this.retype(v, must(types[i], `type of ${v.name}`)));
    const changed = inputs.some((v, i) => v !== old.inputs[i]) || outputs.some((v, i) => v !== old.outputs[i]);
    const node = changed ? { ...old, inputs, outputs } : old;
    this.#count(node);
    const results = foldNode(node, known, outputs, this.#options.limit);
    if (results) this.#learn(old, outputs, results);
    // An output of the graph stays an output of a node, so that it keeps its name.
    if (!results || !this.#options.fold || old.outputs.some((v) => this.#outputs.has(v))) this.nodes.push(node);
  }

  #types(node: Node, inputs: readonly (Value | undefined)[], known: (v: Value) => Tensor | undefined): readonly ValueType[] {
    try {
      const operands = inputs.map((v) => v && { name: v.name, layout: v.layout, dtype: v.dtype, shape: v.shape, ...data(known(v)) });
      const types = inferOp(node.op, operands, node.attrs, node.outputs.length);
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
  const inputs = graph.inputs.map((v) => walk.retype(v, options.inputs?.get(v) ?? v));
  for (const node of graph.nodes) walk.visit(node);
  return { ...graph, inputs, nodes: walk.nodes, outputs: graph.outputs.map((v) => walk.value(v)) };
}
