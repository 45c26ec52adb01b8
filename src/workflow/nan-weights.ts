import type { Graph } from "../ir/graph.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A constant with NaN in it: what is computed from it will be NaN as well. (Infinity is no such sign: masks are made with it.) */
export interface NanWeight {
  readonly name: string;
  /** How many of its `of` numbers are NaN. */
  readonly nan: number;
  readonly of: number;
}

/** The float constants of a graph and of its regions that hold NaN, in the graph's order. */
export function nanWeights(graph: Graph): NanWeight[] {
  const found = new Map<string, NanWeight>();
  for (const node of graph.nodes) {
    for (const { name, data } of node.inputs.flatMap((v) => v ?? [])) {
      if (!data || found.has(name) || DTYPES[data.type].class !== "float") continue;
      const nan = countNan(data);
      if (nan > 0) found.set(name, { name, nan, of: data.data.length });
    }
    for (const region of node.regions ?? []) for (const weight of nanWeights(region)) found.set(weight.name, weight);
  }
  return [...found.values()];
}

export const nanText = ({ name, nan, of }: NanWeight): string =>
  `${nan} of the ${of} numbers of ${name} are NaN: so will be what is computed from them`;

/** Halves are held as bits: those of infinity are the greatest that are a number. */
const HALF_INFINITY: Readonly<Partial<Record<DType, number>>> = { float16: 0x7c00, bfloat16: 0x7f80 };

function countNan({ type, data }: Tensor): number {
  const infinity = HALF_INFINITY[type];
  let count = 0;
  for (const value of data) {
    if (infinity === undefined ? Number.isNaN(value) : (Number(value) & 0x7fff) > infinity) count++;
  }
  return count;
}
