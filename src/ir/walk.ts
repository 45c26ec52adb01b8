/** Questions about a graph, answered once for all its values. */
import type { Graph, Node, Value } from "./graph.ts";

/** The node that makes each value; graph inputs and constants have none. */
export function producersOf(graph: Graph): ReadonlyMap<Value, Node> {
  return new Map(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
}

/** The nodes that read each value, once each, in order; a value that nothing reads is absent. */
export function consumersOf(graph: Graph): ReadonlyMap<Value, readonly Node[]> {
  const consumers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const value of new Set(node.inputs)) {
      if (!value) continue;
      const list = consumers.get(value);
      if (list) list.push(node);
      else consumers.set(value, [node]);
    }
  }
  return consumers;
}

/** Constants that nodes read, each once, in order of first use. */
export function constantsOf(graph: Graph): readonly Value[] {
  const used = graph.nodes.flatMap((node) => node.inputs).filter((v) => v?.data !== undefined);
  return [...new Set([...used, ...graph.outputs.filter((v) => v.data)])].flatMap((v) => (v ? [v] : []));
}

/** The nodes that some output needs, in their order. */
export function neededNodes(nodes: readonly Node[], outputs: readonly Value[]): readonly Node[] {
  const needed = new Set<Value | undefined>(outputs);
  const kept: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (!node?.outputs.some((v) => needed.has(v))) continue;
    kept.push(node);
    for (const v of node.inputs) needed.add(v);
  }
  return kept.reverse();
}

/**
 * The nodes with every producer before its readers, otherwise in the given order. Nodes on a cycle keep their place, which
 * `verify` then reports.
 */
export function sortNodes(nodes: readonly Node[]): readonly Node[] {
  const producer = new Map<Value | undefined, Node>(nodes.flatMap((node) => node.outputs.map((v) => [v, node] as const)));
  const state = new Map<Node, "open" | "done">();
  const sorted: Node[] = [];
  const stack: Node[] = [];
  for (const root of nodes) {
    stack.push(root);
    for (let node = stack.at(-1); node; node = stack.at(-1)) {
      const first = !state.has(node);
      state.set(node, state.get(node) ?? "open");
      const missing = first ? node.inputs.flatMap((v) => producer.get(v) ?? []).filter((p) => !state.has(p)) : [];
      if (missing.length > 0) {
        stack.push(...missing.reverse());
        continue;
      }
      stack.pop();
      if (state.get(node) === "done") continue;
      state.set(node, "done");
      sorted.push(node);
    }
  }
  return sorted;
}
