/** Running sums and products along an axis (ONNX operator specification: CumSum, CumProd). */
import { constant, indexVar, int, sub, variable } from "../loop/expr.ts";
import { forLoop, letMutable, setVar } from "../loop/stmt.ts";
import type { Expr } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import * as a from "./arith.ts";
import { axisOf, constantInts, defineOp, sameAs, type Op } from "./define.ts";
import { accumulator, loops } from "./nests.ts";

/** Along the axis, backwards for `reverse`; each element is written before its own is added for `exclusive`. */
function cumulative(name: string, combine: (x: Expr, y: Expr) => Expr, start: number): Op {
  return defineOp({
    name,
    inputs: { x: "number", axis: "integer" },
    attrs: { exclusive: false, reverse: false },
    infer: ({ x }) => [sameAs(x)],
    compute: ({ out }, { x, axis: given }, { exclusive, reverse }) => {
      const axis = axisOf(name, constantInts(name, "axis", given)[0] ?? 0, x.dims.length);
      const size = x.dims[axis] ?? 1;
      const kept = accumulator(x.dtype);
      return {
        kind: "serial",
        result: out,
        steps: elementCount(x.dims),
        statements: ({ read, write, name: named }) =>
          loops(
            x.dims.filter((_, i) => i !== axis),
            named,
            (outer) => {
              const acc = variable(named("acc"), { dtype: kept, lanes: 1 });
              const v = indexVar(named("t"));
              const t = reverse ? sub(int(size - 1), v) : v;
              const at = x.dims.length === 0 ? [] : [...outer.slice(0, axis), t, ...outer.slice(axis)];
              const take = setVar(acc, combine(acc, a.cast(read(x, at), kept)));
              const put = write(out, at, a.cast(acc, x.dtype));
              return [letMutable(acc, constant(start, kept)), forLoop(v, size, exclusive ? [put, take] : [take, put])];
            },
          ),
      };
    },
  });
}

export const cumSum: Op = cumulative("cumSum", a.add, 0);
export const cumProd: Op = cumulative("cumProd", a.mul, 1);
