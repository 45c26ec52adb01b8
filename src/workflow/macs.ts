import type { Attrs, Graph, Node, Value } from "../ir/graph.ts";
import { isStatic } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";

/**
 * Multiply-accumulates of the graph's contractions: convolutions of numbers and of scaled integers, Gemm, MatMul, attention, recurrent layers; what is left of a convolution's window in the padding counts too,
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
  const each = PRODUCTS[node.op];
  if (!each) return 0;
  if (![a, b, out].every((v) => isStatic(v.shape))) return undefined;
  const dims = (v: Value): number[] => v.shape.map(Number);
  return each({ a: dims(a), b: dims(b), out: dims(out), attrs: node.attrs });
}

const convolution = ({ out, b }: Operands): number => elementCount(out) * elementCount(b.slice(1));
/** Of each step the products with the state; those with the input are a product before. */
const recurrence = ({ a, b }: Operands): number => elementCount(a) * (b.at(-1) ?? 1);

interface Operands {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly out: readonly number[];
  readonly attrs: Attrs;
}

const PRODUCTS: Readonly<Record<string, (o: Operands) => number>> = {
  // Weights are [O, I/groups, …kernel]: each output element sums I/groups × kernel products.
  conv: convolution,
  quantizedConv: convolution,
  fixedPointConv: convolution,
  // Weights are [I, O/groups, …kernel]: each input element is spread over O/groups × kernel.
  convTranspose: ({ a, b }) => elementCount(a) * elementCount(b.slice(1)),
  // Each score is a product of rows, and each share of it is spread over a row of values.
  attention: ({ a, b, out }) => (elementCount(out) / (out.at(-1) || 1)) * (b.at(-2) ?? 1) * ((a.at(-1) ?? 1) + (out.at(-1) ?? 1)),
  gemm: ({ a, out, attrs }) => elementCount(out) * (a[attrs["transA"] === true ? 0 : 1] ?? 1),
  rnn: recurrence,
  gru: recurrence,
  lstm: recurrence,
  matMul: ({ a, out }) => elementCount(out) * (a.at(-1) ?? 1),
};
