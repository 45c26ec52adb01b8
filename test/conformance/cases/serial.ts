/** Recurrent layers, determinants, and what is summed or sampled at computed places. */
import type { Attrs, Value } from "../../../src/ir/graph.ts";
import type { Maker, OpCase } from "../maker.ts";

/** x, weights, a first state and lengths of a layer of two directions, 5 steps, 3 sequences, 6 units. */
function layer(m: Maker, gates: number, lengths: boolean): readonly (Value | undefined)[] {
  const x = m.x([5, 2, 3, gates * 6]);
  const ends = lengths ? m.x([3], { dtype: "int32", low: 0, high: 5 }) : undefined;
  return [x, m.w([2, gates * 6, 6]), m.x([2, 3, 6]), ends];
}

const both = (activations: readonly number[], clip = 0): Attrs => {
  const all = [...activations, ...activations];
  return { reverse: [0, 1], activations: all, alphas: all.map(() => 0.3), betas: all.map(() => 0.4), clip };
};

const recurrent: readonly OpCase[] = [
  ...[false, true].flatMap((lengths): OpCase[] => {
    const tag = lengths ? " of several lengths" : "";
    return [
      { name: `rnn${tag}`, build: (m) => m.ops("rnn", layer(m, 1, lengths), both([1]), 2) },
      { name: `gru${tag}`, build: (m) => m.ops("gru", layer(m, 3, lengths), both([0, 1], 0.7), 2) },
      { name: `lstm${tag}`, build: (m) => m.ops("lstm", [...layer(m, 4, lengths), m.x([2, 3, 6]), m.w([2, 18])], both([0, 1, 1]), 3) },
    ];
  }),
  {
    name: "gru that resets after its product",
    build: (m) => m.ops("gru", [...layer(m, 3, false), m.w([2, 6])], { ...both([0, 1]), resetAfter: true }, 2),
  },
  { name: "lstm with coupled gates", build: (m) => m.ops("lstm", layer(m, 4, true), { ...both([7, 2, 9]), coupled: true }, 3) },
  ...[3, 4, 5, 6, 8, 10].map((f): OpCase => ({
    name: `rnn with activation ${f}`,
    build: (m) => m.ops("rnn", layer(m, 1, false), both([f]), 2),
  })),
];

const deformed = { strides: [1, 2], dilations: [1, 1], pads: [1, 1, 1, 1] };

export const SERIAL_CASES: readonly OpCase[] = [
  ...recurrent,
  { name: "det", build: (m) => m.op("det", [m.x([3, 2, 7, 7])]) },
  { name: "det of a singular matrix", build: (m) => m.op("det", [m.f32([1, 2, 2, 4], [2, 2])]) },
  {
    name: "deformConv",
    build: (m) => m.op("deformConv", [m.x([2, 3, 6, 7]), m.w([4, 3, 3, 3]), m.x([2, 18, 6, 4], { low: -2, high: 2 })], deformed),
  },
  {
    name: "deformConv in groups, with bias and mask",
    build: (m) =>
      m.op("deformConv", [m.x([1, 4, 6, 7]), m.w([6, 2, 3, 3]), m.x([1, 36, 6, 4], { low: -9, high: 9 }), m.w([6]), m.x([1, 18, 6, 4])], {
        ...deformed,
        group: 2,
        offsetGroup: 2,
      }),
  },
  {
    name: "resample",
    build: (m) => m.op("resample", [m.x([2, 3, 9, 10]), m.w([5, 3], { dtype: "int64", low: 0, high: 8 }), m.w([5, 3])], { axis: 2 }),
  },
  {
    name: "resample the last axis of integers",
    build: (m) =>
      m.op(
        "resample",
        [
          m.x([3, 20], { dtype: "int32", low: -9, high: 9 }),
          m.w([9, 2], { dtype: "int64", low: 0, high: 19 }),
          m.f32(
            Array.from({ length: 18 }, (_, i) => i % 3),
            [9, 2],
          ),
        ],
        { axis: -1 },
      ),
  },
  {
    name: "col2Im with blocks that overlap and reach outside",
    build: (m) =>
      m.op("col2Im", [m.x([2, 18, 12])], { kernel: [3, 2], sizes: [6, 5], strides: [2, 2], dilations: [1, 1], pads: [1, 1, 1, 2] }),
  },
];
