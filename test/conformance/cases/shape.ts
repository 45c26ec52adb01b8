/** Ops that move elements. */
import type { OpCase } from "../maker.ts";

const index = { dtype: "int64", low: -3, high: 2 } as const;

export const SHAPE_CASES: readonly OpCase[] = [
  { name: "reshape", build: (m) => m.op("reshape", [m.x([2, 3, 8]), m.i64([4, -1])]) },
  { name: "reshape to a scalar", build: (m) => m.op("reshape", [m.x([1, 1]), m.i64([])]) },
  { name: "flatten", build: (m) => m.op("flatten", [m.x([2, 3, 5])], { axis: 2 }) },
  { name: "squeeze", build: (m) => m.op("squeeze", [m.x([2, 1, 5, 1])], { axes: [1, -1] }) },
  { name: "unsqueeze", build: (m) => m.op("unsqueeze", [m.x([2, 5])], { axes: [0, 3] }) },
  { name: "transpose matrix", build: (m) => m.op("transpose", [m.x([9, 17])], { perm: [1, 0] }) },
  { name: "transpose of whole vectors and some", build: (m) => m.op("transpose", [m.x([3, 19, 24])], { perm: [0, 2, 1] }) },
  { name: "transpose between two axes", build: (m) => m.op("transpose", [m.x([16, 3, 21])], { perm: [2, 1, 0] }) },
  { name: "transpose NCHW to NHWC", build: (m) => m.op("transpose", [m.x([2, 11, 5, 6])], { perm: [0, 2, 3, 1] }) },
  { name: "transpose 5 axes", build: (m) => m.op("transpose", [m.x([2, 3, 4, 2, 5])], { perm: [4, 1, 3, 0, 2] }) },
  { name: "transpose of int64", build: (m) => m.op("transpose", [m.x([5, 9], index)], { perm: [1, 0] }) },
  { name: "concat last axis", build: (m) => m.op("concat", [m.x([2, 3]), m.x([2, 8]), m.x([2, 1])], { axis: -1 }) },
  { name: "concat first axis", build: (m) => m.op("concat", [m.x([2, 9]), m.x([1, 9])], { axis: 0 }) },
  { name: "concat of one", build: (m) => m.op("concat", [m.x([2, 9])], { axis: 0 }) },
  { name: "concat of nothing and something", build: (m) => m.op("concat", [m.x([0, 9]), m.x([3, 9])], { axis: 0 }) },
  { name: "slice", build: (m) => m.op("slice", [m.x([5, 19]), m.i64([1, 2]), m.i64([4, -1])]) },
  { name: "slice with steps", build: (m) => m.op("slice", [m.x([5, 19]), m.i64([0, 1]), m.i64([5, 19]), m.i64([0, 1]), m.i64([2, 3])]) },
  { name: "slice backwards", build: (m) => m.op("slice", [m.x([3, 19]), m.i64([-1]), m.i64([-99]), m.i64([1]), m.i64([-2])]) },
  { name: "split", build: (m) => m.ops("split", [m.x([4, 19])], { axis: 1, sizes: [3, 8, 8] }, 3) },
  {
    name: "split in half and multiplied",
    build: (m) => {
      const [a, b] = m.ops("split", [m.x([4, 16])], { axis: 1, sizes: [8, 8] }, 2);
      return m.op("mul", [a, b]);
    },
  },
  { name: "expand", build: (m) => m.op("expand", [m.x([3, 1]), m.i64([2, 3, 9])]) },
  { name: "tile", build: (m) => m.op("tile", [m.x([2, 5]), m.i64([3, 2])]) },
  { name: "gather rows", build: (m) => m.op("gather", [m.x([3, 17]), m.x([2, 2], index)], { axis: 0 }) },
  { name: "gather columns", build: (m) => m.op("gather", [m.x([4, 3, 5]), m.x([6], index)], { axis: 1 }) },
  { name: "gather one", build: (m) => m.op("gather", [m.x([4, 9]), m.i64([2], [])], { axis: 0 }) },
  { name: "gather out of range stays inside", build: (m) => m.op("gather", [m.x([3, 9]), m.i64([9, -9])], { axis: 0 }) },
  { name: "pad constant", build: (m) => m.op("pad", [m.x([3, 9]), m.i64([1, 2, 0, 3]), m.f32([0.5], [])]) },
  { name: "pad negative", build: (m) => m.op("pad", [m.x([3, 9]), m.i64([-1, 2, 0, -3])]) },
  { name: "pad reflect", build: (m) => m.op("pad", [m.x([4, 9]), m.i64([1, 2, 3, 4])], { mode: "reflect" }) },
  { name: "pad edge", build: (m) => m.op("pad", [m.x([4, 9]), m.i64([1, 2, 3, 14])], { mode: "edge" }) },
  { name: "depthToSpace DCR", build: (m) => m.op("depthToSpace", [m.x([1, 12, 3, 5])], { blockSize: 2, mode: "DCR" }) },
  { name: "depthToSpace CRD", build: (m) => m.op("depthToSpace", [m.x([1, 12, 3, 5])], { blockSize: 2, mode: "CRD" }) },
  { name: "spaceToDepth", build: (m) => m.op("spaceToDepth", [m.x([1, 3, 4, 6])], { blockSize: 2 }) },
  { name: "shape", build: (m) => m.op("shape", [m.x([4, 6])]) },
  { name: "constantOfShape", build: (m) => m.op("constantOfShape", [m.i64([3, 9])], { value: 2.5, dtype: "float32" }) },
  { name: "an empty tensor", build: (m) => m.op("relu", [m.x([0, 4])]) },
  { name: "an input that is an output", build: (m) => m.x([3, 5]) },
  { name: "a view of an input that is an output", build: (m) => m.op("reshape", [m.x([3, 5]), m.i64([15])]) },
  { name: "a constant that is an output", build: (m) => m.w([3, 5]) },
];
