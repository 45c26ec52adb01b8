import { makeImage, type Image } from "../image.ts";

/** 32 bits less 8 of the pixel and 2 of headroom. */
const PRECISION = 22;

/** For every output position: the first source position, how many follow, and their weights of 22 bits, `window` apart. */
interface Kernel {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly window: number;
}

/** A filter: its value at a distance from the centre, and the distance from which it is 0. */
export interface PilFilter {
  readonly support: number;
  readonly at: (x: number) => number;
}

export const PIL_BILINEAR: PilFilter = { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Keys' cubic convolution with a = −0.5. */
export const PIL_BICUBIC: PilFilter = {
  support: 2,
  at(value) {
    const [x, a] = [Math.abs(value), -0.5];
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  },
};

/**
 * As Pillow's BILINEAR and BICUBIC do it: a filter that widens when the image shrinks (antialias), weights of 22 bits, columns first, rounded to
 * bytes, then rows. Equal to Pillow byte for byte.
 */
export function resizePil(source: Image, width: number, height: number, filter: PilFilter = PIL_BILINEAR): Image {
  const wide = width === source.width ? source : resizeColumns(source, width, filter);
  if (height !== source.height) return resizeRows(wide, height, filter);
  return wide === source ? makeImage(width, height, source.data.slice()) : wide;
}

function makeKernel(from: number, to: number, filter: PilFilter): Kernel {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const window = Math.ceil(support) * 2 + 1;
  const kernel = { first: new Int32Array(to), count: new Int32Array(to), weights: new Int32Array(to * window), window };
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - first;
    const weights = Array.from({ length: count }, (_, k) => filter.at((k + first - centre + 0.5) * (1 / stretch)));
    const total = weights.reduce((a, b) => a + b, 0);
    kernel.first[i] = first;
    kernel.count[i] = count;
    weights.forEach((w, k) => (kernel.weights[i * window + k] = roundAway((w / total) * 2 ** PRECISION)));
  }
  return kernel;
}

function roundAway(x: number): number {
  return Math.trunc(x < 0 ? x - 0.5 : x + 0.5);
}

function toByte(sum: number): number {
  return Math.min(255, Math.max(0, sum >> PRECISION));
}

function resizeColumns(source: Image, width: number, filter: PilFilter): Image {
  const target = makeImage(width, source.height);
  const { first, count, weights, window } = makeKernel(source.width, width, filter);
  const [from, to] = [source.data, target.data];
  for (let y = 0, o = 0; y < source.height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      let r = 1 << (PRECISION - 1);
      let g = r;
      let b = r;
      let at = (y * source.width + (first[x] ?? 0)) * 3;
      for (let k = x * window, end = k + (count[x] ?? 0); k < end; k++, at += 3) {
        const w = weights[k] ?? 0;
        r += (from[at] ?? 0) * w;
        g += (from[at + 1] ?? 0) * w;
        b += (from[at + 2] ?? 0) * w;
      }
      to[o] = toByte(r);
      to[o + 1] = toByte(g);
      to[o + 2] = toByte(b);
    }
  }
  return target;
}

function resizeRows(source: Image, height: number, filter: PilFilter): Image {
  const target = makeImage(source.width, height);
  const { first, count, weights, window } = makeKernel(source.height, height, filter);
  const stride = source.width * 3;
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(1 << (PRECISION - 1));
    for (let k = 0; k < (count[y] ?? 0); k++) {
      const w = weights[y * window + k] ?? 0;
      const at = ((first[y] ?? 0) + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] ?? 0) + (source.data[at + i] ?? 0) * w;
    }
    for (let i = 0; i < stride; i++) target.data[y * stride + i] = toByte(sums[i] ?? 0);
  }
  return target;
}
