/** TFLite's fixed-point arithmetic on known numbers: multipliers from scales (quantization_util.cc), and exponentials (gemmlowp, fixedpoint.h). */
import { HoneError } from "../../../util/errors.ts";

/** A positive number as `multiplier` · 2^-31 · left · scale, the multiplier of 31 bits, the others powers of two. */
export interface FixedPoint {
  readonly multiplier: number;
  /** At most one. */
  readonly scale: number;
  /** At least one. */
  readonly left: number;
}

/** To the nearest integer, halves away from zero. */
export const roundAway = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/** x = fraction · 2^exponent with the fraction in [0.5, 1), for a positive normal x. */
function split(x: number): readonly [fraction: number, exponent: number] {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, x);
  const exponent = ((bits.getUint16(0) >> 4) & 0x7ff) - 1022;
  return [x / 2 ** exponent, exponent];
}

/** The multiplier of a real number. Throws `model.damaged` for one that is not positive, or that TFLite refuses. */
export function fixedPoint(real: number): FixedPoint {
  if (!(real > 0) || !Number.isFinite(real)) throw new HoneError("model.damaged", `the scales give the multiplier ${real}`);
  const [fraction, exponent] = split(real);
  const rounded = roundAway(fraction * 2 ** 31);
  const [multiplier, shift] = rounded === 2 ** 31 ? [2 ** 30, exponent + 1] : [rounded, exponent];
  if (shift < -31) return { multiplier: 0, scale: 1, left: 1 };
  if (shift > 30) throw new HoneError("model.unsupported", `the scales give the multiplier ${real}`);
  return { multiplier, scale: 2 ** Math.min(shift, 0), left: 2 ** Math.max(shift, 0) };
}

/** (x · y + 2^30) >> 31. */
const highProduct = (x: number, y: number): number => Number((BigInt(x) * BigInt(y) + 2n ** 30n) >> 31n);

/** x · scale, halves away from zero. */
const scaledDown = (x: number, scale: number): number => roundAway(x * scale);

/** An int32 by a multiplier, as the ops do it. */
export const multiplied = (x: number, m: FixedPoint): number => scaledDown(highProduct(Math.imul(x, m.left), m.multiplier), m.scale);

/** Like `multiplied`, but with the multiplier of a mean: divided by `count` with as many bits as there are. */
export function meanMultiplier(m: FixedPoint, count: number): FixedPoint {
  const shift = Math.log2(m.left * m.scale);
  const more = Math.min(Math.floor(Math.log2(count)), 32, 31 + shift);
  const multiplier = Number((BigInt(m.multiplier) << BigInt(more)) / BigInt(count));
  return { multiplier, scale: 2 ** Math.min(shift - more, 0), left: 2 ** Math.max(shift - more, 0) };
}

/** x · 2^by within int32. */
function saturatingShift(x: number, by: number): number {
  const most = 2 ** (31 - by) - 1;
  if (x > most) return 2 ** 31 - 1;
  return x < -most ? -(2 ** 31) : x * 2 ** by;
}

/** e^x for x in [-1/4, 0), both with 31 bits after the point: Taylor's series around -1/8. */
function exponentialNearZero(x: number): number {
  const centre = 1895147668;
  const third = 715827883;
  const t = x + 2 ** 28;
  const t2 = highProduct(t, t);
  const t3 = highProduct(t2, t);
  const t4 = scaledDown(highProduct(t2, t2), 1 / 4);
  const tail = scaledDown(highProduct(t4 + t3, third) + t2, 1 / 2);
  return centre + highProduct(centre, t + tail);
}

/** e^(-1/4), e^(-1/2), … e^(-16) with 31 bits after the point. */
const POWERS = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242];
/** Bits after the point of what is exponentiated. */
const FRACTION_BITS = 26;

/** e^x for x <= 0 with 26 bits after the point, as 31 bits after the point. */
function exponential(x: number): number {
  if (x === 0) return 2 ** 31 - 1;
  const quarter = 2 ** (FRACTION_BITS - 2);
  const rest = (x & (quarter - 1)) - quarter;
  const whole = rest - x;
  return POWERS.reduce(
    (result, power, i) => ((whole & (2 ** (FRACTION_BITS - 2 + i))) === 0 ? result : highProduct(result, power)),
    exponentialNearZero(saturatingShift(rest, 5)),
  );
}

/** Bits after the point of summands: 12 are left before it. */
const SUM_BITS = 19;

/**
 * Of e^(-beta · scale · d) for d = 0 … 255: with 31 bits after the point, and with 19. Far below zero they are zero.
 */
export function exponentialTables(
  beta: number,
  scale: number,
): { readonly exponentials: Int32Array<ArrayBuffer>; readonly summands: Int32Array<ArrayBuffer> } {
  const m = fixedPoint(Math.min(beta * scale * 2 ** FRACTION_BITS, 2 ** 31 - 1));
  if (m.scale < 1) throw new HoneError("model.unsupported", `a softmax of values in steps of ${scale}`);
  const farthest = Math.floor((31 * 2 ** FRACTION_BITS) / m.left);
  const exponentials = Int32Array.from({ length: 256 }, (_, d) =>
    d > farthest ? 0 : exponential(highProduct(Math.imul(-d, m.left), m.multiplier)),
  );
  return { exponentials, summands: exponentials.map((e) => scaledDown(e, 2 ** (SUM_BITS - 31))) };
}
