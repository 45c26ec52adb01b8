/** Random small graphs: interpreted, optimised and interpreted, scheduled and interpreted, compiled from C, and in WebAssembly. */
import { expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Case,
} from "../../scripts/conformance/backends.ts";
import { difference } from "../../scripts/conformance/compare.ts";
import type { Value } from "../../src/ir/graph.ts";
import { optimize } from "../../src/passes/pipeline.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { must } from "../../src/util/errors.ts";
import { drawFrom, pick, tapesOf, type Draw } from "../generators/draw.ts";
import { branch, loop } from "./control-steps.ts";
import { Maker } from "./maker.ts";

/** Rounding grows through a dozen ops; a wrong kernel is off by far more. */
const TOLERANCE = { relative: 1e-3, absolute: 1e-3 };

/** Whether a kernel fits into a padded axis. */
const fits = (size: number, kernel: number, before: number, after: number): boolean => size + before + after >= kernel;

function conv(m: Maker, x: Value, draw: Draw): Value {
  const [, c = 1, h = 1, w = 1] = x.shape.map(Number);
  const [kh, kw] = [pick(draw, [1, 2, 3]), pick(draw, [1, 3])];
  const [top, left, bottom, right] = [draw(2), draw(2), draw(2), draw(2)];
  if (!fits(h, kh, top, bottom) || !fits(w, kw, left, right)) return x;
  const group = draw(3) === 0 ? c : 1;
  const o = group === 1 ? pick(draw, [1, 3, 8, 13, 16]) : c;
  const attrs = { strides: [1 + draw(2), 1 + draw(2)], dilations: [1, 1], pads: [top, left, bottom, right], group };
  const weights = m.w([o, c / group, kh, kw], { low: -0.5, high: 0.5 });
  return m.op("conv", [x, weights, draw(2) ? m.w([o]) : undefined], attrs);
}

function pool(m: Maker, x: Value, draw: Draw): Value {
  const [, , h = 1, w = 1] = x.shape.map(Number);
  if (h < 2 || w < 2) return x;
  const attrs = {
    kernel: [2, 2],
    strides: [1 + draw(2), 1 + draw(2)],
    dilations: [1, 1],
    pads: [draw(2), draw(2), 0, 0],
    ceilMode: draw(2) === 1,
  };
  return draw(2) ? m.op("maxPool", [x], attrs) : m.op("averagePool", [x], attrs);
}

const ELEMENTWISE = ["relu", "sigmoid", "tanh", "neg", "abs", "hardSwish", "silu", "leakyRelu", "softplus"];

type Step = (m: Maker, x: Value, draw: Draw, earlier: readonly Value[]) => Value;

const STEPS: readonly Step[] = [
  conv,
  conv,
  pool,
  (m, x, draw) => m.op(pick(draw, ELEMENTWISE), [x]),
  (m, x, draw) => m.op("clip", [x], { min: -0.5, max: draw(2) ? 1 : Infinity }),
  (m, x, draw) => m.op(pick(draw, ["add", "mul"]), [x, m.w([Number(x.shape[1]), 1, 1])]),
  (m, x, draw, earlier) => {
    const other = earlier.find((v) => v.shape.every((d, i) => d === x.shape[i]));
    return other ? m.op(pick(draw, ["add", "sub", "max"]), [x, other]) : x;
  },
  (m, x, _, earlier) => {
    const joins = earlier.filter((v) => v.shape.every((d, i) => i === 1 || d === x.shape[i]));
    return joins[0] && Number(x.shape[1]) < 40 ? m.op("concat", [x, joins[0]], { axis: 1 }) : x;
  },
  (m, x, draw) =>
    m.op("transpose", [x], {
      perm: pick(draw, [
        [0, 2, 3, 1],
        [0, 1, 3, 2],
        [0, 3, 1, 2],
      ]),
    }),
  (m, x) => {
    const [n = 1, c = 1, h = 1, w = 1] = x.shape.map(Number);
    return m.op("reshape", [x, m.i64([n, h, c, w])]);
  },
  (m, x, draw) => m.op(pick(draw, ["reduceMean", "reduceMax", "reduceSum"]), [x], { axes: [pick(draw, [1, 2, 3])], keepDims: true }),
  (m, x, draw) => m.op("softmax", [x], { axis: pick(draw, [1, 2, 3]) }),
  (m, x, draw) =>
    Number(x.shape[2]) * Number(x.shape[3]) > 150
      ? x
      : m.op("resize", [x, m.f32([1, 1, 2, pick(draw, [1, 1.5, 2])])], {
          mode: pick(draw, ["nearest", "linear"]),
          coordinates: "half_pixel",
        }),
  (m, x, draw) => m.op("pad", [x, m.i64([0, 0, draw(2), draw(3), 0, draw(3), draw(2), 0])]),
  (m, x) => (Number(x.shape[1]) > 2 ? m.op("slice", [x, m.i64([1]), m.i64([99]), m.i64([1])]) : x),
  (m, x) =>
    m.op("batchNorm", [x, ...[0, 1, 2].map(() => m.w([Number(x.shape[1])])), m.w([Number(x.shape[1])], { low: 0.5, high: 2 })], {
      epsilon: 1e-5,
    }),
];

