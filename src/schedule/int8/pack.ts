/** Rearranges constant int8 or int16 weights at compile time. */
import { zeros, type Tensor } from "../../tensor/tensor.ts";

/**
 * [O, I, KH, KW] to [O/block][I/inner][KH][KW][inner/group][block][group], zero where channels are missing: the `group` input
 * channels that one dot product takes lie together.
 */
export function packInt8(w: Tensor, block: number, inner: number, group: number): Tensor {
  const [o = 1, i = 1, kh = 1, kw = 1] = w.dims;
  const [blocks, runs, taps] = [Math.ceil(o / block), Math.ceil(i / inner), kh * kw];
  const packed = zeros(w.type, [blocks * runs * taps * inner * block]);
  const data = packed.data as Int8Array | Int16Array;
  const source = w.data as Int8Array | Int16Array;
  for (let oc = 0; oc < o; oc++) {
    for (let ic = 0; ic < i; ic++) {
      const within = ic % inner;
      const lane = (Math.floor(within / group) * block + (oc % block)) * group + (within % group);
      const run = (Math.floor(oc / block) * runs + Math.floor(ic / inner)) * taps;
      for (let k = 0; k < taps; k++) data[(run + k) * inner * block + lane] = source[(oc * i + ic) * taps + k] ?? 0;
    }
  }
  return packed;
}

/** Σ w over everything but the output channel. */
export function weightSums(w: Tensor): readonly number[] {
  const [o = 1] = w.dims;
  const each = w.data.length / o;
  const source = w.data as Int8Array;
  return Array.from({ length: o }, (_, oc) => source.subarray(oc * each, (oc + 1) * each).reduce((sum, v) => sum + v, 0));
}
