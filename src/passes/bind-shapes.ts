/** Gives symbolic dimensions their values, by name or by whole input shapes. */
import type { Graph } from "../ir/graph.ts";
import { bindShape } from "../tensor/dim.ts";
import { solveSymbols, type InputShapes } from "../tensor/solve.ts";
import { mapDims } from "../text/program.ts";
import { propagate } from "./propagate.ts";

const SHAPE_LIMIT = 1024;

/** The graph with numbers for the symbols that `bindings` has. Throws `graph.shape` when an op does not take the new shapes. */
export function bindSymbols(graph: Graph, bindings: ReadonlyMap<string, number>): Graph {
  const inputs = new Map(graph.inputs.map((v) => [v, { dtype: v.dtype, shape: bindShape(v.shape, bindings) }] as const));
  const host = graph.host && mapDims(graph.host, (dims) => bindShape(dims, bindings));
  return { ...propagate(graph, { inputs, limit: SHAPE_LIMIT, fold: false }), ...(host ? { host } : {}) };
}

/**
 * The graph for given input shapes, by input name; inputs that are not named keep theirs, with the symbols they share bound.
 * Throws `usage` when a name is unknown, a rank differs, or the dims contradict the model or each other.
 */
export function bindInputs(graph: Graph, shapes: InputShapes): Graph {
  const inputs = [
    ...graph.inputs.map((v) => [v.name, v.shape] as const),
    ...(graph.host?.inputs ?? []).map((v) => [v.name, v.dims] as const),
  ];
  return bindSymbols(graph, solveSymbols(new Map(inputs), shapes));
}
