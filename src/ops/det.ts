/** Determinants (ONNX operator specification: Det). */
import { add, compare, constant, indexVar, int, variable, INDEX } from "../loop/expr.ts";
import { forLoop, ifThen, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { SerialContext } from "../loop/nest.ts";
import type { Operand } from "../loop/nest.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { gather, loops } from "./nests.ts";

/** Gaussian elimination with the largest pivot of each column, in a copy of the matrix; the determinant is in `product`. */
function eliminate(
  { read, write, name }: SerialContext,
  m: Operand,
  outer: readonly Expr[],
  product: ReturnType<typeof variable>,
): readonly Stmt[] {
  const size = m.dims.at(-1) ?? 0;
  const { dtype } = m;
  const at = (i: Expr, j: Expr): Expr => read(m, [...outer, i, j]);
  const put = (i: Expr, j: Expr, v: Expr): Stmt => write(m, [...outer, i, j], v);
  const [k, i, j, q, r, s] = ["k", "i", "j", "q", "r", "s"].map((n) => indexVar(name(n)));
  const best = variable(name("best"), INDEX);
  const kept = variable(name("kept"), { dtype, lanes: 1 });
  const factor = variable(name("factor"), { dtype, lanes: 1 });
  if (!k || !i || !j || !q || !r || !s) return [];
  return [
    letMutable(product, constant(1, dtype)),
    forLoop(k, size, [
      letMutable(best, k),
      forLoop(q, size, [ifThen(a.gt(a.abs(at(q, k)), a.abs(at(best, k))), [setVar(best, q)])], { from: k }),
      ifThen(compare("ne", best, k), [
        forLoop(r, size, [letVar(kept, at(best, r)), put(best, r, at(k, r)), put(k, r, kept)]),
        setVar(product, a.neg(product)),
      ]),
      setVar(product, a.mul(product, at(k, k))),
      ifThen(a.ne(at(k, k), 0), [
        forLoop(
          i,
          size,
          [letVar(factor, a.div(at(i, k), at(k, k))), forLoop(j, size, [put(i, j, a.sub(at(i, j), a.mul(factor, at(k, j))))], { from: k })],
          { from: add(k, int(1)) },
        ),
      ]),
    ]),
  ];
}

/** Of square matrices in the last two axes. */
export const det: Op = defineOp({
  name: "det",
  inputs: { x: "float" },
  attrs: {},
  infer: ({ x }) => {
    const [rows, columns] = x.shape.slice(-2);
    if (x.shape.length < 2 || (typeof rows === "number" && typeof columns === "number" && rows !== columns))
      throw misfit("det", "the matrices are not square", [x]);
    return [{ dtype: x.dtype, shape: x.shape.slice(0, -2) }];
  },
  compute: ({ out, temp }, { x }) => {
    const wide = x.dtype === "float64" ? "float64" : "float32";
    const m = temp("matrix", wide, x.dims);
    const size = x.dims.at(-1) ?? 0;
    return [
      gather(m, ({ p, read }) => a.cast(read(x, p), wide)),
      {
        kind: "serial",
        result: out,
        steps: elementCount(x.dims) * size,
        statements: (context) =>
          loops(
            x.dims.slice(0, -2),
            (base) => context.name(`o${base}`),
            (outer) => {
              const product = variable(context.name("product"), { dtype: wide, lanes: 1 });
              return [...eliminate(context, m, outer, product), context.write(out, outer, a.cast(product, out.dtype))];
            },
          ),
      },
    ];
  },
});
