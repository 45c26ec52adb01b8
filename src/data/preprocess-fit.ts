/** The mean and scale of a normalisation, from pixels and the values that became of them. */
import type { Preprocess } from "../engine/recipe.ts";

/** How far a variant is from the reference, in grey levels (1/255 of a channel's range). */
export interface Distance {
  readonly mean: number;
  readonly max: number;
}

/** One channel: pixels of the resized image with the reference's values for them, and the values around the image. */
export interface Samples {
  readonly pixels: Float64Array;
  readonly values: Float64Array;
  readonly rest: Float64Array;
}

/** value = (pixel − mean) / std */
export interface Line {
  readonly mean: number;
  readonly std: number;
}

type Three = readonly [number, number, number];

/** What people normalise by, in the order R, G, B. */
const KNOWN: readonly (readonly [mean: Three, std: Three])[] = [
  [
    [0, 0, 0],
    [255, 255, 255],
  ],
  [
    [0, 0, 0],
    [1, 1, 1],
  ],
  [
    [127.5, 127.5, 127.5],
    [127.5, 127.5, 127.5],
  ],
  [
    [127.5, 127.5, 127.5],
    [128, 128, 128],
  ],
  [
    [127, 127, 127],
    [128, 128, 128],
  ],
  [
    [128, 128, 128],
    [128, 128, 128],
  ],
  [
    [123, 117, 104],
    [1, 1, 1],
  ],
  [
    [123.68, 116.78, 103.94],
    [1, 1, 1],
  ],
  [
    [123.675, 116.28, 103.53],
    [58.395, 57.12, 57.375],
  ],
  [
    [123.675, 116.28, 103.53],
    [1, 1, 1],
  ],
];

/** A known normalisation is taken when it is this near to the best line, in grey levels. */
const NEAR = 0.05;
const DIGITS = 5;

/**
 * The normalisation of three channels: a known one, or one of the hints, when it explains the values about as well as any line can; else the least
 * squares' own.
 */
export function fitChannel(samples: readonly Samples[], channels: Preprocess["channels"], hints: readonly Preprocess[]): Line[] {
  const moments = samples.map(momentsOf);
  const free = moments.map(leastSquares);
  const best = spread(moments, free);
  const inOrder = (three: Three): Three => (channels === "RGB" ? three : [three[2], three[1], three[0]]);
  const known = [
    ...hints.map((h) => linesOf(h.mean, h.std)),
    ...KNOWN.map(([mean, std]) => linesOf(inOrder(mean), inOrder(std))),
    // Constants in the other order than the channels: a mistake that a reference may have made.
    ...KNOWN.map(([mean, std]) => linesOf(inOrder([mean[2], mean[1], mean[0]]), inOrder([std[2], std[1], std[0]]))),
  ];
  return known.find((lines) => spread(moments, lines) <= best * 1.01 + NEAR) ?? free;
}

function linesOf(mean: Three, std: Three): Line[] {
  return mean.map((m, c) => ({ mean: m, std: std[c] ?? 1 }));
}

/** Sums over the pixels x and the values y of one channel. */
interface Moments {
  readonly n: number;
  readonly x: number;
  readonly y: number;
  readonly xx: number;
  readonly xy: number;
  readonly yy: number;
}

function momentsOf({ pixels, values }: Samples): Moments {
  let [x, y, xx, xy, yy] = [0, 0, 0, 0, 0];
  pixels.forEach((p, i) => {
    const v = values[i] ?? 0;
    x += p;
    y += v;
    xx += p * p;
    xy += p * v;
    yy += v * v;
  });
  return { n: Math.max(1, pixels.length), x, y, xx, xy, yy };
}

/** Least squares of value = slope · pixel + offset. A channel without contrast tells no scale: 1. */
function leastSquares({ n, x, y, xx, xy }: Moments): Line {
  const variance = xx - (x * x) / n;
  const slope = variance > 0 ? (xy - (x * y) / n) / variance : 0;
  if (!(Math.abs(slope) > 1e-9)) return { mean: (x - y) / n, std: 1 };
  const offset = (y - slope * x) / n;
  return { mean: rounded(-offset / slope), std: rounded(1 / slope) };
}

const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

/** Root of the mean squared difference of y · std + mean from x, in grey levels. */
function spread(moments: readonly Moments[], lines: readonly Line[]): number {
  const sums = moments.map(({ n, x, y, xx, xy, yy }, c) => {
    const { mean: m, std: s } = lines[c] ?? { mean: 0, std: 1 };
    return (s * s * yy + n * m * m + xx + 2 * s * m * y - 2 * s * xy - 2 * m * x) / n;
  });
  return Math.sqrt(Math.max(0, sums.reduce((a, b) => a + b, 0) / Math.max(1, sums.length)));
}

/** The letterbox's colour in the tensor's order of channels, and how far everything is from the reference. */
export function fitRest(samples: readonly Samples[], lines: readonly Line[]): { readonly fill: number[]; readonly distance: Distance } {
  let [sum, count, max] = [0, 0, 0];
  const add = (levels: number): void => {
    sum += levels;
    count++;
    if (levels > max) max = levels;
  };
  const fill = samples.map(({ pixels, values, rest }, c) => {
    const { mean, std } = lines[c] ?? { mean: 0, std: 1 };
    pixels.forEach((x, i) => {
      add(Math.abs((values[i] ?? 0) * std + mean - x));
    });
    const middle = rest.length === 0 ? 0 : (rest.toSorted()[rest.length >> 1] ?? 0) * std + mean;
    const level = Math.min(255, Math.max(0, Math.round(middle)));
    rest.forEach((v) => {
      add(Math.abs(v * std + mean - level));
    });
    return level;
  });
  return { fill, distance: { mean: sum / Math.max(1, count), max } };
}
