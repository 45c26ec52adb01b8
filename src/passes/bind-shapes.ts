/** Gives symbolic dimensions their values, by name or by whole input shapes. */
import type { Graph, Value } from "../ir/graph.ts";
import { bindShape, shapeText, type Dim } from "../tensor/dim.ts";
import { HoneError } from "../util/errors.ts";
import { propagate } from "./propagate.ts";

const SHAPE_LIMIT = 1024;

/** The graph with numbers for the symbols that `bindings` has. Throws `graph.shape` when an op does not take the new shapes. */
export function bindSymbols(graph: Graph, bindings: ReadonlyMap<string, number>): Graph {
  const inputs = new Map(graph.inputs.map((v) => [v, { dtype: v.dtype, shape: bindShape(v.shape, bindings) }] as const));
  return propagate(graph, { inputs, limit: SHAPE_LIMIT, fold: false });
}

/**
 * The graph for given input shapes, by input name; inputs that are not named keep theirs, with the symbols they share bound.
 * Throws `usage` when a name is unknown, a rank differs, or the dims contradict the model or each other.
 */
export function bindInputs(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): Graph {
  const byName = new Map(graph.inputs.map((v) => [v.name, v] as const));
  const bindings = new Map<string, number>();
  for (const [name, dims] of Object.entries(shapes)) {
    const input = byName.get(name);
    if (!input) throw misuse(`the model has no input ${name}`, graph.inputs);
    if (dims.length !== input.shape.length)
      throw misuse(`the input ${name} has ${input.shape.length} dimensions, ${dims.length} were given: ${dims.join("x")}`, [input]);
    for (const [i, size] of dims.entries()) solve(input, i, size, bindings);
  }
  return bindSymbols(graph, bindings);
}

/** Takes the symbol's value from the size, or checks that the size agrees with what is known. */
function solve(input: Value, axis: number, size: number, bindings: Map<string, number>): void {
  if (!Number.isSafeInteger(size) || size < 1) throw misuse(`${size} is not a size (axis ${axis} of the input ${input.name})`, [input]);
  const dim: Dim = input.shape[axis] ?? 1;
  const known = typeof dim === "number" ? dim : dim.evaluate(bindings);
  if (known === undefined && typeof dim !== "number") {
    if (dim.free.includes(dim.text)) bindings.set(dim.text, size);
    return;
  }
  if (known !== size) {
    const why = typeof dim === "number" ? `the model fixes it at ${dim}` : `${dim.text} is ${String(known)} already`;
    throw misuse(`axis ${axis} of the input ${input.name} cannot be ${size}: ${why}`, [input]);
  }
}

function misuse(message: string, inputs: readonly Value[]): HoneError {
  const flags = inputs.map((v) => `--shape ${v.name}=${shapeText(v.shape).slice(1, -1).replaceAll(",", "x")}`);
  return new HoneError("usage", message, { hint: `Give numbers for the names in ${flags.join(" ")}.` });
}
