/** Convolutions, alone and between others, whose layouts they then share. */
import type { Value } from "../../../src/ir/graph.ts";
import type { Maker, OpCase } from "../maker.ts";

interface ConvCase {
  readonly n?: number;
  readonly c: number;
  readonly o: number;
  readonly size: readonly number[];
  readonly k: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly group?: number;
  readonly bias?: boolean;
}

function conv(m: Maker, x: Value, c: Omit<ConvCase, "n" | "size">): Value {
  const { k, group = 1, bias = true } = c;
  const ones = k.map(() => 1);
  const attrs = {
    strides: c.strides ?? ones,
    dilations: c.dilations ?? ones,
    pads: c.pads ?? [...k, ...k].map(() => 0),
    group,
  };
  // As trained weights are: sums stay near one, so that the tolerance asks the same of few and of many products.
  const high = Math.sqrt(3 / k.reduce((product, d) => product * d, c.c / group));
  return m.op("conv", [x, m.w([c.o, c.c / group, ...k], { low: -high, high }), bias ? m.w([c.o]) : undefined], attrs);
}

const input = (m: Maker, c: ConvCase): Value => m.x([c.n ?? 1, c.c, ...c.size]);

const SHAPES: Readonly<Record<string, ConvCase>> = {
  "1x1": { c: 5, o: 7, size: [6, 9], k: [1, 1] },
  "1x1 whole blocks": { c: 16, o: 32, size: [7, 13], k: [1, 1] },
  "1x1 strided": { c: 9, o: 17, size: [7, 11], k: [1, 1], strides: [2, 3] },
  "1x1 batch 3": { n: 3, c: 8, o: 12, size: [5, 5], k: [1, 1] },
  "1x1 strided for many channels": { n: 2, c: 32, o: 136, size: [7, 11], k: [1, 1], strides: [2, 3] },
  "1x1 strided from a row": { c: 16, o: 128, size: [9, 13], k: [1, 1], strides: [3, 1] },
  "1x1 of many channels": { c: 528, o: 72, size: [12, 12], k: [1, 1] },
  "1x1 one pixel": { c: 33, o: 10, size: [1, 1], k: [1, 1] },
  "1x1 padded": { c: 8, o: 8, size: [4, 5], k: [1, 1], pads: [1, 0, 2, 1] },
  "3x3": { c: 3, o: 8, size: [9, 11], k: [3, 3], pads: [1, 1, 1, 1] },
  "3x3 no bias": { c: 8, o: 19, size: [10, 10], k: [3, 3], pads: [1, 1, 1, 1], bias: false },
  "3x3 many channels": { c: 24, o: 40, size: [8, 15], k: [3, 3], pads: [1, 1, 1, 1] },
  "3x3 strided": { c: 3, o: 16, size: [17, 14], k: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  "3x3 strided, padded at the end only": { c: 8, o: 16, size: [16, 16], k: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] },
  "3x3 dilated": { c: 4, o: 9, size: [12, 13], k: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3] },
  "3x3 uneven pads": { c: 8, o: 8, size: [7, 9], k: [3, 3], pads: [2, 0, 1, 3] },
  "3x3 smaller than the kernel": { c: 8, o: 8, size: [2, 1], k: [3, 3], pads: [1, 1, 1, 1] },
  "3x3 by Winograd": { c: 16, o: 32, size: [18, 21], k: [3, 3], pads: [1, 1, 1, 1] },
  "3x3 by Winograd, in strips": { c: 16, o: 8, size: [45, 48], k: [3, 3], pads: [1, 1, 1, 1] },
  "3x3 by Winograd, batch, odd blocks": { n: 2, c: 24, o: 19, size: [13, 10], k: [3, 3], pads: [1, 1, 1, 1], bias: false },
  "3x3 by Winograd, uneven pads": { c: 16, o: 24, size: [12, 15], k: [3, 3], pads: [2, 0, 0, 3] },
  "3x3 short rows": { c: 8, o: 56, size: [6, 7], k: [3, 3], strides: [2, 1], pads: [1, 1, 1, 1] },
  "5x5 strided": { c: 3, o: 24, size: [20, 19], k: [5, 5], strides: [2, 2], pads: [2, 2, 2, 2] },
  "7x7 stride 4": { c: 3, o: 8, size: [23, 30], k: [7, 7], strides: [4, 4], pads: [3, 3, 3, 3] },
  "1x5": { c: 6, o: 10, size: [5, 12], k: [1, 5], pads: [0, 2, 0, 2] },
  "4x2": { c: 8, o: 8, size: [9, 9], k: [4, 2], pads: [1, 0, 2, 1] },
  "large pads": { c: 3, o: 8, size: [4, 4], k: [3, 3], pads: [4, 5, 4, 5] },
  "one channel in": { c: 1, o: 8, size: [11, 7], k: [3, 3], pads: [1, 1, 1, 1] },
  "one channel out": { c: 16, o: 1, size: [11, 7], k: [3, 3], pads: [1, 1, 1, 1] },
  "two groups": { c: 8, o: 12, size: [7, 7], k: [3, 3], pads: [1, 1, 1, 1], group: 2 },
  "groups of whole blocks": { c: 16, o: 16, size: [7, 6], k: [1, 1], group: 2 },
  "depthwise 3x3": { c: 16, o: 16, size: [9, 10], k: [3, 3], pads: [1, 1, 1, 1], group: 16 },
  "depthwise odd channels": { c: 13, o: 13, size: [9, 10], k: [3, 3], pads: [1, 1, 1, 1], group: 13 },
  "depthwise strided": { c: 24, o: 24, size: [13, 12], k: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], group: 24 },
  "depthwise 5x5 dilated": { c: 8, o: 8, size: [14, 15], k: [5, 5], dilations: [2, 1], pads: [4, 2, 4, 2], group: 8 },
  "depthwise 5x5": { c: 16, o: 16, size: [11, 19], k: [5, 5], pads: [2, 2, 2, 2], group: 16 },
  "depthwise 7x7 strided": { c: 8, o: 8, size: [15, 23], k: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3], group: 8 },
  "depthwise with multiplier": { c: 6, o: 12, size: [8, 8], k: [3, 3], pads: [1, 1, 1, 1], group: 6 },
  "depthwise uneven pads": { c: 8, o: 8, size: [8, 9], k: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1], group: 8 },
  "1-d": { c: 5, o: 6, size: [23], k: [5], strides: [2], pads: [2, 1] },
  "3-d": { c: 3, o: 4, size: [5, 6, 7], k: [3, 2, 3], strides: [1, 2, 1], pads: [1, 0, 1, 1, 1, 1] },
};

