/** Work on the regions of a graph's nodes. */
import type { Graph } from "./graph.ts";

/** The graph with `f` of each region of its own nodes; the same graph when that changes nothing. */
export function mapRegions(graph: Graph, f: (region: Graph) => Graph): Graph {
  const nodes = graph.nodes.map((node) => {
    const { regions } = node;
    const mapped = regions?.map(f);
    return mapped && mapped.some((r, i) => r !== regions?.[i]) ? { ...node, regions: mapped } : node;
  });
  return nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes } : graph;
}

/** `f` of the graph, then of every region in what that gives. */
export const everywhere = (graph: Graph, f: (graph: Graph) => Graph): Graph => mapRegions(f(graph), (region) => everywhere(region, f));

/** The graph and all regions in it, outer ones first. */
export const allGraphs = (graph: Graph): readonly Graph[] => [
  graph,
  ...graph.nodes.flatMap((n) => (n.regions ?? []).flatMap((r) => allGraphs(r))),
];
