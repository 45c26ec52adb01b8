/** Graphs that tell what their values were. */
import { makeValue, output, type Attrs, type Graph, type Node, type Value } from "../ir/graph.ts";
import { neededNodes, producersOf } from "../ir/walk.ts";
import { rowsApart, SLOTS } from "../ops/histogram.ts";
import { staticShape } from "../tensor/dim.ts";

/** The graph with one more output for each of the given values, in their order: its histogram, by the op of that name. */
export function withHistograms(graph: Graph, values: readonly Value[]): { readonly graph: Graph; readonly histograms: readonly Value[] } {
  const producers = producersOf(graph);
  const counts = new Map(
    values.map((v): [Value, Node] => {
      const result = makeValue(`${v.name}:histogram`, { dtype: "int32", shape: [SLOTS.length] });
      const attrs = { every: rowsApart(staticShape(v.shape, `the value ${v.name}`)) };
      const origin = producers.get(v)?.origin ?? [];
      return [v, { op: "histogram", name: result.name, inputs: [v], outputs: [result], attrs, origin }];
    }),
  );
  // Where it was computed, while it is still near.
  const behind = (of: readonly Value[]): readonly Node[] => of.flatMap((v) => counts.get(v) ?? []);
  const nodes = [...behind(graph.inputs), ...graph.nodes.flatMap((n) => [n, ...behind(n.outputs)])];
  const histograms = [...counts.values()].flatMap((n) => n.outputs);
  return { graph: { ...graph, nodes, outputs: [...graph.outputs, ...histograms] }, histograms };
}

/** What is to be known of each channel. */
export type ChannelStatistic = "magnitude" | "mean";

/** A graph that gives the greatest magnitude or the mean of each channel of the given values, in their order, and computes nothing else. */
export function channelStatistics(graph: Graph, values: readonly Value[], statistic: ChannelStatistic): Graph {
  const outputs: Value[] = [];
  const reduce = statistic === "mean" ? "reduceMean" : "reduceMax";
  const nodes = values.flatMap((v): readonly Node[] => {
    const [n = 1, c = 1, , width = 1] = staticShape(v.shape, `the value ${v.name}`);
    const node = (op: string, x: Value, tag: string, shape: readonly number[], attrs: Attrs = {}): Node => {
      const result = makeValue(`${v.name}:${tag}`, { dtype: v.dtype, shape });
      return { op, name: result.name, inputs: [x], outputs: [result], attrs, origin: [] };
    };
    const sizes = statistic === "mean" ? [] : [node("abs", v, "magnitudes", staticShape(v.shape, v.name))];
    // Rows first, which lie in vectors.
    const columns = node(reduce, sizes[0]?.outputs[0] ?? v, "columns", [n, c, 1, width], { axes: [2] });
    const channels = node(reduce, output(columns), "channels", [c], { axes: [0, 2, 3], keepDims: false });
    outputs.push(output(channels));
    return [...sizes, columns, channels];
  });
  return { ...graph, nodes: [...neededNodes(graph.nodes, values), ...nodes], outputs };
}