const alone = Object.entries(SHAPES).map(([name, c]): OpCase => ({ name: `conv ${name}`, build: (m) => conv(m, input(m, c), c) }));

/** The same after a convolution, so that its input has blocked channels. */
const inside = Object.entries(SHAPES)
  .filter(([, c]) => c.size.length === 2)
  .map(([name, c]): OpCase => ({
    name: `conv after conv ${name}`,
    build: (m) => conv(m, conv(m, m.x([c.n ?? 1, 3, ...c.size]), { c: 3, o: c.c, k: [1, 1] }), c),
  }));

const around = (name: string, channels: number, f: (m: Maker, x: Value) => Value, size: readonly number[] = [9, 10]): OpCase => ({
  name: `between convs ${name}`,
  build: (m) => {
    const before = conv(m, m.x([1, 3, ...size]), { c: 3, o: channels, k: [3, 3], pads: [1, 1, 1, 1] });
    const middle = f(m, before);
    return conv(m, middle, { c: Number(middle.shape[1]), o: 11, k: [1, 1] });
  },
});

const window = { strides: [2, 2], dilations: [1, 1], pads: [1, 1, 1, 1], ceilMode: false };
const CHANNELS = [16, 13] as const;

const blocked = CHANNELS.flatMap((c): OpCase[] => [
  around(`relu, ${c} channels`, c, (m, x) => m.op("relu", [x])),
  around(`residual add, ${c} channels`, c, (m, x) => m.op("relu", [m.op("add", [x, conv(m, x, { c, o: c, k: [1, 1] })])])),
  around(
    `residual add to 3x3, ${c} channels`,
    c,
    (m, x) => m.op("relu", [m.op("add", [x, conv(m, x, { c, o: c, k: [3, 3], pads: [1, 1, 1, 1] })])]),
    [17, 16],
  ),
  around(`add of a plain input, ${c} channels`, c, (m, x) => m.op("add", [x, m.x([1, c, 9, 10])])),
  around(`scale by channel, ${c} channels`, c, (m, x) => m.op("mul", [x, m.w([1, c, 1, 1])])),
  around(`scale by row, ${c} channels`, c, (m, x) => m.op("mul", [x, m.w([9, 1])])),
  around(`prelu, ${c} channels`, c, (m, x) => m.op("prelu", [x, m.w([c, 1, 1])])),
  around(`squeeze and excite, ${c} channels`, c, (m, x) => {
    const pooled = m.op("reduceMean", [x], { axes: [2, 3], keepDims: true });
    return m.op("mul", [x, m.op("sigmoid", [conv(m, pooled, { c, o: c, k: [1, 1] })])]);
  }),
  around(`maxPool, ${c} channels`, c, (m, x) => m.op("maxPool", [x], { ...window, kernel: [3, 3] })),
  around(`averagePool, ${c} channels`, c, (m, x) => m.op("averagePool", [x], { ...window, kernel: [2, 3], countIncludePad: false })),
  around(`batchNorm, ${c} channels`, c, (m, x) =>
    m.op("batchNorm", [m.op("relu", [x]), m.w([c]), m.w([c]), m.w([c]), m.w([c], { low: 0.5, high: 2 })], { epsilon: 1e-5 }),
  ),
  around(`resize nearest, ${c} channels`, c, (m, x) =>
    m.op("resize", [x, m.f32([1, 1, 2, 2])], { mode: "nearest", coordinates: "asymmetric", nearestMode: "floor" }),
  ),
  around(`resize linear, ${c} channels`, c, (m, x) => m.op("resize", [x, m.f32([1, 1, 2, 1.5])], { mode: "linear" })),
  around(`concat, ${c} channels`, c, (m, x) => m.op("concat", [x, m.op("neg", [x])], { axis: 1 })),
  around(`concat of three, ${c} channels`, c, (m, x) => m.op("concat", [x, m.x([1, 5, 9, 10]), m.op("neg", [x])], { axis: 1 })),
  around(`concat along rows, ${c} channels`, c, (m, x) => m.op("concat", [x, m.op("neg", [x])], { axis: 2 })),
  around(`pad of space, ${c} channels`, c, (m, x) => m.op("pad", [x, m.i64([0, 0, 1, 2, 0, 0, 3, 1])])),
  around(`pad of channels, ${c} channels`, c, (m, x) => m.op("pad", [x, m.i64([0, 0, 0, 0, 0, 5, 0, 0])])),
  around(`slice of channels, ${c} channels`, c, (m, x) => m.op("slice", [x, m.i64([3]), m.i64([11]), m.i64([1])])),
  around(`slice of rows, ${c} channels`, c, (m, x) => m.op("slice", [x, m.i64([0]), m.i64([9]), m.i64([2]), m.i64([2])])),
  around(`transpose twice, ${c} channels`, c, (m, x) =>
    m.op("transpose", [m.op("sigmoid", [m.op("transpose", [x], { perm: [0, 2, 3, 1] })])], { perm: [0, 3, 1, 2] }),
  ),
  around(`channels taken in another order, ${c} channels`, c, (m, x) =>
    m.op("takeChannels", [x, m.op("neg", [x])], { channels: [...Array.from({ length: c }, (_, i) => 2 * i), 3, 2 * c - 1, 0] }),
  ),
  around(`some channels taken, ${c} channels`, c, (m, x) => m.op("takeChannels", [x], { channels: [4, 5, 6, 7, 8, 9, 10, 11, 12, 1] })),
  around(`softmax over channels, ${c} channels`, c, (m, x) => m.op("softmax", [x], { axis: 1 })),
  around(`channel shuffle, ${c} channels`, c, (m, x) => {
    const split = m.op("reshape", [x, m.i64([1, 1, c, 9, 10])]);
    return m.op("reshape", [m.op("transpose", [split], { perm: [0, 2, 1, 3, 4] }), m.i64([1, c, 9, 10])]);
  }),
]);

