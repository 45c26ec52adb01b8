/** Names of an ONNX graph put in place of others, in its subgraphs too. */
import type { OnnxAttribute, OnnxGraph, OnnxNode } from "./ast.ts";

export type Rename = (name: string) => string;

export const subgraphsOf = ({ attribute }: OnnxNode): readonly OnnxGraph[] =>
  attribute.flatMap((a) => [...(a.g ? [a.g] : []), ...a.graphs]);

export function withSubgraphs(node: OnnxNode, f: (graph: OnnxGraph) => OnnxGraph): OnnxNode {
  if (subgraphsOf(node).length === 0) return node;
  const attribute = node.attribute.map((a): OnnxAttribute => ({ ...a, ...(a.g ? { g: f(a.g) } : {}), graphs: a.graphs.map(f) }));
  return { ...node, attribute };
}

export function renameNode(node: OnnxNode, rename: Rename): OnnxNode {
  const inner = withSubgraphs(node, (g) => renameGraph(g, rename));
  return { ...inner, input: node.input.map(rename), output: node.output.map(rename) };
}

export const renameGraph = (graph: OnnxGraph, rename: Rename): OnnxGraph => ({
  ...graph,
  node: graph.node.map((n) => renameNode(n, rename)),
  input: graph.input.map((v) => ({ ...v, name: rename(v.name) })),
  output: graph.output.map((v) => ({ ...v, name: rename(v.name) })),
  initializer: graph.initializer.map((t) => ({ ...t, name: rename(t.name) })),
  valueInfo: graph.valueInfo.map((v) => ({ ...v, name: rename(v.name) })),
});

/** Names that a graph gives to what it makes, without those of its subgraphs. */
export const madeNames = (graph: OnnxGraph): readonly string[] =>
  [...graph.input.map((v) => v.name), ...graph.initializer.map((t) => t.name), ...graph.node.flatMap((n) => n.output)].filter(
    (n) => n !== "",
  );
