/** Running sums and products along an axis (ONNX operator specification: CumSum, CumProd). */
import { compare, constant, int } from "../loop/expr.ts";
import type { CompareOp } from "../loop/types.ts";
import * as a from "./arith.ts";
import { axisOf, constantInts, defineOp, sameAs, type Op } from "./define.ts";
import { reduction } from "./nests.ts";

/**
 * Each element is summed from the start by itself, in the order of the axis: n² additions, with the rounding of a running sum
 * and no dependence between elements.
 */
function cumulative(name: string, combine: "add" | "mul"): Op {
  return defineOp({
    name,
    inputs: { x: "number", axis: "integer" },
    attrs: { exclusive: false, reverse: false },
    infer: ({ x }) => [sameAs(x)],
    compute: ({ out }, { x, axis: given }, { exclusive, reverse }) => {
      const axis = axisOf(name, constantInts(name, "axis", given)[0] ?? 0, x.dims.length);
      const order: CompareOp = reverse ? (exclusive ? "gt" : "ge") : exclusive ? "lt" : "le";
      const rest = constant(combine === "add" ? 0 : 1, x.dtype);
      return reduction(
        "reduce",
        out,
        ({ p, r: [i = int(0)], read }) =>
          a.select(
            compare(order, i, p[axis] ?? int(0)),
            read(
              x,
              p.map((e, at) => (at === axis ? i : e)),
            ),
            rest,
          ),
        { extents: [x.dims[axis] ?? 1], combine, init: rest },
      );
    },
  });
}

export const cumSum: Op = cumulative("cumSum", "add");
export const cumProd: Op = cumulative("cumProd", "mul");
