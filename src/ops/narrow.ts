/** To floating-point types of 8 bits and fewer, kept as their bits (ONNX, "Float stored in 8 bits" and "in 4 bits"). */
import { binary, bitcast, cast, compare, unary } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { defineOp, type Op } from "./define.ts";
import { map } from "./nests.ts";

const SINGLE = { mantissa: 23, bias: 127, exponents: 255 };

/** The bits of a float32 without its sign, as int32. */
const magnitudeBits = (v: Expr): Expr => a.and(bitcast(v, "int32"), 0x7fffffff);
const shifted = (op: "shl" | "shr", x: Expr, by: number): Expr => binary(op, x, a.constantLike(x, by));

/**
 * The nearest number of the type, ties to even. A number that is no more than the largest after rounding stays; others become
 * the largest, or the code for overflow where nothing saturates.
 */
export const encodeFloat: Op = defineOp({
  name: "encodeFloat",
  inputs: { x: "float" },
  attrs: { exponent: 4, mantissa: 3, bias: 7, largest: 0x7e, overflow: 0x7f, nan: 0x7f, negativeZero: true, saturate: true },
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "uint8", shape: x.shape }],
  compute: ({ out }, { x }, { exponent, mantissa, bias, largest, overflow, nan, negativeZero, saturate }) =>
    map(out, [x], (given) => {
      const v = cast(given, "float32");
      // Powers of two apart from the smallest normal on, evenly below: all are multiples of a quantum.
      const lowest = SINGLE.bias + 1 - bias;
      const own = a.max(shifted("shr", magnitudeBits(v), SINGLE.mantissa), lowest);
      const quantum = bitcast(shifted("shl", a.sub(own, mantissa), SINGLE.mantissa), "float32");
      const finite = a.min(a.constantLike(v, 2 ** 100), a.abs(v));
      const steps = cast(unary("roundEven", a.div(finite, quantum)), "int32");
      const rounded = a.add(shifted("shl", a.sub(own, lowest), mantissa), steps);
      const code = a.select(a.gt(rounded, largest), a.constantLike(rounded, saturate ? largest : overflow), rounded);
      const sign = 1 << (exponent + mantissa);
      const minus = compare("lt", bitcast(v, "int32"), a.constantLike(code, 0));
      const signed = negativeZero ? minus : a.and(minus, a.gt(code, 0));
      const bits = a.select(signed, a.or(code, sign), code);
      return cast(a.select(a.ne(v, v), a.constantLike(bits, nan), bits), "uint8");
    }),
});

/** The exponent alone (OCP Microscaling formats, E8M0): of the power of two above, below or next to a number, whatever its sign. */
export const encodeExponent: Op = defineOp({
  name: "encodeExponent",
  inputs: { x: "float" },
  attrs: { round: "up", saturate: true },
  traits: { elementwise: true },
  infer: ({ x }) => [{ dtype: "uint8", shape: x.shape }],
  compute: ({ out }, { x }, { round, saturate }) =>
    map(out, [x], (given) => {
      const bits = magnitudeBits(cast(given, "float32"));
      const exponent = shifted("shr", bits, SINGLE.mantissa);
      const fraction = a.and(bits, (1 << SINGLE.mantissa) - 1);
      const half = 1 << (SINGLE.mantissa - 1);
      // A tie goes up, to the even neighbour, for all but the smallest exponent.
      const nearest = a.or(a.gt(fraction, half), a.and(a.eq(fraction, half), a.gt(exponent, 0)));
      const above = round === "up" ? a.gt(fraction, 0) : round === "down" ? a.lt(fraction, 0) : nearest;
      const limit = saturate ? SINGLE.exponents - 1 : SINGLE.exponents;
      const more = a.select(a.and(above, a.lt(exponent, limit)), a.constantLike(exponent, 1), a.constantLike(exponent, 0));
      return cast(a.add(exponent, more), "uint8");
    }),
});
