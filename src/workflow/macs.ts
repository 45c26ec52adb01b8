import type { Graph, Node } from "../ir/graph.ts";
import { isStatic } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";

/**
 * Multiply-accumulates of the graph's contractions: convolutions, Gemm, MatMul; what is left of a convolution's window in the padding counts too,
 * as papers count. Undefined when a shape that is needed has a symbol.
 */
export function countMacs(graph: Graph): number | undefined {
  let total = 0;
  for (const node of graph.nodes) {
    const macs = nodeMacs(node);
    if (macs === undefined) return undefined;
    total += macs;
  }
  return total;
}

function nodeMacs(node: Node): number | undefined {
  const [a, b] = node.inputs;
  const [out] = node.outputs;
  if (!a || !b || !out) return 0;
  const known = [a, b, out].every((v) => isStatic(v.shape));
  const dims = (shape: readonly unknown[]): number[] => shape.map(Number);
  switch (node.op) {
    case "conv":
      // Weights are [O, I/groups, …kernel]: each output element sums I/groups × kernel products.
      return known ? elementCount(dims(out.shape)) * elementCount(dims(b.shape).slice(1)) : undefined;
    case "convTranspose":
      // Weights are [I, O/groups, …kernel]: each input element is spread over O/groups × kernel.
      return known ? elementCount(dims(a.shape)) * elementCount(dims(b.shape).slice(1)) : undefined;
    case "gemm":
      return known ? elementCount(dims(out.shape)) * (dims(a.shape)[node.attrs["transA"] === true ? 0 : 1] ?? 1) : undefined;
    case "matMul":
      return known ? elementCount(dims(out.shape)) * (dims(a.shape).at(-1) ?? 1) : undefined;
    default:
      return 0;
  }
}