/** As {@link STEPS}, and every third step a branch or a loop. */
const CONTROLLED: readonly Step[] = [
  ...STEPS,
  ...STEPS.flatMap((_, i): Step[] =>
    i % 2 === 0 ? [i % 4 === 0 ? (m, x, draw) => branch(m, x, draw) : (m, x, draw) => loop(m, x, draw)] : [],
  ),
];

function caseFrom(tape: readonly number[], index: number, steps: readonly Step[]): Case {
  const name = `graph ${index}: ${tape.join(",")}`;
  const m = new Maker(name);
  const draw = drawFrom(tape);
  const dims = [1 + draw(2), pick(draw, [1, 3, 8, 9]), 3 + draw(8), 3 + draw(8)];
  const values = [m.x(dims)];
  for (let step = 3 + draw(8); step > 0; step--)
    values.push(pick(draw, steps)(m, must(values.at(-1), "value"), draw, values.slice(0, -1).reverse()));
  const last = must(values.at(-1), "value");
  const outputs = draw(3) === 0 ? [last, must(values[Math.floor(values.length / 2)], "value")] : [last];
  return { name, graph: m.finish(outputs), feeds: m.feeds };
}

const optimised: Backend = (cases) => interpretBackend(cases.map((c) => ({ ...c, graph: optimize(c.graph) })));

const hasCompiler = await haveCompiler();

test.each([
  ["a random graph", STEPS, 25],
  ["a random graph with branches and loops", CONTROLLED, 20],
] as const)("every way of running %s gives the same", { timeout: 600_000 }, async (_, steps, runs) => {
  const backends: [string, Backend][] = [
    ["optimised", optimised],
    ["schedules for 8 lanes", scheduledBackend({ lanes: 8, registers: 16 })],
    ["schedules for 8 lanes, shared by three threads", scheduledBackend({ lanes: 8, registers: 16 }, "auto", 3)],
    ["WebAssembly", wasmBackend()],
    ...(hasCompiler ? [["C", cBackend({ machine: await machineWith(), schedule: "auto" })] as [string, Backend]] : []),
  ];
  const cases = tapesOf({ runs, seed: 7, longest: 80 }).map((tape, i) => caseFrom(tape, i, steps));
  const wanted = await interpretBackend(cases);
  const failures: string[] = wanted.flatMap((w, i) => ("error" in w ? [`reference, ${cases[i]?.name ?? ""}: ${String(w.error)}`] : []));
  for (const [name, backend] of backends) {
    const outcomes = await backend(cases);
    cases.forEach((c, i) => {
      const [want, got] = [must(wanted[i], c.name), must(outcomes[i], c.name)];
      if ("error" in want) return;
      const wrong = "error" in got ? String(got.error) : want.outputs.flatMap((t, k) => difference(got.outputs[k], t, TOLERANCE) ?? [])[0];
      if (wrong !== undefined) failures.push(`${name}, ${c.name}: ${wrong}`);
    });
  }
  expect(failures).toEqual([]);
});
