import type { DType } from "../../../src/tensor/dtype.ts";
import type { OpCase } from "../maker.ts";

/** Sizes around the width of a vector, and shapes that are not one row of memory. */
const SHAPES: readonly (readonly number[])[] = [[], [1], [3], [8], [17], [2, 3, 5, 7], [1, 16, 4, 5]];

interface Range {
  readonly low?: number;
  readonly high?: number;
  readonly attrs?: Readonly<Record<string, number | string>>;
}

const UNARY: Readonly<Record<string, Range>> = {
  abs: {},
  ceil: { low: -3, high: 3 },
  clip: { low: -3, high: 3, attrs: { min: -0.5, max: 1.25 } },
  cos: { low: -9, high: 9 },
  elu: { low: -4, high: 4, attrs: { alpha: 0.7 } },
  erf: { low: -4, high: 4 },
  exp: { low: -20, high: 20 },
  floor: { low: -3, high: 3 },
  gelu: { low: -5, high: 5 },
  hardSigmoid: { low: -5, high: 5 },
  hardSwish: { low: -5, high: 5 },
  identity: {},
  leakyRelu: { low: -2, high: 2, attrs: { alpha: 0.1 } },
  log: { low: 0.001, high: 90 },
  neg: {},
  reciprocal: { low: 0.2, high: 4 },
  relu: {},
  roundEven: { low: -4, high: 4 },
  selu: { low: -3, high: 3 },
  sigmoid: { low: -30, high: 30 },
  sign: {},
  silu: { low: -9, high: 9 },
  sin: { low: -9, high: 9 },
  softplus: { low: -30, high: 30 },
  softsign: { low: -5, high: 5 },
  sqrt: { low: 0, high: 10 },
  tanh: { low: -8, high: 8 },
};

const unary = Object.entries(UNARY).flatMap(([op, { attrs, low, high }]) =>
  [[17], [2, 3, 5, 7]].map((dims): OpCase => ({
    name: `${op} [${dims.join(",")}]`,
    build: (m) => m.op(op, [m.x(dims, { ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) })], attrs ?? {}),
  })),
);

const shapes = SHAPES.map((dims): OpCase => ({ name: `relu of [${dims.join(",")}]`, build: (m) => m.op("relu", [m.x(dims)]) }));

const BROADCASTS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[19], [19]],
  [[2, 3, 4, 9], [9]],
  [
    [2, 3, 4, 9],
    [3, 1, 1],
  ],
  [
    [2, 1, 4, 1],
    [3, 1, 9],
  ],
  [[5, 8], []],
  [[1], [4, 8]],
  [
    [8, 1],
    [1, 16],
  ],
];

const broadcasts = BROADCASTS.flatMap(([a, b]) =>
  ["add", "sub", "div", "max"].map((op): OpCase => ({
    name: `${op} [${a.join(",")}] [${b.join(",")}]`,
    build: (m) => m.op(op, [m.x(a), m.x(b, { low: 0.5, high: 2 })]),
  })),
);

const BINARY = ["add", "sub", "mul", "div", "min", "max"] as const;
const COMPARE = ["equal", "less", "lessOrEqual", "greater", "greaterOrEqual"] as const;
const INTEGERS: readonly DType[] = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
const FLOATS: readonly DType[] = ["float16", "bfloat16", "float32", "float64"];

const range = (dtype: DType): { dtype: DType; low: number; high: number } =>
  dtype.startsWith("uint") ? { dtype, low: 0, high: 200 } : { dtype, low: -100, high: 100 };

const dtypes = [...INTEGERS, ...FLOATS].flatMap((dtype) =>
  [...BINARY, ...COMPARE].map((op): OpCase => ({
    name: `${op} of ${dtype}`,
    build: (m) => {
      const divisor = op === "div" ? { dtype, low: 1, high: 9 } : range(dtype);
      return m.op(op, [m.x([3, 11], range(dtype)), m.x([3, 11], divisor)]);
    },
  })),
);

const ALL: readonly DType[] = [...INTEGERS, ...FLOATS, "bool"];
const casts = ALL.flatMap((from) =>
  ALL.filter((to) => to !== from).map((to): OpCase => ({
    name: `cast ${from} to ${to}`,
    build: (m) => m.op("cast", [m.x([21], { dtype: from, low: 0, high: 100 })], { to }),
  })),
);

