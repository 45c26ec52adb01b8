/** From ranges to scales and zero points, and from float weights to int8 ones. */
import { MOST_BIAS, multiplier, roundEven, type ByteScale } from "../passes/integer-parts.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Values that are represented, both ends included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export type Scale = ByteScale;

/** The range of both, and of zero, which must be exact: padding and ReLU depend on it. */
export const joinRanges = (ranges: readonly Range[]): Range => ({
  min: Math.min(0, ...ranges.map((r) => r.min)),
  max: Math.max(0, ...ranges.map((r) => r.max)),
});

/** Below this a scale's reciprocal is not a float32. A tensor that is always zero has the scale 1. */
const LEAST_SCALE = 2 ** -120;

/** The uint8 scale that covers a range and has zero among its 256 values. */
export function scaleFor(range: Range): Scale {
  const { min, max } = joinRanges([range]);
  const scale = Math.fround((max - min) / 255);
  if (!(scale > LEAST_SCALE)) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-min / scale))) };
}

export interface QuantizedWeights {
  readonly data: Int8Array<ArrayBuffer>;
  /** One for each output channel, a float32: what is written for other tools is what the engine computes with. */
  readonly scales: readonly number[];
}

const number = new Float32Array(1);
const bits = new Uint32Array(number.buffer);

/** A positive float32 so many units in the last place larger. */
function larger(x: number, units: number): number {
  number[0] = x;
  bits[0] = (bits[0] ?? 0) + units;
  return number[0];
}

/** The least bfloat16 that is not below a positive float32. */
function toBFloat16Up(x: number): number {
  number[0] = x;
  bits[0] = ((bits[0] ?? 0) + 0xffff) & 0xffff0000;
  return number[0];
}

const STEP_OF_BFLOAT16 = 2 ** 16;
/** Multipliers that are tried, each 2^-7 to 2^-8 larger than the last, and scales beside the quotient, which may round past one. */
const TRIES = 24;
const BESIDE = [0, 1, -1, 2, -2, 3, -3];

/**
 * The least scale of weights, but for rounding, that is not below `least` and whose multiplier is a bfloat16: kept in half the bytes it
 * is exactly what others compute from the scales. Steps grow by less than 1% in the mean. `least` when there is none.
 */
function scaleOfHalf(least: number, { input, output }: ProductScales): number {
  let m = toBFloat16Up(multiplier(input, least, output));
  for (let i = 0; i < TRIES; i++, m = larger(m, STEP_OF_BFLOAT16)) {
    const guess = Math.fround((m * output) / input);
    const found = BESIDE.map((units) => larger(guess, units)).find((s) => s >= least && multiplier(input, s, output) === m);
    if (found !== undefined) return found;
  }
  return least;
}

/** The steps of each output channel's int8 weights: 127 of them are its largest. */
export function weightSteps({ dims: [channels = 1], data }: Tensor): readonly number[] {
  const each = data.length / channels;
  const all = data as Float32Array;
  return Array.from({ length: channels }, (_, c) => {
    let largest = 0;
    for (let i = c * each; i < (c + 1) * each; i++) largest = Math.max(largest, Math.abs(all[i] ?? 0));
    return largest / 127;
  });
}

/** Of what weights are multiplied with, and of the sums as they are handed on: 1 where those are floats. */
export interface ProductScales {
  readonly input: number;
  readonly output: number;
}

/**
 * Symmetric int8 weights, each output channel (the outermost axis) with its own scale, chosen so that its multiplier is a bfloat16. A
 * channel whose weights are all zero, or so small beside its bias that the bias would overflow int32 in units of the products, gets the
 * least scale at which it does not.
 */
export function quantizeWeights(w: Tensor, bias: Float32Array | undefined, by: ProductScales): QuantizedWeights {
  const source = w.data as Float32Array;
  const steps = weightSteps(w);
  const each = source.length / steps.length;
  const data = new Int8Array(source.length);
  const scales = steps.map((step, c) => {
    // Enough for the bound to hold when the scale is rounded to float32.
    const least = (Math.abs(bias?.[c] ?? 0) / (MOST_BIAS * by.input)) * (1 + 2 ** -23);
    const scale = scaleOfHalf(Math.fround(Math.max(step, least)) || 1, by);
    for (let i = c * each; i < (c + 1) * each; i++) data[i] = Math.max(-127, Math.min(127, roundEven((source[i] ?? 0) / scale)));
    return scale;
  });
  return { data, scales };
}

/** A bias in units of the products, as an integer that leaves room for their sum. */
export const boundedBias = (units: number): number => Math.max(-MOST_BIAS, Math.min(MOST_BIAS, roundEven(units)));
