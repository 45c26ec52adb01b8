/** Checks the rules of the graph IR; run after every pass in tests. */
import { dimText, isStatic, shapeText } from "../tensor/dim.ts";
import { isHalf } from "../tensor/dtype.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import type { Infer } from "./builder.ts";
import type { Graph, Node, Value } from "./graph.ts";

class Verifier {
  readonly problems: Problem[] = [];
  readonly #defined = new Set<Value>();
  readonly #infer: Infer | undefined;

  constructor(infer: Infer | undefined) {
    this.#infer = infer;
  }

  define(value: Value, by: string): void {
    if (this.#defined.has(value)) this.report(`${value.name} is made twice, the second time by ${by}`);
    if (value.data) this.report(`${value.name} is constant, but made by ${by}`);
    this.#defined.add(value);
  }

  readable(value: Value, reader: string): void {
    if (value.data) this.constant(value);
    else if (!this.#defined.has(value)) this.report(`${reader} reads ${value.name}, which nothing before it makes`);
  }

  constant(value: Value): void {
    const { data } = value;
    const fits = data?.type === value.dtype || (value.dtype === "float32" && isHalf(data?.type));
    if (data && (!fits || shapeText(data.dims) !== shapeText(value.shape)))
      this.report(`the constant ${value.name} is ${value.dtype}${shapeText(value.shape)}, its data ${data.type}${shapeText(data.dims)}`);
  }

  node(node: Node): void {
    if (node.outputs.length === 0) this.report(`the node ${node.name} has no output`);
    for (const value of node.inputs) if (value) this.readable(value, `the node ${node.name}`);
    for (const region of node.regions ?? []) this.region(region, node);
    if (this.#infer) this.types(node, this.#infer);
    for (const value of node.outputs) this.define(value, `the node ${node.name}`);
  }

  /** A region stands alone: only its inputs and constants come from outside. */
  region(region: Graph, node: Node): void {
    const inner = new Verifier(this.#infer);
    inner.graph(region);
    for (const { message, at } of inner.problems)
      this.problems.push({ message: `in the region ${region.name} of ${node.name}: ${message}`, ...(at ? { at } : {}) });
  }

  types(node: Node, infer: Infer): void {
    try {
      const types = infer(node.op, node.inputs, node.attrs, node.outputs.length, node.regions ?? []);
      if (types.length !== node.outputs.length)
        this.report(`${node.op} has ${types.length} outputs, the node ${node.outputs.length}`, node);
      node.outputs.forEach((value, i) => {
        const type = types[i];
        // A shape may be known better than one node alone can tell.
        const fits =
          !type ||
          (type.dtype === value.dtype &&
            type.shape.length === value.shape.length &&
            type.shape.every((d, axis) => typeof d !== "number" || dimText(d) === dimText(value.shape[axis] ?? -1)));
        if (!fits) this.report(`${value.name} is ${value.dtype}${shapeText(value.shape)}, not ${type.dtype}${shapeText(type.shape)}`, node);
        if (isStatic(value.shape) && value.shape.some((d) => !Number.isSafeInteger(d) || d < 0))
          this.report(`${value.name} has the impossible shape ${shapeText(value.shape)}`, node);
      });
    } catch (error) {
      if (!(error instanceof HoneError)) throw error;
      this.report(error.message, node);
    }
  }

  graph(graph: Graph): void {
    for (const value of graph.inputs) this.define(value, "the graph's inputs");
    for (const node of graph.nodes) this.node(node);
    for (const value of graph.outputs) {
      if (value.data) this.report(`the output ${value.name} is constant: it needs an identity node`);
      else this.readable(value, "the list of outputs");
    }
    this.unique(graph.inputs, "input");
    this.unique(graph.outputs, "output");
  }

  unique(values: readonly Value[], what: string): void {
    const seen = new Set<string>();
    for (const { name } of values) {
      if (seen.has(name)) this.report(`two ${what}s of the graph are called ${name}`);
      seen.add(name);
    }
  }

  report(message: string, node?: Node): void {
    this.problems.push({ message, ...(node ? { at: { node: node.name, op: node.op } } : {}) });
  }
}

/**
 * Throws `graph.invalid`, which lists every broken rule: each value is made once and before it is read, outputs are made by
 * nodes or are inputs, input and output names are unique, constants have their type's data and, with `infer`, types are
 * what the ops say.
 */
export function verifyGraph(graph: Graph, infer?: Infer): void {
  const verifier = new Verifier(infer);
  verifier.graph(graph);
  const { problems } = verifier;
  if (problems.length > 0) throw new HoneError("graph.invalid", `the graph ${graph.name} is not well formed`, { problems });
}
