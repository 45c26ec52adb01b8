/**
 * Winograd's F(4×4, 3×3) in integers, exactly (points 0, ±1, ±2 and infinity of Lavin and Gray, CVPR 2016). Inputs of nine bits
 * grow at most a hundredfold and fit int16. The rows of G, which are fractions in the paper, are scaled by 24, -6, -6, 24, 24 and 6
 * to small integers, and the inverse transform takes the scales away: it gives 576 times the sum, a multiple of 576 = 64 · 9, in
 * arithmetic modulo 2^32. There 9 has an inverse, and what remains is a shift, exact as long as 64 times the sum fits int32.
 */
import { add, binary, constant, mul, sub } from "../../loop/expr.ts";
import type { Expr } from "../../loop/types.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { must } from "../../util/errors.ts";
import type { six, Transform } from "../winograd.ts";

type Six = ReturnType<typeof six>;

const times = (v: Expr, factor: number): Expr => mul(v, constant(factor, v.type.dtype, v.type.lanes));
const shifted = (op: "shl" | "shr", v: Expr, by: number): Expr => (by === 0 ? v : binary(op, v, constant(by, v.type.dtype, v.type.lanes)));
const part = (parts: readonly Expr[], i: number): Expr => must(parts[i], "a part of a transform");

/** One axis of Bᵀ·d·B: six inputs to six, each at most ten times as large. */
export function transformInput(d: Six): Transform {
  return {
    parts: [sub(d[4], times(d[2], 4)), sub(d[3], times(d[1], 4)), sub(d[4], d[2]), times(sub(d[3], d[1]), 2)],
    results: (p) => {
      const [even, odd, near, twice] = [part(p, 0), part(p, 1), part(p, 2), part(p, 3)];
      return [
        add(times(sub(d[0], d[2]), 4), near),
        add(even, odd),
        sub(even, odd),
        add(near, twice),
        sub(near, twice),
        sub(sub(d[5], d[3]), times(twice, 2)),
      ];
    },
  };
}

/** One axis of G·g·Gᵀ, scaled: three taps to six, each at most seven times as large. */
export function transformTaps(g: readonly [Expr, Expr, Expr]): Transform {
  return {
    parts: [add(g[0], g[2]), add(g[0], times(g[2], 4)), times(g[1], 2)],
    results: (p) => {
      const [sum, wide, twice] = [part(p, 0), part(p, 1), part(p, 2)];
      return [times(g[0], 6), add(sum, g[1]), sub(sum, g[1]), add(wide, twice), sub(wide, twice), times(g[2], 6)];
    },
  };
}

/** The powers of two that the rows of the inverse transform have in common. */
const SHIFTS = [0, 1, 2, 2] as const;

/** One axis of Aᵀ·m·A, scaled: six sums of products to four, which are still to be multiplied by the powers of SHIFTS. */
function inverse(m: Six): Transform {
  return {
    parts: [add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4])],
    results: (p) => {
      const [sum, difference, sum2, difference2] = [part(p, 0), part(p, 1), part(p, 2), part(p, 3)];
      return [
        sub(add(m[0], sum2), times(sum, 4)),
        sub(difference2, times(difference, 2)),
        sub(sum2, sum),
        add(sub(times(difference2, 2), difference), m[5]),
      ];
    },
  };
}

/** The first axis of the inverse transform. */
export function transformColumn(m: Six): Transform {
  const t = inverse(m);
  return { ...t, results: (p) => t.results(p).map((e, i) => shifted("shl", e, SHIFTS[i] ?? 0)) };
}

/** 9 · NINTH = 1 modulo 2^32. */
const NINTH = 954437177;
/** The scales of both axes are 24² = 2^SCALE · 9. */
const SCALE = 6;

/** The second axis, and the division: four sums of the convolution. */
export function transformRow(m: Six): Transform {
  const t = inverse(m);
  return { ...t, results: (p) => t.results(p).map((e, i) => shifted("shr", times(e, NINTH), SCALE - (SHIFTS[i] ?? 0))) };
}

/** What transformed weights grow by at most. */
const GROWTH = 49;

/** Whether every sum of (x - zero) · w, of any x, is one that the division gives back, and every transformed weight fits int16. */
export function isExact(w: Tensor, zero: number): boolean {
  const [o = 1] = w.dims;
  const each = w.data.length / o;
  const bound = 2 ** (31 - SCALE);
  for (let oc = 0; oc < o; oc++) {
    let [most, least] = [0, 0];
    for (let i = 0; i < each; i++) {
      const v = Number(w.data[oc * each + i]);
      if (Math.abs(v) * GROWTH > 32767) return false;
      most += v > 0 ? v * (255 - zero) : -v * zero;
      least += v > 0 ? -v * zero : v * (255 - zero);
    }
    if (most >= bound || least < -bound) return false;
  }
  return true;
}
