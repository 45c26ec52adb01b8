import type { OpCase } from "../maker.ts";

const OPS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"].map((n) => `reduce${n}`);
const AXES: readonly (readonly number[])[] = [[], [0], [-1], [1, 2], [0, 3]];

const reductions = OPS.flatMap((op) =>
  AXES.map((axes): OpCase => ({
    name: `${op} over [${axes.join(",")}]`,
    build: (m) => m.op(op, [m.x([2, 3, 5, 9])], { axes, keepDims: axes.length !== 1 }),
  })),
);

/** Rows of many vectors and some elements, as norms have them. */
const rows = OPS.map((op): OpCase => ({
  name: `${op} of rows`,
  build: (m) => m.op(op, [m.x([2, 3, 83])], { axes: [-1], keepDims: true }),
}));
const rowsOfRows: readonly OpCase[] = [
  { name: "mean of rows of rows", build: (m) => m.op("reduceMean", [m.x([3, 4, 5, 29])], { axes: [2, 3], keepDims: false }) },
  { name: "softmax of rows", build: (m) => m.op("softmax", [m.x([2, 3, 197], { low: -5, high: 5 })], { axis: -1 }) },
];

const AXIS = [0, 1, -1] as const;
const alongAxis = ["softmax", "logSoftmax", "argMax", "argMin"].flatMap((op) =>
  AXIS.map((axis): OpCase => ({ name: `${op} along ${axis}`, build: (m) => m.op(op, [m.x([3, 11, 17], { low: -5, high: 5 })], { axis }) })),
);

const integers = ["reduceSum", "reduceMax", "reduceMin"].flatMap((op) =>
  (["int32", "int64", "uint8"] as const).map((dtype): OpCase => ({
    name: `${op} of ${dtype}`,
    build: (m) => m.op(op, [m.x([4, 19], { dtype, low: 0, high: 10 })], { axes: [1], keepDims: true }),
  })),
);

const products: readonly OpCase[] = [
  { name: "gemm", build: (m) => m.op("gemm", [m.x([7, 19]), m.w([19, 11]), m.w([11])]) },
  {
    name: "gemm transposed, scaled",
    build: (m) => m.op("gemm", [m.x([19, 7]), m.w([11, 19]), m.w([7, 1])], { transA: true, transB: true, alpha: 0.5, beta: 2 }),
  },
  { name: "gemm of one row", build: (m) => m.op("gemm", [m.x([1, 64]), m.w([10, 64]), m.w([10])], { transB: true }) },
  { name: "gemm of inputs only", build: (m) => m.op("gemm", [m.x([5, 8]), m.x([8, 16])]) },
  { name: "gemm of many rows", build: (m) => m.op("gemm", [m.x([17, 40]), m.w([40, 70]), m.w([70])]) },
  { name: "gemm of one row, wide", build: (m) => m.op("gemm", [m.x([1, 30]), m.w([30, 149]), m.w([149])]) },
  { name: "gemm of two rows, a column of addends", build: (m) => m.op("gemm", [m.x([2, 9]), m.x([9, 37]), m.w([2, 1])]) },
  { name: "matMul by one constant for all batches", build: (m) => m.op("matMul", [m.x([2, 13, 24]), m.w([24, 43])]) },
  { name: "matMul of many columns", build: (m) => m.op("matMul", [m.x([2, 9, 12]), m.x([2, 12, 45])]) },
  { name: "gemm, then relu", build: (m) => m.op("relu", [m.op("gemm", [m.x([3, 20]), m.w([20, 33]), m.w([33])])]) },
  { name: "matMul", build: (m) => m.op("matMul", [m.x([7, 19]), m.x([19, 23])]) },
  { name: "matMul batched", build: (m) => m.op("matMul", [m.x([2, 3, 7, 5]), m.x([3, 5, 9])]) },
  { name: "matMul batch broadcast", build: (m) => m.op("matMul", [m.x([2, 1, 4, 5]), m.x([3, 5, 8])]) },
  { name: "matMul vector matrix", build: (m) => m.op("matMul", [m.x([5]), m.x([5, 9])]) },
  { name: "matMul matrix vector", build: (m) => m.op("matMul", [m.x([9, 5]), m.x([5])]) },
  { name: "matMul vectors", build: (m) => m.op("matMul", [m.x([17]), m.x([17])]) },
  {
    name: "matMul of int32",
    build: (m) => m.op("matMul", [m.x([3, 5], { dtype: "int32", low: -9, high: 9 }), m.x([5, 8], { dtype: "int32", low: -9, high: 9 })]),
  },
  { name: "matMul of float64", build: (m) => m.op("matMul", [m.x([3, 5], { dtype: "float64" }), m.x([5, 8], { dtype: "float64" })]) },
  // Deep enough for the reduction to be cut into parts, with rows and columns that fill no tile.
  { name: "matMul, deep", build: (m) => m.op("matMul", [m.x([50, 1170]), m.w([1170, 53])]) },
  { name: "matMul in two parts, then a sum", build: (m) => m.op("add", [m.op("matMul", [m.x([49, 768]), m.w([768, 67])]), m.x([49, 67])]) },
  { name: "matMul of whole vectors and five", build: (m) => m.op("relu", [m.op("matMul", [m.x([3, 21, 20]), m.x([3, 20, 37])])]) },
  {
    name: "attention",
    build: (m) => {
      const [q, k, v] = [m.x([2, 9, 8]), m.x([2, 9, 8]), m.x([2, 9, 8])];
      const scores = m.op("mul", [m.op("matMul", [q, m.op("transpose", [k], { perm: [0, 2, 1] })]), m.f32([0.35], [])]);
      return m.op("matMul", [m.op("softmax", [scores], { axis: -1 }), v]);
    },
  },
];

