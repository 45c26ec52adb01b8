/** Pooling and resizing. */
import type { OpCase } from "../maker.ts";

interface PoolCase {
  readonly dims: readonly number[];
  readonly kernel: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly ceilMode?: boolean;
}

const POOLS: Readonly<Record<string, PoolCase>> = {
  "2x2": { dims: [1, 5, 8, 9], kernel: [2, 2], strides: [2, 2] },
  "3x3 padded": { dims: [2, 16, 9, 7], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  "3x3 ceil": { dims: [1, 3, 8, 9], kernel: [3, 3], strides: [2, 2], ceilMode: true },
  "3x3 ceil padded": { dims: [1, 3, 10, 11], kernel: [3, 3], strides: [3, 3], pads: [1, 1, 1, 1], ceilMode: true },
  "uneven pads": { dims: [1, 8, 7, 7], kernel: [3, 2], strides: [1, 2], pads: [1, 0, 0, 1] },
  dilated: { dims: [1, 3, 11, 12], kernel: [3, 2], dilations: [2, 3] },
  "1-d": { dims: [2, 3, 19], kernel: [4], strides: [3], pads: [1, 1] },
  "3-d": { dims: [1, 2, 5, 6, 7], kernel: [2, 3, 2], strides: [1, 2, 2] },
};

const pools = Object.entries(POOLS).flatMap(([name, c]): OpCase[] => {
  const ones = c.kernel.map(() => 1);
  const attrs = {
    kernel: c.kernel,
    strides: c.strides ?? ones,
    dilations: c.dilations ?? ones,
    pads: c.pads ?? [...c.kernel, ...c.kernel].map(() => 0),
    ceilMode: c.ceilMode ?? false,
  };
  return [
    { name: `maxPool ${name}`, build: (m) => m.op("maxPool", [m.x(c.dims)], attrs) },
    { name: `averagePool ${name}`, build: (m) => m.op("averagePool", [m.x(c.dims)], { ...attrs, countIncludePad: false }) },
    { name: `averagePool with pads ${name}`, build: (m) => m.op("averagePool", [m.x(c.dims)], { ...attrs, countIncludePad: true }) },
  ];
});

const COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"];
const SIZES: readonly (readonly number[])[] = [
  [1, 3, 9, 14],
  [1, 3, 3, 5],
];

const resizes = COORDINATES.flatMap((coordinates) =>
  SIZES.flatMap((size) =>
    ["nearest", "linear", "cubic"].map((mode): OpCase => ({
      name: `resize ${mode} ${coordinates} to ${size.slice(2).join("x")}`,
      build: (m) => m.op("resize", [m.x([1, 3, 5, 7]), undefined, m.i64(size)], { mode, coordinates }),
    })),
  ),
);

const nearest = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearestMode): OpCase => ({
  name: `resize nearest ${nearestMode}`,
  build: (m) => m.op("resize", [m.x([1, 2, 4, 6]), m.f32([1, 1, 1.5, 0.7])], { mode: "nearest", nearestMode }),
}));

export const WINDOW_CASES: readonly OpCase[] = [...pools, ...resizes, ...nearest];
