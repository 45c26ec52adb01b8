/** Rates of machines, printed by `npm run bench:int8-rates` on one of each. */
import type { Family, Line, Rates } from "./rates.ts";

const AVX2: Rates = {
  convs: {
    pointwise: {
      float: [20.4, 93.8, 0.0285, 119],
      floatByte: [20.7, 150, 0, 114],
      byte: [12.9, 195, 33.8, 21.1],
      byteFloat: [13, 56, 29, 20.1],
    },
    small: {
      float: [5.74, 140, 446, 922],
      floatByte: [5.49, 319, 393, 982],
      byte: [3.37, 405, 251, 280],
      byteFloat: [3.35, 317, 258, 272],
    },
    dense: { float: [19.6, 0, 137, 319], floatByte: [19.8, 0, 140, 328], byte: [13.3, 0, 114, 9.49], byteFloat: [13.5, 0, 31.3, 0] },
    first: { float: [20.5, 12.8, 333, 0], floatByte: [20.8, 193, 290, 0], byte: [18.2, 172, 495, 0], byteFloat: [18.2, 15.6, 499, 0] },
    depthwise: {
      float: [19.2, 14.2, 42.8, 0],
      floatByte: [20.2, 126, 22, 0],
      byte: [17.2, 127, 46, 400],
      byteFloat: [16.4, 60.2, 42.5, 200],
    },
  },
  passes: { quantise: 136, dequantise: 83.3, addFloat: 199, addByte: 253, moveFloat: 87.8, moveByte: 64.4, poolFloat: 876, poolByte: 795 },
  halves: true,
};

/**
 * A machine that multiplies four bytes at once was not at hand. Beside AVX2 it does twice the float32 and, at the 93% of vpdpbusd's
 * peak that the tile reaches, seven times the bytes; what memory and epilogues take is assumed to be the same. Of a depthwise
 * kernel, whose interleaving takes one port, llvm-mca says 18 cycles of Ice Lake for a row of 12 × 16 sums, and 13 for 8 × 8 with
 * AVX2. There is no use for Winograd's way in integers: 3×3 layers are as the other dense ones.
 */
function withDot4({ convs, ...rest }: Rates): Rates {
  const faster = ([mac, ...rest]: Line, by: number): Line => [mac / by, ...rest];
  const family = (f: Rates["convs"][Family], bytes: number): Rates["convs"][Family] => ({
    float: faster(f.float, 2),
    floatByte: faster(f.floatByte, 2),
    byte: faster(f.byte, bytes),
    byteFloat: faster(f.byteFloat, bytes),
  });
  const { pointwise, small, dense, first, depthwise } = convs;
  return {
    convs: {
      pointwise: family(pointwise, 5.5),
      small: family({ ...small, byte: dense.byte, byteFloat: dense.byteFloat }, 5.5),
      dense: family(dense, 5.5),
      first: family(first, 5.5),
      depthwise: family(depthwise, 2),
    },
    ...rest,
  };
}

/** Of 128-bit vectors in Node, without relaxed instructions: `npm run bench:int8-rates -- --wasm`. */
const WASM: Rates = {
  convs: {
    pointwise: {
      float: [64, 74.1, 113, 648],
      floatByte: [64.6, 135, 75.9, 458],
      byte: [34.6, 211, 101, 294],
      byteFloat: [34.7, 113, 88.1, 283],
    },
    small: {
      float: [17.2, 0, 1690, 2280],
      floatByte: [17.2, 0, 1790, 2730],
      byte: [8.06, 637, 573, 429],
      byteFloat: [7.94, 631, 517, 417],
    },
    dense: { float: [70.7, 0, 0, 529], floatByte: [69.8, 0, 27.5, 455], byte: [37.8, 0, 84.8, 87.5], byteFloat: [37.8, 0, 25.1, 111] },
    first: { float: [91.6, 0, 520, 0], floatByte: [93.5, 0, 725, 0], byte: [49, 218, 856, 0], byteFloat: [49.9, 115, 854, 0] },
    depthwise: {
      float: [50.3, 125, 95.8, 0],
      floatByte: [95, 0, 97.5, 0],
      byte: [42.8, 200, 71, 2480],
      byteFloat: [40.2, 180, 74.6, 2260],
    },
  },
  passes: { quantise: 273, dequantise: 227, addFloat: 156, addByte: 677, moveFloat: 174, moveByte: 156, poolFloat: 3970, poolByte: 3910 },
  halves: false,
};

/** By the machine's name. On machines that are not here every layer becomes int8 that can. */
export const RATES: Readonly<Record<string, Rates>> = {
  avx2: AVX2,
  avx512: AVX2,
  avxvnni: withDot4(AVX2),
  avx512vnni: withDot4(AVX2),
  wasm: WASM,
};
