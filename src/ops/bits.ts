/** Ops on the bits of elements (ONNX operator specification: BitwiseAnd, BitwiseNot, BitShift, BitCast, IsInf). */
import { bitcast, binary } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import { byteSize, parseDType } from "../tensor/dtype.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { defineOp, misfit, sameAs, type Op } from "./define.ts";
import { map } from "./nests.ts";

function bitwise(name: string, body: (x: Expr, y: Expr) => Expr): Op {
  return defineOp({
    name,
    inputs: { a: "integer", b: "integer" },
    attrs: {},
    traits: { elementwise: true },
    infer: ({ a: x, b: y }) => {
      if (x.dtype !== y.dtype) throw misfit(name, "dtypes differ", [x, y]);
      return [{ dtype: x.dtype, shape: broadcastShapes(name, [x, y]) }];
    },
    compute: ({ out }, { a: x, b: y }) => map(out, [x, y], body),
  });
}

export const bitwiseAnd: Op = bitwise("bitwiseAnd", a.and);
export const bitwiseOr: Op = bitwise("bitwiseOr", a.or);
export const bitwiseXor: Op = bitwise("bitwiseXor", a.xor);

/** Shifts by as many bits as there are, or more, give 0; only unsigned integers are shifted. */
const shifted =
  (op: "shl" | "shr") =>
  (x: Expr, by: Expr): Expr => {
    const bits = x.type.dtype === "index" ? 32 : 8 * byteSize(x.type.dtype);
    const safe = a.min(by, bits - 1);
    return a.select(a.lt(by, bits), binary(op, x, safe), a.constantLike(x, 0));
  };

export const shiftLeft: Op = bitwise("shiftLeft", shifted("shl"));
export const shiftRight: Op = bitwise("shiftRight", shifted("shr"));

export const bitwiseNot: Op = defineOp({
  name: "bitwiseNot",
  inputs: { x: "integer" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x }) => [sameAs(x)],
  compute: ({ out }, { x }) => map(out, [x], a.not),
});

/** The same bits as another type of the same size. */
export const bitCast: Op = defineOp({
  name: "bitCast",
  inputs: { x: "any" },
  attrs: { to: "float32" },
  traits: { elementwise: true },
  infer: ({ x }, { to }) => {
    const dtype = parseDType(to);
    if (byteSize(dtype) !== byteSize(x.dtype)) throw misfit("bitCast", `${to} has another size`, [x]);
    return [{ dtype, shape: x.shape }];
  },
  compute: ({ out }, { x }) => map(out, [x], (v) => (x.dtype === out.dtype ? v : bitcast(v, out.dtype))),
});

/** Whether an element is infinite, of the signs asked for. */
export const isInf: Op = defineOp({
  name: "isInf",
  inputs: { x: "float" },
  attrs: { negative: true, positive: true },
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "bool", shape: x.shape }],
  compute: ({ out }, { x }, { negative, positive }) =>
    map(out, [x], (v) => {
      if (negative && positive) return a.eq(a.abs(v), Infinity);
      return positive || negative ? a.eq(v, positive ? Infinity : -Infinity) : a.ne(a.constantLike(v, 0), 0);
    }),
});
