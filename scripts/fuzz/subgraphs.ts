/** Changes inside the bodies of branches, loops and functions, which a change somewhere in a whole model seldom reaches. */
import type { OnnxGraph, OnnxModel, OnnxNode } from "../../src/formats/onnx/ast.ts";
import { subgraphsOf, withSubgraphs } from "../../src/formats/onnx/rename.ts";
import type { Random } from "./random.ts";

/** Bodies in bodies, outer ones first. */
const bodiesOf = (nodes: readonly OnnxNode[]): readonly OnnxGraph[] =>
  nodes.flatMap((n) => subgraphsOf(n).flatMap((g) => [g, ...bodiesOf(g.node)]));

/** The model with `change` of one of its bodies; as it is when it has none. */
export function changeBody(model: OnnxModel, random: Random, change: (tree: unknown) => unknown): unknown {
  const { graph, functions } = model;
  const bodies = bodiesOf(graph?.node ?? []);
  const chosen = random.below(bodies.length + functions.length);
  const body = bodies[chosen];
  if (graph && body) return { ...model, graph: { ...graph, node: graph.node.map((n) => replaced(n, body, change(body))) } };
  const at = chosen - bodies.length;
  return { ...model, functions: functions.map((f, i) => (i === at ? change(f) : f)) };
}

/** The changed body is no graph that a type could promise: that is what is tried. */
function replaced(node: OnnxNode, body: OnnxGraph, by: unknown): OnnxNode {
  return withSubgraphs(node, (g) => (g === body ? (by as OnnxGraph) : { ...g, node: g.node.map((n) => replaced(n, body, by)) }));
}
