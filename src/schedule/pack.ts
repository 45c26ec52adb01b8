/** Rearranges constant weights at compile time. */
import type { Tensor } from "../tensor/tensor.ts";

interface PackedConv {
  readonly data: Float32Array<ArrayBuffer>;
  /** Output channel blocks. */
  readonly blocks: number;
  /** Input channels of one inner run. */
  readonly inner: number;
}

/**
 * [O, I, KH, KW] to [O/block][I/inner][KH][KW][inner][block], zero where channels are missing. `inner` divides the input
 * channels into the blocks in which the input lies.
 */
export function packConv(w: Tensor, block: number, inner: number): PackedConv {
  const [o = 1, i = 1, kh = 1, kw = 1] = w.dims;
  const blocks = Math.ceil(o / block);
  const runs = Math.ceil(i / inner);
  const data = new Float32Array(blocks * runs * kh * kw * inner * block);
  const source = w.data as Float32Array;
  const taps = kh * kw;
  for (let oc = 0; oc < o; oc++) {
    for (let ic = 0; ic < i; ic++) {
      for (let k = 0; k < taps; k++) {
        const run = (Math.floor(oc / block) * runs + Math.floor(ic / inner)) * taps + k;
        data[(run * inner + (ic % inner)) * block + (oc % block)] = source[(oc * i + ic) * taps + k] ?? 0;
      }
    }
  }
  return { data, blocks, inner };
}
