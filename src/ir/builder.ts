import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { locate, must } from "../util/errors.ts";
import { makeConstant, makeValue, type Attrs, type Graph, type Node, type Value, type ValueType } from "./graph.ts";

export type Infer = (
  op: string,
  inputs: readonly (Value | undefined)[],
  attrs: Attrs,
  outputs: number,
  regions: readonly Graph[],
) => readonly ValueType[];

export interface NodeOptions {
  readonly name?: string;
  readonly outputNames?: readonly string[];
  readonly origin?: readonly string[];
  /** How many outputs, when more than one. */
  readonly outputs?: number;
  readonly regions?: readonly Graph[];
}

/** Builds a graph in topological order; every node's output types are inferred as it is added. */
export class GraphBuilder {
  readonly name: string;
  readonly #infer: Infer;
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #nodes: Node[] = [];

  constructor(name: string, infer: Infer) {
    this.name = name;
    this.#infer = infer;
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = makeValue(name, { dtype, shape });
    this.#inputs.push(value);
    return value;
  }

  constant(data: Tensor, name: string = ""): Value {
    return makeConstant(name || `const${this.#nodes.length}`, data);
  }

  /** Adds a node; gives its outputs. Throws `graph.shape` located at the node. */
  ops(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}, options: NodeOptions = {}): readonly Value[] {
    const name = options.name ?? `${op}${this.#nodes.length}`;
    const outputs = this.#types(op, name, inputs, attrs, options).map((type, i) => {
      const named = options.outputNames?.[i] ?? "";
      return makeValue(named || (i === 0 ? name : `${name}:${i}`), type);
    });
    const origin = options.origin ?? (options.name ? [options.name] : []);
    this.#nodes.push({ op, name, inputs, outputs, attrs, origin, ...(options.regions ? { regions: options.regions } : {}) });
    return outputs;
  }

  /** Adds a node with one output. */
  op(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}, options: NodeOptions = {}): Value {
    return must(this.ops(op, inputs, attrs, options)[0], `output of ${op}`);
  }

  /** Makes a value an output of the graph; under another name it passes through an identity node. */
  output(value: Value, name: string = value.name): void {
    this.#outputs.push(value.name === name && !value.data ? value : this.op("identity", [value], {}, { name, outputNames: [name] }));
  }

  finish(): Graph {
    return { name: this.name, inputs: this.#inputs, outputs: this.#outputs, nodes: this.#nodes };
  }

  #types(op: string, node: string, inputs: readonly (Value | undefined)[], attrs: Attrs, options: NodeOptions): readonly ValueType[] {
    try {
      return this.#infer(op, inputs, attrs, options.outputs ?? 1, options.regions ?? []);
    } catch (error) {
      throw locate(error, { node, op });
    }
  }
}
