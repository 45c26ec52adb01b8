/** Ops that pick, place, accumulate and sample, and those on bits. */
import type { DType } from "../../../src/tensor/dtype.ts";
import type { OpCase } from "../maker.ts";

const index = (high: number): { dtype: DType; low: number; high: number } => ({ dtype: "int64", low: -high - 1, high });

const picks: readonly OpCase[] = [
  { name: "gatherElements", build: (m) => m.op("gatherElements", [m.x([5, 9]), m.x([3, 9], index(4))], { axis: 0 }) },
  { name: "gatherElements last axis", build: (m) => m.op("gatherElements", [m.x([4, 11]), m.x([4, 17], index(10))], { axis: -1 }) },
  { name: "gatherND", build: (m) => m.op("gatherND", [m.x([3, 4, 9]), m.x([5, 2], index(2))]) },
  { name: "gatherND batched", build: (m) => m.op("gatherND", [m.x([2, 4, 9]), m.x([2, 3, 1], index(3))], { batchDims: 1 }) },
  ...["none", "add", "mul", "min", "max"].flatMap((reduction): OpCase[] => [
    {
      name: `scatterElements ${reduction}`,
      build: (m) => m.op("scatterElements", [m.x([5, 9]), m.x([4, 7], index(4)), m.x([4, 7])], { axis: 0, reduction }),
    },
    {
      name: `scatterND ${reduction}`,
      build: (m) => m.op("scatterND", [m.x([5, 3, 8]), m.x([2, 3, 1], index(4)), m.x([2, 3, 3, 8])], { reduction }),
    },
  ]),
  { name: "trilu upper", build: (m) => m.op("trilu", [m.x([2, 5, 9])], { upper: true }) },
  { name: "trilu lower, moved", build: (m) => m.op("trilu", [m.x([5, 9]), m.i64([2], [])], { upper: false }) },
  {
    name: "reverseSequence",
    build: (m) => m.op("reverseSequence", [m.x([6, 3, 9]), m.x([3], { dtype: "int64", low: 1, high: 6 })], { batchAxis: 1, timeAxis: 0 }),
  },
  { name: "topK", build: (m) => m.ops("topK", [m.x([3, 23]), m.i64([7])], { axis: -1, largest: true }, 2) },
  { name: "topK of everything", build: (m) => m.ops("topK", [m.x([2, 33]), m.i64([33])], { axis: 1, largest: false }, 2) },
  { name: "topK of one in many", build: (m) => m.ops("topK", [m.x([300], { dtype: "int32", low: 0, high: 40 }), m.i64([1])], {}, 2) },
  ...[false, true].map((circular): OpCase => ({
    name: `cacheUpdate${circular ? " circular" : ""}`,
    build: (m) =>
      m.op("cacheUpdate", [m.x([2, 3, 7, 5]), m.x([2, 3, 4, 5]), m.x([2], { dtype: "int64", low: 0, high: circular ? 6 : 3 })], {
        circular,
      }),
  })),
  {
    name: "maxUnpool, positions that meet",
    build: (m) => m.op("maxUnpool", [m.x([2, 3, 4, 4]), m.x([2, 3, 4, 4], { dtype: "int64", low: 0, high: 383 })], { spatial: [8, 8] }),
  },
  {
    name: "topK smallest, first axis, with ties",
    build: (m) => m.ops("topK", [m.x([9, 8], { dtype: "int32", low: 0, high: 3 }), m.i64([4])], { axis: 0, largest: false }, 2),
  },
];

const running = ["cumSum", "cumProd"].flatMap((op) =>
  [false, true].flatMap((exclusive) =>
    [false, true].map((reverse): OpCase => ({
      name: `${op}${exclusive ? " exclusive" : ""}${reverse ? " reverse" : ""}`,
      build: (m) => m.op(op, [m.x([3, 11]), m.i64([exclusive ? 0 : 1], [])], { exclusive, reverse }),
    })),
  ),
);

const UNSIGNED: readonly DType[] = ["uint8", "uint16", "uint32", "uint64"];
const bits: readonly OpCase[] = [
  ...UNSIGNED.flatMap((dtype) =>
    ["bitwiseAnd", "bitwiseOr", "bitwiseXor", "shiftLeft", "shiftRight"].map((op): OpCase => ({
      name: `${op} of ${dtype}`,
      build: (m) => m.op(op, [m.x([19], { dtype, low: 0, high: 250 }), m.x([19], { dtype, low: 0, high: 9 })]),
    })),
  ),
  { name: "bitwiseNot of int32", build: (m) => m.op("bitwiseNot", [m.x([19], { dtype: "int32", low: -99, high: 99 })]) },
  { name: "bitCast float32 to int32", build: (m) => m.op("bitCast", [m.x([19])], { to: "int32" }) },
  { name: "bitCast int64 to float64", build: (m) => m.op("bitCast", [m.x([19], { dtype: "int64", low: 0, high: 99 })], { to: "float64" }) },
  { name: "isInf", build: (m) => m.op("isInf", [m.op("div", [m.x([19]), m.f32([0], [])])], { negative: false }) },
];

const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  acos: [-1, 1],
  acosh: [1, 20],
  asin: [-1, 1],
  asinh: [-20, 20],
  atan: [-9, 9],
  atanh: [-0.95, 0.95],
  cosh: [-5, 5],
  sinh: [-5, 5],
  tan: [-1.3, 1.3],
};
const trig = Object.entries(RANGES).map(([op, [low, high]]): OpCase => ({
  name: op,
  build: (m) => m.op(op, [m.x([3, 19], { low, high })]),
}));

