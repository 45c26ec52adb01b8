/** From ranges to scales and zero points, and from float weights to int8 ones. */
import { MOST_BIAS, roundEven, type ByteScale } from "../passes/integer-parts.ts";
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

/**
 * Symmetric int8 weights, each output channel (the outermost axis) with its own scale. A channel whose weights are all zero, or so
 * small beside its bias that the bias would overflow int32 in units of the products, gets the least scale at which it does not.
 */
export function quantizeWeights(w: Tensor, bias: Float32Array | undefined, inputScale: number): QuantizedWeights {
  const channels = w.dims[0] ?? 1;
  const source = w.data as Float32Array;
  const each = source.length / channels;
  const data = new Int8Array(source.length);
  const scales = Array.from({ length: channels }, (_, c) => {
    const own = source.subarray(c * each, (c + 1) * each);
    const largest = own.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    // Enough for the bound to hold when the scale is rounded to float32.
    const least = (Math.abs(bias?.[c] ?? 0) / (MOST_BIAS * inputScale)) * (1 + 2 ** -23);
    const scale = Math.fround(Math.max(largest / 127, least)) || 1;
    own.forEach((v, i) => (data[c * each + i] = Math.max(-127, Math.min(127, roundEven(v / scale)))));
    return scale;
  });
  return { data, scales };
}

/** A bias in units of the products, as an integer that leaves room for their sum. */
export const boundedBias = (units: number): number => Math.max(-MOST_BIAS, Math.min(MOST_BIAS, roundEven(units)));