const chains: readonly OpCase[] = [
  {
    name: "conv, then clip, add, mul in one epilogue",
    build: (m) => {
      const x = conv(m, m.x([1, 3, 8, 8]), { c: 3, o: 16, k: [3, 3], pads: [1, 1, 1, 1] });
      const clipped = m.op("clip", [m.op("add", [x, m.f32([3], [])])], { min: 0, max: 6 });
      return m.op("mul", [x, m.op("mul", [clipped, m.f32([1 / 6], [])])]);
    },
  },
  {
    name: "conv whose result is used twice and returned",
    build: (m) => {
      const x = conv(m, m.x([1, 4, 7, 7]), { c: 4, o: 16, k: [3, 3] });
      return [x, m.op("relu", [x]), m.op("reshape", [x, m.i64([1, -1])])];
    },
  },
  {
    name: "detection head: conv, transpose, reshape, concat",
    build: (m) => {
      const head = (size: number): Value => {
        const x = conv(m, m.x([1, 8, size, size]), { c: 8, o: 6, k: [3, 3], pads: [1, 1, 1, 1] });
        return m.op("reshape", [m.op("transpose", [x], { perm: [0, 2, 3, 1] }), m.i64([1, -1, 3])]);
      };
      return m.op("concat", [head(8), head(5)], { axis: 1 });
    },
  },
];

export const CONV_CASES: readonly OpCase[] = [...alone, ...inside, ...blocked, ...chains];
