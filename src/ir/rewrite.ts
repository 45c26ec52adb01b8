/** Runs local rewrite rules over a graph until none matches. */
import { HoneError, locate } from "../util/errors.ts";
import type { Infer } from "./builder.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { applyPatches, Patch } from "./patch.ts";
import { consumersOf, producersOf } from "./walk.ts";

/** What a rule may ask about the graph around a node. */
export interface RewriteContext {
  readonly graph: Graph;
  readonly producer: (value: Value | undefined) => Node | undefined;
  readonly consumers: (value: Value) => readonly Node[];
  readonly isOutput: (value: Value) => boolean;
  /** Whether one node alone reads the value, and it is no output of the graph. */
  readonly usedOnce: (value: Value) => boolean;
  /** A new patch about these nodes, the matched one first. */
  readonly patch: (...nodes: [Node, ...Node[]]) => Patch;
}

export interface Rule {
  readonly name: string;
  /** A patch when the rule applies at this node. It must bring the graph nearer to its end: rules run until none applies. */
  readonly match: (node: Node, context: RewriteContext) => Patch | undefined;
}

export interface RewriteOptions {
  /** How many sweeps over the graph before the rules are taken to run in circles. */
  readonly sweeps?: number;
}

export function contextOf(graph: Graph, infer: Infer): RewriteContext {
  const producers = producersOf(graph);
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  return {
    graph,
    producer: (value) => (value ? producers.get(value) : undefined),
    consumers: (value) => consumers.get(value) ?? [],
    isOutput: (value) => outputs.has(value),
    usedOnce: (value) => !outputs.has(value) && consumers.get(value)?.length === 1,
    patch: (...nodes) => new Patch(infer, nodes),
  };
}

function firstMatch(rules: readonly Rule[], node: Node, context: RewriteContext): Patch | undefined {
  for (const rule of rules) {
    try {
      const patch = rule.match(node, context);
      if (patch) return patch;
    } catch (error) {
      throw locate(error, { pass: rule.name, node: node.name, op: node.op });
    }
  }
  return undefined;
}

/** The node and those next to it: what a patch there may have looked at. */
function neighbourhood(patch: Patch, context: RewriteContext): readonly Node[] {
  const near = (node: Node): Node[] => [
    node,
    ...node.inputs.flatMap((v) => context.producer(v) ?? []),
    ...node.outputs.flatMap((v) => [...context.consumers(v)]),
  ];
  const replaced = [...patch.replaced.keys()].flatMap((v) => context.producer(v) ?? []);
  const read = patch.added.flatMap((node) => node.inputs.flatMap((v) => context.producer(v) ?? []));
  return [patch.anchor, ...replaced].flatMap(near).concat(read);
}

/** One sweep: the patches whose neighbourhoods do not overlap, applied together. */
function sweep(graph: Graph, rules: readonly Rule[], infer: Infer): Graph | undefined {
  const context = contextOf(graph, infer);
  const touched = new Set<Node>();
  const patches: Patch[] = [];
  for (const node of graph.nodes) {
    if (touched.has(node)) continue;
    const patch = firstMatch(rules, node, context);
    if (!patch) continue;
    const near = neighbourhood(patch, context);
    if (near.some((n) => touched.has(n))) continue;
    for (const n of near) touched.add(n);
    patches.push(patch);
  }
  return patches.length > 0 ? applyPatches(graph, patches) : undefined;
}

/** Applies the rules to a fixpoint. Throws `internal` when they do not come to an end. */
export function rewrite(graph: Graph, rules: readonly Rule[], infer: Infer, options: RewriteOptions = {}): Graph {
  const bound = options.sweeps ?? 100 + 4 * graph.nodes.length;
  let at = graph;
  for (let i = 0; i < bound; i++) {
    const next = sweep(at, rules, infer);
    if (!next) return at;
    at = next;
  }
  throw new HoneError("internal", `the rules ${rules.map((r) => r.name).join(", ")} do not come to an end after ${bound} sweeps`);
}