/** Rows of whole vectors and some elements, few and many, as norms and scaled dot products have them. */
const attention = (name: string, q: readonly number[], k: readonly number[], v: readonly number[], mask?: readonly number[]): OpCase => ({
  name: `attention, ${name}`,
  build: (m) => {
    const operands = [q, k, v].map((dims) => m.x(dims, { low: -2, high: 2 }));
    return m.op("attention", [...operands, ...(mask ? [m.x(mask)] : [])], { scale: 0.35 });
  },
});

const transformers: readonly OpCase[] = [
  { name: "layerNorm", build: (m) => m.op("layerNorm", [m.x([2, 7, 83]), m.w([83]), m.w([83])]) },
  { name: "layerNorm of short rows", build: (m) => m.op("layerNorm", [m.x([2, 7, 3]), m.w([3])], { epsilon: 0.1 }) },
  { name: "layerNorm of two axes", build: (m) => m.op("layerNorm", [m.x([3, 6, 37]), m.w([6, 37]), m.w([37])], { axis: 1 }) },
  { name: "layerNorm of all", build: (m) => m.op("layerNorm", [m.x([3, 40])], { axis: 0 }) },
  { name: "rmsNorm", build: (m) => m.op("rmsNorm", [m.x([5, 64]), m.w([64])]) },
  { name: "rmsNorm, then relu", build: (m) => m.op("relu", [m.op("rmsNorm", [m.x([2, 5, 70])])]) },
  attention("heads", [1, 3, 29, 16], [1, 3, 29, 16], [1, 3, 29, 16]),
  attention("other numbers of keys and values", [2, 13, 24], [2, 45, 24], [2, 45, 40]),
  attention("a mask for each key", [2, 2, 19, 8], [2, 2, 33, 8], [2, 2, 33, 24], [2, 1, 1, 33]),
  attention("a mask for each score", [2, 2, 19, 8], [2, 2, 33, 8], [2, 2, 33, 16], [19, 33]),
  attention("shared keys", [2, 3, 17, 16], [2, 1, 20, 16], [2, 1, 20, 32]),
  attention("few keys and short rows", [2, 9, 3], [2, 5, 3], [2, 5, 3]),
  attention("keys of whole vectors", [1, 2, 16, 24], [1, 2, 40, 24], [1, 2, 40, 16]),
  attention("one query", [3, 1, 64], [3, 50, 64], [3, 50, 64]),
  {
    name: "attention, then a sum",
    build: (m) => m.op("add", [m.op("attention", [m.x([2, 31, 16]), m.x([2, 40, 16]), m.x([2, 40, 48])]), m.x([2, 31, 48])]),
  },
];

export const REDUCE_CASES: readonly OpCase[] = [
  ...reductions,
  ...rows,
  ...rowsOfRows,
  ...alongAxis,
  ...integers,
  ...products,
  ...transformers,
];