const plain = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], outputPads: [0, 0], group: 1 };
const transposed: readonly OpCase[] = [
  { name: "convTranspose", build: (m) => m.op("convTranspose", [m.x([1, 3, 5, 6]), m.w([3, 8, 3, 3]), m.w([8])], plain) },
  {
    name: "convTranspose strided, padded",
    build: (m) =>
      m.op("convTranspose", [m.x([2, 5, 4, 7]), m.w([5, 7, 4, 3])], { ...plain, strides: [2, 3], pads: [1, 0, 1, 2], outputPads: [1, 0] }),
  },
  {
    name: "convTranspose grouped, dilated",
    build: (m) => m.op("convTranspose", [m.x([1, 6, 5, 5]), m.w([6, 4, 2, 3])], { ...plain, group: 2, dilations: [2, 1], strides: [2, 2] }),
  },
  {
    name: "convTranspose 1-d",
    build: (m) =>
      m.op("convTranspose", [m.x([1, 4, 9]), m.w([4, 3, 5]), m.w([3])], {
        strides: [3],
        dilations: [1],
        pads: [2, 1],
        outputPads: [0],
        group: 1,
      }),
  },
];

const pool = { kernel: [3, 2], strides: [2, 1], dilations: [1, 1], pads: [1, 0, 1, 1], ceilMode: false };
const pools: readonly OpCase[] = [
  { name: "lpPool 2", build: (m) => m.op("lpPool", [m.x([1, 3, 8, 9])], { ...pool, p: 2 }) },
  { name: "lpPool 3", build: (m) => m.op("lpPool", [m.x([1, 3, 8, 9])], { ...pool, p: 3 }) },
  { name: "reduceLp", build: (m) => m.op("reduceLp", [m.x([2, 3, 8, 9])], { axes: [2, 3], p: 3 }) },
  { name: "lrn", build: (m) => m.op("lrn", [m.x([1, 7, 3, 9])], { size: 4, alpha: 0.1, beta: 0.75, bias: 1 }) },
  {
    name: "maxPool with positions, and back",
    build: (m) => {
      const x = m.x([1, 3, 8, 8]);
      const attrs = { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], ceilMode: false };
      const top = m.op("maxPool", [x], attrs);
      const positions = m.op("maxPoolPositions", [x, top], attrs);
      return [positions, m.op("maxUnpool", [top, positions], { spatial: [8, 8] })];
    },
  },
];

const EQUATIONS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  "ij,jk->ik": [
    [5, 7],
    [7, 9],
  ],
  "bij,bjk": [
    [2, 3, 5],
    [2, 5, 8],
  ],
  "...ij,...kj->...ik": [
    [2, 3, 5],
    [2, 4, 5],
  ],
  "ii->i": [[9, 9]],
  "ij->ji": [[3, 9]],
  "i,i": [[17], [17]],
  "bhwkt,bhkc->bhwtc": [
    [1, 2, 3, 4, 5],
    [1, 2, 4, 8],
  ],
};
const sums = Object.entries(EQUATIONS).map(([equation, shapes]): OpCase => ({
  name: `einsum ${equation}`,
  build: (m) =>
    m.op(
      "einsum",
      shapes.map((s) => m.x(s)),
      { equation },
    ),
}));

const positive = { low: 0.05, high: 0.2 } as const;
const quantized: readonly OpCase[] = [
  {
    name: "quantizeLinear",
    build: (m) =>
      m.op("quantizeLinear", [m.x([3, 19], { low: -30, high: 30 }), m.f32([0.11], []), m.w([], { dtype: "uint8", low: 100, high: 130 })]),
  },
  {
    name: "quantizeLinear by channel",
    build: (m) =>
      m.op("quantizeLinear", [m.x([2, 5, 7], { low: -9, high: 9 }), m.w([5], positive), m.w([5], { dtype: "int8", low: -9, high: 9 })], {
        axis: 1,
      }),
  },
  {
    name: "quantizeLinear in blocks",
    build: (m) => m.op("quantizeLinear", [m.x([3, 8], { low: -9, high: 9 }), m.w([3, 2], positive)], { axis: 1, blockSize: 4 }),
  },
  {
    name: "dequantizeLinear",
    build: (m) =>
      m.op("dequantizeLinear", [
        m.x([3, 19], { dtype: "uint8", low: 0, high: 255 }),
        m.f32([0.11], []),
        m.w([], { dtype: "uint8", low: 100, high: 130 }),
      ]),
  },
  {
    name: "dequantizeLinear by row of int32",
    build: (m) => m.op("dequantizeLinear", [m.x([3, 19], { dtype: "int32", low: -999, high: 999 }), m.w([3], positive)], { axis: 0 }),
  },
];

const grids = ["zeros", "border", "reflection"].flatMap((padding) =>
  ["linear", "nearest", "cubic"].flatMap((mode) =>
    [false, true].map((alignCorners): OpCase => ({
      name: `gridSample ${mode} ${padding}${alignCorners ? " aligned" : ""}`,
      build: (m) => m.op("gridSample", [m.x([2, 3, 5, 7]), m.x([2, 4, 9, 2], { low: -1.4, high: 1.4 })], { mode, padding, alignCorners }),
    })),
  ),
);

const regions = ["avg", "max"].map((mode): OpCase => ({
  name: `roiAlign ${mode}`,
  build: (m) => {
    const rois = m.f32([0, 0, 9, 9, 2.5, 1, 7, 8, -3, 4, 5, 14], [3, 4]);
    return m.op("roiAlign", [m.x([2, 3, 10, 11]), rois, m.i64([0, 1, 0])], { height: 3, width: 4, samples: 2, scale: 0.8, mode });
  },
}));

export const ELEMENT_CASES: readonly OpCase[] = [
  ...picks,
  ...running,
  ...bits,
  ...trig,
  ...transposed,
  ...pools,
  ...sums,
  ...quantized,
  ...grids,
  ...regions,
];
