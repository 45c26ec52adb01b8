/**
 * A float graph whose values are rounded as int8 would round them, by scales that are fed: one engine tries any number of ranges. Weights
 * are not rounded.
 */
import { makeValue, type Graph, type Node, type Value } from "../ir/graph.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { sharedRanges, type Ranges } from "./ranges.ts";
import type { Plan } from "./plan.ts";
import { scaleFor } from "./scale.ts";

interface Fed {
  readonly scale: Value;
  readonly zero: Value;
}

const one = (name: string, dtype: "float32" | "uint8"): Value => makeValue(name, { dtype, shape: [1] });

/** Values that share a scale have the two inputs that are named after the one whose scale it is. */
function fedBy(of: Value): Fed {
  return {
    scale: one(`${of.name}:scale`, "float32"),
    zero: one(`${of.name}:zero`, "uint8"),
  };
}

/** The graph of a plan with every value that int8 has as bytes rounded to them, and two more inputs for each scale. */
export function simulated({ graph, observed, scaleOf }: Plan): Graph {
  const roots = new Map(observed.map((v) => [must(scaleOf.get(v), `scale of ${v.name}`), v]));
  const fed = new Map([...roots.keys()].map((of) => [of, fedBy(of)]));
  const wanted = new Set(observed);
  const replaced = new Map<Value, Value>();
  /** Rounds a value to what takes its name. */
  const rounded = (exact: Value, v: Value, name: string): readonly Node[] => {
    const { scale, zero } = must(fed.get(must(scaleOf.get(v), v.name)), "a scale");
    const bytes = makeValue(`${v.name}:bytes`, { dtype: "uint8", shape: v.shape });
    const result = makeValue(name, v);
    replaced.set(v, result);
    return [
      { op: "quantize", name: bytes.name, inputs: [exact, scale, zero], outputs: [bytes], attrs: {}, origin: [] },
      { op: "dequantize", name: `${v.name}:rounded`, inputs: [bytes, scale, zero], outputs: [result], attrs: {}, origin: [] },
    ];
  };
  const nodes = graph.inputs.flatMap((v) => (wanted.has(v) ? rounded(v, v, `${v.name}:rounded`) : []));
  for (const node of graph.nodes) {
    const exact = node.outputs.map((v) => (wanted.has(v) ? makeValue(`${v.name}:exact`, v) : v));
    nodes.push({ ...node, inputs: node.inputs.map((v) => v && (replaced.get(v) ?? v)), outputs: exact });
    node.outputs.forEach((v, i) => {
      if (wanted.has(v)) nodes.push(...rounded(must(exact[i], v.name), v, v.name));
    });
  }
  const inputs = [...graph.inputs, ...[...fed.values()].flatMap(({ scale, zero }) => [scale, zero])];
  return { ...graph, inputs, outputs: graph.outputs.map((v) => replaced.get(v) ?? v), nodes };
}

/** What the inputs for the scales are fed, for given ranges. */
export function scaleFeeds(plan: Plan, ranges: Ranges): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [of, range] of sharedRanges(plan, ranges)) {
    const { scale, zeroPoint } = scaleFor(range);
    const { scale: own, zero } = fedBy(of);
    feeds[own.name] = tensor("float32", [1], Float32Array.of(scale));
    feeds[zero.name] = tensor("uint8", [1], Uint8Array.of(zeroPoint));
  }
  return feeds;
}
