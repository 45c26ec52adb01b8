/**
 * Bias correction (Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019): rounding the
 * weights of an output channel moves the mean of what it gives, by the rounding errors' sum weighted with the means of the inputs. That
 * is taken from its bias. The means are measured, not derived from batch normalisation. Padding, whose input is zero, is not considered.
 */
import type { Tensor } from "../tensor/tensor.ts";
import { boundedBias, type QuantizedWeights } from "./scale.ts";

/** Means of the channels of what convolutions read, by the values' names. */
export type Means = ReadonlyMap<string, readonly number[]>;

/**
 * By how much rounding moves the mean of each output channel.
 * @param weights [output channel, input channel of the group, …], row by row
 * @param means of the input's channels: as many as weights of an output channel have, or for a depthwise convolution as output channels
 */
export function meanShift(
  weights: Float32Array,
  perGroup: number,
  { data, scales }: QuantizedWeights,
  means: readonly number[],
): readonly number[] {
  const each = weights.length / scales.length;
  const kernel = each / perGroup;
  return scales.map((scale, o) => {
    let shift = 0;
    for (let i = 0; i < perGroup; i++) {
      let rounding = 0;
      for (let at = o * each + i * kernel, end = at + kernel; at < end; at++) rounding += (data[at] ?? 0) * scale - (weights[at] ?? 0);
      shift += rounding * (means[perGroup === 1 && means.length === scales.length ? o : i] ?? 0);
    }
    return shift;
  });
}

/** The biases of a convolution in units of its products, corrected where the means of its input's channels are given. */
export function integerBias(
  w: Tensor,
  bias: Float32Array | undefined,
  quantized: QuantizedWeights,
  inputScale: number,
  means: readonly number[] | undefined,
): Int32Array<ArrayBuffer> {
  const shift = means && meanShift(w.data as Float32Array, w.dims[1] ?? 1, quantized, means);
  return Int32Array.from(quantized.scales, (s, c) => boundedBias(((bias?.[c] ?? 0) - (shift?.[c] ?? 0)) / (inputScale * s)));
}
