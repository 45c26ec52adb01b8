/** Rates of machines, printed by `npm run bench:int8-rates` on one of each. */
import type { Family, Line, Rates } from "./rates.ts";

const AVX2: Rates = {
  convs: {
    pointwise: {
      float: [19.6, 141, 6.3, 193],
      floatByte: [20.7, 160, 0, 133],
      byte: [12.9, 111, 35.7, 45],
      byteFloat: [13, 44.6, 36.7, 22.9],
    },
    small: {
      float: [5.94, 207, 307, 758],
      floatByte: [5.85, 383, 279, 790],
      byte: [3.39, 395, 240, 277],
      byteFloat: [3.34, 301, 264, 276],
    },
    dense: {
      float: [19.5, 0, 132, 138],
      floatByte: [19.7, 0, 172, 131],
      byte: [13.4, 0, 66.1, 7.31],
      byteFloat: [13.5, 0, 28.3, 0],
    },
    first: {
      float: [20.5, 0, 324, 0],
      floatByte: [21.1, 181, 307, 0],
      byte: [19.6, 28, 620, 0],
      byteFloat: [18.5, 0, 626, 0],
    },
    depthwise: {
      float: [19.7, 0, 43.3, 0],
      floatByte: [20, 133, 19, 0],
      byte: [17.4, 106, 44.9, 520],
      byteFloat: [15.5, 58.1, 45.3, 236],
    },
  },
  passes: {
    quantise: 157,
    dequantise: 76.7,
    addFloat: 118,
    addByte: 227,
    moveFloat: 83.7,
    moveByte: 64,
    poolFloat: 855,
    poolByte: 760,
  },
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
      float: [63.5, 67.2, 90.4, 541],
      floatByte: [64.1, 245, 122, 465],
      byte: [26.7, 210, 176, 207],
      byteFloat: [27.2, 99.9, 191, 198],
    },
    small: {
      float: [17.1, 0, 1630, 2220],
      floatByte: [16.7, 0, 1800, 2240],
      byte: [7.76, 744, 482, 462],
      byteFloat: [7.69, 665, 481, 436],
    },
    dense: {
      float: [68.1, 0, 68.9, 263],
      floatByte: [68.7, 0, 120, 279],
      byte: [28.8, 0, 149, 0],
      byteFloat: [29.2, 0, 109, 0],
    },
    first: {
      float: [79.3, 226, 504, 0],
      floatByte: [82.3, 472, 470, 0],
      byte: [43, 323, 759, 0],
      byteFloat: [45.9, 192, 749, 0],
    },
    depthwise: {
      float: [50.9, 126, 83.1, 0],
      floatByte: [94.2, 0, 92.1, 0],
      byte: [44.4, 171, 71.6, 2330],
      byteFloat: [42.9, 104, 75.5, 2600],
    },
  },
  passes: {
    quantise: 280,
    dequantise: 166,
    addFloat: 146,
    addByte: 460,
    moveFloat: 162,
    moveByte: 156,
    poolFloat: 3950,
    poolByte: 3910,
  },
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
