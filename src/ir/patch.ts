/**
 * A change of a graph, collected first and applied at once. A patch adds nodes and says which values stand for which; what
 * nothing needs any more goes by itself. Since a patch only ever replaces a value by an equal one, patches that were found
 * on the same graph can be applied together.
 */
import { isStatic, shapeText } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { invariant, locate, must } from "../util/errors.ts";
import type { Infer } from "./builder.ts";
import { makeConstant, makeValue, type Attrs, type Graph, type Node, type Value, type ValueType } from "./graph.ts";
import { neededNodes, sortNodes } from "./walk.ts";

export interface PatchNodeOptions {
  readonly name?: string;
  /** The values of the old graph that the outputs stand for, in order; their names are taken over. */
  readonly replaces?: readonly (Value | undefined)[];
  readonly outputs?: number;
  readonly regions?: readonly Graph[];
}

export class Patch {
  readonly anchor: Node;
  readonly #infer: Infer;
  readonly #origin: readonly string[];
  readonly #added: Node[] = [];
  readonly #replaced = new Map<Value, Value>();
  readonly #credited = new Map<Node, readonly string[]>();

  /** `nodes` are the ones that the change is about, the anchor first, then those before it; what is added stands for all their origins. */
  constructor(infer: Infer, nodes: readonly [Node, ...Node[]]) {
    this.anchor = nodes[0];
    this.#infer = infer;
    this.#origin = [...new Set([...nodes].reverse().flatMap((node) => node.origin))];
  }

  get added(): readonly Node[] {
    return this.#added;
  }

  get replaced(): ReadonlyMap<Value, Value> {
    return this.#replaced;
  }

  get credited(): ReadonlyMap<Node, readonly string[]> {
    return this.#credited;
  }

  /** Says that a node which stays also stands for those origins. */
  credit(node: Node, origin: readonly string[]): this {
    this.#credited.set(node, origin);
    return this;
  }

  /** Adds a node; gives its outputs. */
  ops(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}, options: PatchNodeOptions = {}): readonly Value[] {
    const { replaces = [], regions } = options;
    const name = options.name ?? (replaces.length > 0 ? this.anchor.name : `${this.anchor.name}/${op}`);
    const outputs = this.#types(op, name, inputs, attrs, options).map((type, i) =>
      makeValue(replaces[i]?.name ?? (i === 0 ? name : `${name}:${i}`), type),
    );
    this.#added.push({ op, name, inputs, outputs, attrs, origin: this.#origin, ...(regions ? { regions } : {}) });
    replaces.forEach((from, i) => {
      if (from) this.replace(from, must(outputs[i], `output ${i} of ${name}`));
    });
    return outputs;
  }

  /** Adds a node with one output. */
  op(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}, options: PatchNodeOptions = {}): Value {
    return must(this.ops(op, inputs, attrs, options)[0], `output of ${op}`);
  }

  constant(name: string, data: Tensor): Value {
    return makeConstant(name, data);
  }

  /** Says that `to` stands for `from` everywhere. */
  replace(from: Value, to: Value): this {
    const fits = from.dtype === to.dtype && (!isStatic(from.shape) || !isStatic(to.shape) || shapeText(from.shape) === shapeText(to.shape));
    invariant(fits, `${typeText(to)} stands for ${typeText(from)} at ${this.anchor.name}`);
    this.#replaced.set(from, to);
    return this;
  }

  apply(graph: Graph): Graph {
    return applyPatches(graph, [this]);
  }

  /** Adds a node as it is: one that was copied from elsewhere. */
  add(node: Node): this {
    this.#added.push(node);
    return this;
  }

  #types(
    op: string,
    node: string,
    inputs: readonly (Value | undefined)[],
    attrs: Attrs,
    { outputs = 1, regions = [] }: PatchNodeOptions,
  ): readonly ValueType[] {
    try {
      return this.#infer(op, inputs, attrs, outputs, regions);
    } catch (error) {
      throw locate(error, { node, op });
    }
  }
}

const typeText = (v: ValueType): string => `${v.dtype}${shapeText(v.shape)}`;

/** Applies patches that were found on this graph, and drops every node that no output needs. Outputs keep their names. */
export function applyPatches(graph: Graph, patches: readonly Patch[]): Graph {
  const replaced = new Map<Value, Value>(patches.flatMap((p) => [...p.replaced]));
  const resolve = (value: Value): Value => {
    let at = value;
    for (let next = replaced.get(at), hops = 0; next; next = replaced.get(at), hops++) {
      invariant(hops <= replaced.size, `replacements of ${value.name} end`);
      at = next;
    }
    return at;
  };
  const credits = new Map<Node, string[]>();
  for (const [node, origin] of patches.flatMap((p) => [...p.credited]))
    credits.set(node, [...(credits.get(node) ?? node.origin), ...origin]);
  const rewired = (node: Node): Node => {
    const origin = [...new Set(credits.get(node) ?? node.origin)];
    const changed = node.inputs.some((v) => v && replaced.has(v)) || origin.length !== node.origin.length;
    return changed ? { ...node, origin, inputs: node.inputs.map((v) => v && resolve(v)) } : node;
  };
  const before = new Map<Node, Node[]>();
  for (const p of patches) before.set(p.anchor, [...(before.get(p.anchor) ?? []), ...p.added]);
  const nodes = graph.nodes.flatMap((node) => [...(before.get(node) ?? []), node]).map(rewired);
  return settle({ ...graph, nodes }, graph.outputs.map(resolve));
}

/** Gives the graph its new outputs under the old names: by renaming what makes them where possible, else through identities. */
function settle(graph: Graph, outputs: readonly Value[]): Graph {
  const produced = new Set(neededNodes(sortNodes(graph.nodes), outputs).flatMap((n) => n.outputs));
  const renamed = new Map<Value, Value>();
  const identities: Node[] = [];
  const final = outputs.map((value, i) => {
    const old = must(graph.outputs[i], "output");
    if (value === old) return value;
    const taken = renamed.has(value) || graph.outputs.includes(value);
    if (produced.has(value) && !taken) {
      const named = { ...value, name: old.name };
      renamed.set(value, named);
      return named;
    }
    const copy = makeValue(old.name, value);
    identities.push({ op: "identity", name: old.name, inputs: [value], outputs: [copy], attrs: {}, origin: [] });
    return copy;
  });
  const swap = (v: Value): Value => renamed.get(v) ?? v;
  const nodes = [...graph.nodes, ...identities].map((node) =>
    renamed.size > 0 && [...node.inputs, ...node.outputs].some((v) => v && renamed.has(v))
      ? { ...node, inputs: node.inputs.map((v) => v && swap(v)), outputs: node.outputs.map(swap) }
      : node,
  );
  return { ...graph, outputs: final, nodes: neededNodes(sortNodes(nodes), final) };
}
