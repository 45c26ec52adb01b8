/** Convolutions and matrix products whose weights are kept in halves, on every back end, judged by their definitions. */
import { expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Case,
  type Outcome,
} from "../../scripts/conformance/backends.ts";
import { difference, type Tolerance } from "../../scripts/conformance/compare.ts";
import { compileGraph } from "../../src/compiler/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { halfWeights } from "../../src/passes/half-weights.ts";
import { optimize } from "../../src/passes/pipeline.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import type { Half } from "../../src/tensor/halves.ts";
import { must } from "../../src/util/errors.ts";
import { CONV_CASES } from "./cases/conv.ts";
import { REDUCE_CASES } from "./cases/reduce.ts";
import { makeCase, type OpCase } from "./maker.ts";

const TOLERANCE: Tolerance = { relative: 2e-5, absolute: 1e-5 };

/** Weights that are subnormal in float16, in blocks and as a matrix. */
const SMALL: readonly OpCase[] = [
  {
    name: "conv of subnormal weights",
    build: (m) => m.op("conv", [m.x([1, 8, 5, 6], { low: 1e4, high: 2e4 }), m.w([16, 8, 1, 1], { low: -6e-5, high: 6e-5 })]),
  },
  {
    name: "matMul of subnormal weights",
    build: (m) => m.op("matMul", [m.x([3, 20], { low: 1e4, high: 2e4 }), m.w([20, 33], { low: -6e-5, high: 6e-5 })]),
  },
];

const keep =
  (half: Half) =>
  (graph: Graph): Graph =>
    halfWeights(graph, () => half).graph;

/** One for each way that weights are read in. */
const NAMES = [
  "conv 3x3",
  "conv 1x1 whole blocks",
  "conv two groups",
  "conv 1-d",
  "conv 3-d",
  "conv depthwise with multiplier",
  "conv after conv 3x3",
  "conv after conv 1x1 strided from a row",
  "conv after conv one channel out",
  "conv after conv depthwise 5x5",
  "conv after conv depthwise odd channels",
  "gemm of one row, wide",
  "gemm of many rows",
  "gemm transposed, scaled",
  "matMul by one constant for all batches",
  "matMul, deep",
];

const CASES = [...CONV_CASES, ...REDUCE_CASES].filter((c) => NAMES.includes(c.name)).map(makeCase);
CASES.push(...SMALL.map(makeCase));

/** Their transformed weights are what is rounded. */
const WINOGRAD = CONV_CASES.filter(({ name }) => name === "conv after conv 3x3 by Winograd, uneven pads").map(makeCase);

const kept = (cases: readonly Case[], half: Half): readonly Case[] => cases.map((c) => ({ ...c, rewrite: keep(half) }));

/** What the definitions give for weights that were rounded. */
const defined = (cases: readonly Case[], half: Half): Promise<readonly Outcome[]> =>
  interpretBackend(cases.map((c) => ({ ...c, graph: keep(half)(optimize(c.graph)) })));

function differences(cases: readonly Case[], wanted: readonly Outcome[], outcomes: readonly Outcome[], tolerance: Tolerance): string[] {
  return cases.flatMap((c, i) => {
    const [want, got] = [must(wanted[i], c.name), must(outcomes[i], c.name)];
    if ("error" in want || "error" in got) return [`${c.name}: ${String("error" in got ? got.error : "no reference")}`];
    return want.outputs.flatMap((t, k) => difference(got.outputs[k], t, tolerance) ?? []).map((why) => `${c.name}: ${why}`);
  });
}

const hasCompiler = await haveCompiler();

const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  "schedules for 8 lanes, interpreted": () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 })),
  WebAssembly: () => Promise.resolve(wasmBackend()),
  ...(hasCompiler
    ? {
        "C, naive": async () => cBackend({ machine: await machineWith(), schedule: "naive" }),
        "C, this machine": async () => cBackend({ machine: await machineWith(), schedule: "auto" }),
        "C, 4 lanes": async () => cBackend({ machine: await machineWith(4), schedule: "auto" }),
      }
    : {}),
};

const HALVES = ["float16", "bfloat16"] as const;

test("the cases are there, and keep their weights in halves", () => {
  expect(CASES.length).toBe(NAMES.length + SMALL.length);
  expect(CASES.filter((c) => halfWeights(optimize(c.graph), () => "float16").layers === 0).map((c) => c.name)).toEqual([]);
});

test.each(Object.keys(BACKENDS))("%s", { timeout: 300_000 }, async (name) => {
  const run = await must(BACKENDS[name], name)();
  const wanted = (await Promise.all(HALVES.map((half) => defined(CASES, half)))).flat();
  const cases = HALVES.flatMap((half) => kept(CASES, half));
  expect(differences(cases, wanted, await run(cases), TOLERANCE)).toEqual([]);
});

test("by Winograd all back ends agree, near the definition", { timeout: 300_000 }, async () => {
  const cases = HALVES.flatMap((half) => kept(WINOGRAD, half));
  const four = { lanes: 4, registers: 16 };
  const { programs } = compileGraph(must(cases[0], "a case").graph, { machine: four, rewrite: keep("float16") });
  expect(programs[0]?.calls.flatMap((c) => c.kernel.schedules)).toContain("Winograd F(4×4, 3×3) convolution");
  const interpreted = await scheduledBackend(four)(cases);
  for (const [i, half] of HALVES.entries()) {
    const step = half === "float16" ? 2 ** -11 : 2 ** -8;
    const own = interpreted.slice(i, i + 1);
    expect(differences(WINOGRAD, await defined(WINOGRAD, half), own, { relative: step, absolute: 16 * step })).toEqual([]);
  }
  expect(differences(cases, interpreted, await wasmBackend()(cases), TOLERANCE)).toEqual([]);
  if (!hasCompiler) return;
  const machine = await machineWith(4);
  expect(differences(cases, interpreted, await cBackend({ machine, schedule: "auto" })(cases), TOLERANCE)).toEqual([]);
});
