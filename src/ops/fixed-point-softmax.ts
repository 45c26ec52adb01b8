/** Softmax of bytes by TFLite's rule, on which tables and Newton's method stand for exponentials and division. */
import { binary, cast, constant, typeOf, variable } from "../loop/expr.ts";
import type { Read } from "../loop/nest.ts";
import { letVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, sameAs, type Op } from "./define.ts";
import { half, highProduct, int32 } from "./fixed-point.ts";
import { loops, neutral, reduction } from "./nests.ts";

/** The zeros before the leading one of a positive int32. */
function leadingZeros(x: Expr): Expr {
  const places = Array.from({ length: 31 }, (_, i) => i);
  return places.reduce<Expr>((found, i) => a.select(a.ge(x, 2 ** i), constant(31 - i, "int32"), found), constant(32, "int32"));
}

/** x · 2^by, kept within int32 as gemmlowp does. */
function saturatingShift(x: Expr, by: number): Expr {
  const most = 2 ** (31 - by) - 1;
  const shifted = binary("shl", x, a.constantLike(x, by));
  return a.select(a.gt(x, most), constant(2 ** 31 - 1, "int32"), a.select(a.lt(x, -most), constant(-(2 ** 31), "int32"), shifted));
}

/** Bits before the point of a sum of exponentials. */
const SUM_INTEGER_BITS = 12;
const ONE = 2 ** 31 - 1;
const ONE_IN_2 = 2 ** 29;
const STEPS = 3;

/**
 * 1 / x for the fraction of a positive sum, with 31 bits after the point, by Newton's method from 48/17 - 32/17·d (gemmlowp, fixedpoint.h).
 * The sum's leading one goes to the sign's place, and away.
 */
function reciprocal(sum: Expr, zeros: Expr, named: (base: string) => string, use: (value: Expr) => Stmt): readonly Stmt[] {
  const lets: Stmt[] = [];
  const named32 = (base: string, value: Expr): Expr => {
    const v = variable(named(base), typeOf("int32"));
    lets.push(letVar(v, value));
    return v;
  };
  const fraction = a.and(binary("shl", sum, zeros), ONE);
  const d = named32("d", int32(half(a.add(a.add(cast(fraction, "int64"), ONE), 1))));
  let y = named32("y", a.add(highProduct(d, constant(-1010580540, "int32")), 1515870810));
  for (let i = 0; i < STEPS; i++) {
    const rest = a.sub(ONE_IN_2, highProduct(d, y));
    const step = named32(`s${i}`, highProduct(y, rest));
    y = named32(`y${i}`, a.add(y, saturatingShift(step, 2)));
  }
  return [...lets, use(saturatingShift(y, 1))];
}

/**
 * Softmax along the last axis of uint8 x to units of 1/256, as uint8. The tables say, by how far an element lies below its row's maximum, the
 * exponential: with 31 bits after the point, and with 19 for the sum.
 */
export const fixedPointSoftmax: Op = defineOp({
  name: "fixedPointSoftmax",
  inputs: { x: "integer", exponentials: "integer", summands: "integer" },
  attrs: {},
  infer: ({ x, exponentials, summands }) => {
    const isTable = (t: typeof x): boolean => t.dtype === "int32" && t.shape.length === 1 && t.shape[0] === 256;
    if (x.dtype !== "uint8" || x.shape.length === 0 || !isTable(exponentials) || !isTable(summands))
      throw misfit("fixedPointSoftmax", "the operand is uint8, the tables have 256 int32", [x, exponentials, summands]);
    return [sameAs(x)];
  },
  compute: ({ out, temp }, { x, exponentials, summands }) => {
    const rows = x.dims.slice(0, -1);
    const length = x.dims.at(-1) ?? 1;
    const [top, sum, zeros, inverse] = [
      temp("top", "uint8", rows),
      temp("sum", "int32", rows),
      temp("zeros", "int32", rows),
      temp("inverse", "int32", rows),
    ];
    const below = (read: Read, p: readonly Expr[], row: readonly Expr[]): Expr =>
      cast(a.sub(int32(read(top, row)), int32(read(x, p))), "index");
    const along = { extents: [length] };
    return [
      reduction("reduce", top, ({ p, r, read }) => read(x, [...p, ...r]), { ...along, combine: "max", init: neutral("max", "uint8") }),
      reduction("reduce", sum, ({ p, r, read }) => read(summands, [below(read, [...p, ...r], p)]), {
        ...along,
        combine: "add",
        init: constant(0, "int32"),
      }),
      { kind: "map", result: zeros, body: ({ p, read }) => leadingZeros(read(sum, p)) },
      {
        kind: "serial",
        result: inverse,
        steps: elementCount(rows),
        statements: ({ read, write, name }) =>
          loops(rows, name, (row) => reciprocal(read(sum, row), read(zeros, row), name, (value) => write(inverse, row, value))),
      },
      {
        kind: "gather",
        result: out,
        body: ({ p, read }) => {
          const row = p.slice(0, -1);
          const share = highProduct(read(inverse, row), read(exponentials, [below(read, p, row)]));
          const exponent = cast(a.sub(SUM_INTEGER_BITS + 31 - 8, read(zeros, row)), "int64");
          const nudge = half(binary("shl", constant(1, "int64"), exponent));
          const rounded = binary("shr", a.add(cast(share, "int64"), nudge), exponent);
          return cast(a.min(int32(rounded), 255), "uint8");
        },
      },
    ];
  },
});
