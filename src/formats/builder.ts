import { GraphBuilder, type NodeOptions } from "../ir/builder.ts";
import type { Attrs, Graph, Node, Value } from "../ir/graph.ts";
import { foldNode } from "../ops/evaluate.ts";
import { getOp } from "../ops/index.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/dim.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";

/** Shape arithmetic is small; weights are left to the passes. */
const MAX_KNOWN = 1024;

/**
 * Builds a graph, and knows what the small values in it will be wherever that follows from constants and static shapes. The nodes stay; what
 * is known informs the types of what follows, and lets an importer ask for axes or sizes that a model calculates.
 */
export class ImportBuilder {
  readonly #builder: GraphBuilder;
  readonly #known = new Map<Value, Tensor>();
  readonly #nodes: Node[] = [];

  constructor(name: string) {
    this.#builder = new GraphBuilder(name, (op, inputs, attrs, outputs, regions) => {
      const informed = inputs.map((v) => {
        const data = v && this.known(v);
        return v && data ? { ...v, data } : v;
      });
      return getOp(op).infer(informed, attrs, outputs, regions);
    });
  }

  /** The nodes so far, in their order. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** What a value holds, when it is constant or follows from small constants. */
  known(value: Value): Tensor | undefined {
    return value.data ?? this.#known.get(value);
  }

  /** Says what a value will hold, where that follows from outside the graph. */
  inform(value: Value, data: Tensor): void {
    this.#known.set(value, data);
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    return this.#builder.input(name, dtype, shape);
  }

  constant(data: Tensor, name: string): Value {
    return this.#builder.constant(data, name);
  }

  /** Adds a node; gives its outputs. Throws `graph.shape` located at the node. */
  ops(
    op: string,
    inputs: readonly (Value | undefined)[],
    attrs: Attrs,
    options: NodeOptions & { readonly name: string },
  ): readonly Value[] {
    const outputs = this.#builder.ops(op, inputs, attrs, options);
    const node = { op, name: options.name, inputs, outputs, attrs, origin: [], ...(options.regions ? { regions: options.regions } : {}) };
    this.#nodes.push(node);
    const results = foldNode(node, (v) => this.#small(v), outputs, MAX_KNOWN);
    results?.forEach((data, i) => {
      const value = outputs[i];
      if (value !== undefined) this.#known.set(value, data);
    });
    return outputs;
  }

  #small(value: Value): Tensor | undefined {
    const data = this.known(value);
    return data !== undefined && elementCount(data.dims) <= MAX_KNOWN ? data : undefined;
  }

  output(value: Value, name: string): void {
    this.#builder.output(value, name);
  }

  finish(): Graph {
    return this.#builder.finish();
  }
}
