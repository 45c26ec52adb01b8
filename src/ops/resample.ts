/** Weighted sums along an axis with weights from a table: resizing by any filter, one axis after the other. */
import { int } from "../loop/expr.ts";
import { constant } from "../loop/expr.ts";
import * as a from "./arith.ts";
import { axisOf, defineOp, misfit, sameAs, type Op } from "./define.ts";
import { safeIndex } from "./elements.ts";
import { accumulator, reduction } from "./nests.ts";

/** out[…, o, …] = Σ_t weights[o, t] · x[…, places[o, t], …] */
export const resample: Op = defineOp({
  name: "resample",
  inputs: { x: "number", places: "integer", weights: "float" },
  attrs: { axis: 0 },
  infer: ({ x, places, weights }, { axis: given }) => {
    const axis = axisOf("resample", given, x.shape.length);
    if (places.shape.length !== 2 || places.shape.some((d, i) => d !== weights.shape[i]))
      throw misfit("resample", "the tables do not fit", [places, weights]);
    return [
      sameAs(
        x,
        x.shape.map((d, i) => (i === axis ? (places.shape[0] ?? 1) : d)),
      ),
    ];
  },
  compute: ({ out }, { x, places, weights }, { axis: given }) => {
    const axis = axisOf("resample", given, x.dims.length);
    const kept = accumulator(x.dtype) === "float64" ? "float64" : "float32";
    return reduction(
      "reduce",
      out,
      ({ p, r: [t = int(0)], read }) => {
        const o = p[axis] ?? int(0);
        const at = safeIndex(read(places, [o, t]), x.dims[axis] ?? 1);
        const value = read(
          x,
          p.map((i, k) => (k === axis ? at : i)),
        );
        return a.mul(a.cast(read(weights, [o, t]), kept), a.cast(value, kept));
      },
      { extents: [places.dims[1] ?? 1], combine: "add", init: constant(0, kept), finish: (acc) => a.cast(acc, out.dtype) },
    );
  },
});
