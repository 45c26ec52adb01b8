import { add, binary, bitcast, cast, compare, div, fma, mul, select, sub } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { UnaryRule } from "../rule.ts";
import { below, isFloat32, isFloat64, like, polynomial, toBits } from "./like.ts";

interface Format {
  readonly fractionBits: number | bigint;
  /** Bits of √½, rounded down. */
  readonly rootHalf: number | bigint;
  readonly smallestNormal: number;
  /** A power of two that brings subnormal numbers into the normal range. */
  readonly lift: number;
  /** Terms of the series of log((1+s)/(1−s)) / 2s in s². */
  readonly terms: number;
  readonly ln2: readonly [number, number];
}

const FORMATS: Record<"float32" | "float64", Format> = {
  float32: {
    fractionBits: 23,
    rootHalf: 0x3f3504f3,
    smallestNormal: 2 ** -126,
    lift: 24,
    terms: 5,
    ln2: [0.693359375, Math.LN2 - 0.693359375],
  },
  float64: {
    fractionBits: 52n,
    rootHalf: 0x3fe6a09e667f3bcdn,
    smallestNormal: 2 ** -1022,
    lift: 54,
    terms: 11,
    ln2: [Math.fround(Math.LN2), -1.904654299957768e-9],
  },
};

/** log x = e·ln 2 + log m, with m in [√½, √2) and log m = 2·artanh((m − 1) / (m + 1)) by its series. */
export const logRule: UnaryRule = (a, once) => {
  if (!isFloat32(a) && !isFloat64(a)) return undefined;
  const wide = isFloat64(a);
  const f = FORMATS[wide ? "float64" : "float32"];
  const x = once(a);
  const lifted = once(below(x, f.smallestNormal, mul(x, like(x, 2 ** f.lift)), x));
  const bits = toBits(lifted);
  const shift = like(bits, f.fractionBits);
  const e = once(binary("shr", sub(bits, like(bits, f.rootHalf)), shift));
  const m = once(bitcast(sub(bits, binary("shl", e, shift)), wide ? "float64" : "float32"));
  const s = once(div(sub(m, like(m, 1)), add(m, like(m, 1))));
  const z = once(mul(s, s));
  const series = polynomial(
    z,
    Array.from({ length: f.terms }, (_, k) => 2 / (2 * k + 1)),
  );
  const whole = cast(wide ? cast(e, "int32") : e, wide ? "float64" : "float32");
  const exponent = once(sub(whole, below(x, f.smallestNormal, like(x, f.lift), like(x, 0))));
  const [hi, lo] = f.ln2;
  const result = fma(exponent, like(x, hi), fma(s, series, mul(exponent, like(x, lo))));
  return special(x, result);
};

/** log of 0 is −∞, of negative numbers NaN, of ∞ and NaN themselves. */
function special(x: Expr, result: Expr): Expr {
  const positive = select(compare("lt", x, like(x, Infinity)), result, x);
  const zeroOrLess = select(compare("eq", x, like(x, 0)), like(x, -Infinity), like(x, NaN));
  return select(compare("le", x, like(x, 0)), zeroOrLess, positive);
}