const others: readonly OpCase[] = [
  { name: "negative cast float32 to int8", build: (m) => m.op("cast", [m.x([19], { low: -100, high: 100 })], { to: "int8" }) },
  { name: "and", build: (m) => m.op("and", [m.x([19], { dtype: "bool" }), m.x([19], { dtype: "bool" })]) },
  { name: "or", build: (m) => m.op("or", [m.x([19], { dtype: "bool" }), m.x([1], { dtype: "bool" })]) },
  { name: "xor", build: (m) => m.op("xor", [m.x([3, 9], { dtype: "bool" }), m.x([9], { dtype: "bool" })]) },
  { name: "not", build: (m) => m.op("not", [m.x([19], { dtype: "bool" })]) },
  { name: "where", build: (m) => m.op("where", [m.x([3, 1], { dtype: "bool" }), m.x([3, 17]), m.x([17])]) },
  {
    name: "where of int64",
    build: (m) => m.op("where", [m.x([19], { dtype: "bool" }), m.x([19], range("int64")), m.x([1], range("int64"))]),
  },
  { name: "pow", build: (m) => m.op("pow", [m.x([19], { low: 0.1, high: 3 }), m.x([19], { low: -2, high: 2 })]) },
  { name: "pow by 2", build: (m) => m.op("pow", [m.x([19]), m.f32([2], [])]) },
  { name: "prelu", build: (m) => m.op("prelu", [m.x([2, 5, 3, 4]), m.w([5, 1, 1])]) },
  { name: "mod of floats", build: (m) => m.op("mod", [m.x([19], { low: -9, high: 9 }), m.x([19], { low: 1, high: 3 })], { fmod: true }) },
  {
    name: "division of float16 by zero",
    build: (m) => m.op("div", [m.x([9], { dtype: "float16", low: 1 }), m.x([9], { dtype: "float16", low: 0, high: 0 })]),
  },
  {
    name: "mod of float16",
    build: (m) => m.op("mod", [m.x([9], { dtype: "float16", low: -9, high: 9 }), m.x([9], { dtype: "float16", low: 1 })], { fmod: true }),
  },
  { name: "mod of integers", build: (m) => m.op("mod", [m.x([19], range("int32")), m.x([19], { dtype: "int32", low: 1, high: 7 })]) },
  { name: "isNaN", build: (m) => m.op("isNaN", [m.op("sqrt", [m.x([19])])]) },
  {
    name: "batchNorm",
    build: (m) => m.op("batchNorm", [m.x([2, 5, 3, 4]), m.w([5]), m.w([5]), m.w([5]), m.w([5], { low: 0.5, high: 2 })], { epsilon: 1e-5 }),
  },
  {
    name: "to halves and back",
    build: (m) =>
      ["float16", "bfloat16"].map((to) => {
        // What rounding takes away is all that is left.
        const x = m.x([2, 5, 19], { low: -100, high: 100 });
        return m.op("mul", [m.op("sub", [x, m.op("cast", [m.op("cast", [x], { to })], { to: "float32" })]), m.f32([1000], [])]);
      }),
  },
  {
    name: "a sum of halves that leaves them",
    build: (m) =>
      (["float16", "bfloat16"] as const).map((dtype) => {
        const [x, y] = [m.x([5, 19], { dtype, low: 1, high: 2 }), m.x([5, 19], { dtype, low: 0.001, high: 0.01 })];
        const sum = m.op("cast", [m.op("add", [x, y])], { to: "float32" });
        return m.op("sub", [sum, m.op("cast", [x], { to: "float32" })]);
      }),
  },
  {
    name: "a chain of elementwise ops with a scalar and a row",
    build: (m) => m.op("tanh", [m.op("add", [m.op("mul", [m.x([5, 19]), m.f32([0.5], [])]), m.w([19])])]),
  },
];

export const ELEMENTWISE_CASES: readonly OpCase[] = [...unary, ...shapes, ...broadcasts, ...dtypes, ...casts, ...others];
