/** Branches and loops over kernels. */
import type { Value } from "../../../src/ir/graph.ts";
import type { Maker, OpCase } from "../maker.ts";

const COUNTER = { dtype: "int64", shape: [] } as const;

/** A bool that follows from data: whether the first element of x exceeds a bound. */
const flag = (m: Maker, x: Value, bound: number): Value =>
  m.op("greater", [m.op("reduceMax", [x], { keepDims: false }), m.f32([bound], [])]);

const branch =
  (bound: number) =>
  (m: Maker): Value | readonly Value[] => {
    const [x, y] = [m.x([2, 5, 6, 7]), m.x([2, 5, 6, 7])];
    return m.control("if", [flag(m, x, bound), x, y], {}, 2, [
      m.region([x, y], (r, a, b) => [r.op("conv", [a, r.w([11, 5, 3, 3])], { pads: [1, 1, 1, 1] }), r.op("identity", [b])]),
      m.region([x, y], (r, a, b) => [r.op("conv", [b, r.w([11, 5, 1, 1])], {}), r.op("relu", [r.op("mul", [a, b])])]),
    ]);
  };

export const CONTROL_CASES: readonly OpCase[] = [
  { name: "if that is true", build: branch(-2) },
  { name: "if that is false", build: branch(2) },
  {
    name: "if whose branch hands an input out twice, and swaps",
    build: (m) => {
      const [x, y] = [m.x([13]), m.x([13])];
      return m.control("if", [flag(m, x, -2), x, y], {}, 3, [
        m.region([x, y], (_, a, b) => [b, a, b]),
        m.region([x, y], (r, a, b) => [r.op("neg", [a]), a, b]),
      ]);
    },
  },
  {
    name: "loop whose values change places",
    build: (m) => {
      const [x, y] = [m.x([3, 19]), m.x([3, 19])];
      const body = m.region([COUNTER, x, y], (_, _i, a, b) => [b, a, a]);
      return m.control("loop", [m.i64([101], []), undefined, x, y], { carried: 2 }, 3, [body]);
    },
  },
  {
    name: "loop with a matrix from outside, its number and slices",
    build: (m) => {
      const [x, w] = [m.x([4, 9]), m.x([9, 9], { low: -0.2, high: 0.2 })];
      const body = m.region([COUNTER, x, w], (r, i, a, b) => {
        const next = r.op("tanh", [r.op("matMul", [a, b])]);
        return [next, r.op("add", [next, r.op("cast", [i], { to: "float32" })]), r.op("reduceSum", [next], { axes: [1], keepDims: false })];
      });
      return m.control("loop", [m.i64([60], []), undefined, x, w], { carried: 1 }, 3, [body]);
    },
  },
  {
    name: "loop that ends when its value exceeds a bound",
    build: (m) => {
      const x = m.x([7], { low: 0.5, high: 1 });
      const body = m.region([COUNTER, x], (r, _, a) => {
        const next = r.op("mul", [a, r.f32([1.25], [])]);
        return [r.op("less", [r.op("reduceMax", [next], { keepDims: false }), r.f32([40], [])]), next];
      });
      return m.control("loop", [undefined, undefined, x], { carried: 1, exits: true }, 1, [body]);
    },
  },
  {
    name: "loop whose number of iterations and condition are computed",
    build: (m) => {
      const [x, n] = [m.x([6]), m.x([], { dtype: "int64", low: 3, high: 9 })];
      const body = m.region([COUNTER, x], (r, _, a) => [r.op("sin", [r.op("add", [a, a])])]);
      const [twice] = m.control("loop", [n, flag(m, x, -2), x], { carried: 1 }, 1, [body]);
      const [never] = m.control("loop", [n, flag(m, x, 2), x], { carried: 1 }, 1, [body]);
      return twice && never ? [twice, never] : [];
    },
  },
  {
    name: "loop of a loop of branches",
    build: (m) => {
      const x = m.x([5, 8]);
      const body = m.region([COUNTER, x], (r, i, a) => {
        const odd = r.op("equal", [r.op("mod", [i, r.i64([2], [])]), r.i64([1], [])]);
        const inner = r.region([COUNTER, a, odd], (q, _, b, c) => {
          const chosen = q.control("if", [c, b], {}, 1, [
            q.region([b], (z, v) => z.op("mul", [v, z.f32([0.5])])),
            q.region([b], (z, v) => z.op("sub", [v, z.w([8])])),
          ]);
          return chosen;
        });
        return r.control("loop", [r.i64([30], []), undefined, a, odd], { carried: 1 }, 1, [inner]);
      });
      return m.control("loop", [m.i64([25], []), undefined, x], { carried: 1 }, 1, [body]);
    },
  },
  {
    name: "loop of bytes and bools",
    build: (m) => {
      const [x, b] = [m.x([2, 3], { dtype: "uint8", low: 0, high: 200 }), m.x([4], { dtype: "bool" })];
      const body = m.region([COUNTER, x, b], (r, _, a, c) => [r.op("add", [a, a]), r.op("not", [c]), a]);
      return m.control("loop", [m.i64([53], []), undefined, x, b], { carried: 2 }, 3, [body]);
    },
  },
];
