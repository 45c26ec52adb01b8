import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { parseGraph, randomTensor } from "../ir/parse.ts";
import { printGraph } from "../ir/print.ts";
import { verifyGraph } from "../ir/verify.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { opBuilder } from "../ops/index.ts";
import { shapeText, sym } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { bindInputs } from "./bind-shapes.ts";
import { int64Tensor } from "./constants.ts";
import { inferOp } from "./pass.ts";
import { optimize, PIPELINE } from "./pipeline.ts";

/** One step of a random graph: from a value of rank 4 to another, with a few random numbers to choose by. */
type Step = (b: GraphBuilder, x: Value, pool: readonly Value[], n: readonly number[]) => Value;

const dim = (v: Value, axis: number): number => Number(v.shape[axis] ?? 1);
const constant = (b: GraphBuilder, dims: readonly number[], seed: number): Value => b.constant(randomTensor("float32", dims, seed + 1));
const PERMS = [
  [0, 2, 3, 1],
  [0, 3, 1, 2],
  [0, 1, 3, 2],
  [1, 0, 2, 3],
  [0, 1, 2, 3],
] as const;
const pick = <T>(list: readonly T[], n: number): T => list[n % list.length] as T;

const STEPS: Readonly<Record<string, Step>> = {
  relu: (b, x) => b.op("relu", [x]),
  clip: (b, x, _, [n = 0]) => b.op("clip", [x], { min: -0.5 + (n % 2) / 2, max: 1 }),
  sigmoid: (b, x) => b.op("sigmoid", [x]),
  identity: (b, x) => b.op("identity", [x]),
  castBack: (b, x) => b.op("cast", [x], { to: "float32" }),
  one: (b, x) => b.op("mul", [b.constant({ type: "float32", dims: [1], data: Float32Array.of(1) }), x]),
  scale: (b, x, _, [n = 0]) => b.op("mul", [x, constant(b, [dim(x, 1), 1, 1], n)]),
  shift: (b, x, _, [n = 0]) => b.op("add", [x, constant(b, [1, dim(x, 1), 1, 1], n)]),
  lastShift: (b, x, _, [n = 0]) => b.op("sub", [x, constant(b, [dim(x, 3)], n)]),
  prelu: (b, x, _, [n = 0]) => b.op("prelu", [x, constant(b, [1, 1, dim(x, 3)], n)]),
  transpose: (b, x, _, [n = 0]) => b.op("transpose", [x], { perm: pick(PERMS, n) }),
  conv: (b, x, _, [n = 0, m = 0]) => {
    const pads = [m % 2, 1, 1, m % 2];
    return b.op("conv", [x, constant(b, [1 + (n % 3), dim(x, 1), 2, 2], n), m % 3 === 0 ? constant(b, [1 + (n % 3)], m) : undefined], {
      pads,
    });
  },
  batchNorm: (b, x, _, [n = 0]) => {
    const positive = b.constant({ type: "float32", dims: [dim(x, 1)], data: new Float32Array(dim(x, 1)).fill(0.5) });
    return b.op("batchNorm", [x, constant(b, [dim(x, 1)], n), constant(b, [dim(x, 1)], n + 1), constant(b, [dim(x, 1)], n + 2), positive]);
  },
  pad: (b, x, _, [n = 0, m = 0]) => b.op("pad", [x, b.constant(int64Tensor([0, m % 2, n % 2, 1, 0, 0, 1, 0]))]),
  noPad: (b, x) => b.op("pad", [x, b.constant(int64Tensor([0, 0, 0, 0, 0, 0, 0, 0]))]),
  maxPool: (b, x) => b.op("maxPool", [x], { kernel: [2, 2], pads: [1, 0, 0, 1] }),
  averagePool: (b, x, _, [n = 0]) => b.op("averagePool", [x], { kernel: [2, 2], pads: [1, 1, 1, 1], countIncludePad: n % 2 === 0 }),
  slice: (b, x, _, [n = 0]) => b.op("slice", [x, ...[[0], [dim(x, n % 4)], [n % 4]].map((list) => b.constant(int64Tensor(list)))]),
  concat: (b, x, pool, [n = 0, m = 0]) => {
    const axis = m % 4;
    const others = pool.filter((v) => v.shape.every((d, i) => i === axis || d === x.shape[i]));
    return b.op("concat", [x, pick(others, n)], { axis });
  },
  join: (b, x, pool, [n = 0, m = 0]) => {
    const same = pool.filter((v) => shapeText(v.shape) === shapeText(x.shape));
    return b.op(m % 2 ? "add" : "max", [x, pick(same, n)]);
  },
  reduce: (b, x, _, [n = 0]) => b.op("reduceMax", [x], { axes: [n % 4], keepDims: true }),
  softmax: (b, x, _, [n = 0]) => b.op("softmax", [x], { axis: n % 4 }),
  reshape: (b, x) => b.op("reshape", [b.op("flatten", [x]), b.constant(int64Tensor([dim(x, 0), dim(x, 3), dim(x, 2), -1]))]),
  byShape: (b, x) => b.op("reshape", [x, b.op("shape", [b.op("identity", [x])])]),
  dead: (b, x) => (b.op("exp", [x]), x),
  split: (b, x, _, [n = 0]) => {
    const size = dim(x, n % 4);
    return size < 2 ? x : (b.ops("split", [x], { axis: n % 4, sizes: [1, size - 1] }, { outputs: 2 })[n % 2] ?? x);
  },
};

/** A number for all elements, sometimes another than the formula has. */
const scalarOf = (b: GraphBuilder, right: number, n: number): Value =>
  b.constant({ type: "float32", dims: [], data: Float32Array.of(n % 4 === 3 ? right / 2 : right) });

/** What exporters write in pieces; `n` brackets it, and now and then spoils it. */
const PIECES: Readonly<Record<string, Step>> = {
  gelu: (b, x, _, [n = 0, m = 0]) => {
    const half = scalarOf(b, 0.5, m);
    const erf = b.op("erf", [n % 2 ? b.op("div", [x, scalarOf(b, Math.SQRT2, n)]) : b.op("mul", [x, scalarOf(b, Math.SQRT1_2, n)])]);
    const gate = b.op("add", [scalarOf(b, 1, m + 2), erf]);
    return m % 2 ? b.op("mul", [b.op("mul", [x, half]), gate]) : b.op("mul", [b.op("mul", [gate, x]), half]);
  },
  tanhGelu: (b, x, _, [n = 0, m = 0]) => {
    const cube = n % 2 ? b.op("pow", [x, scalarOf(b, 3, 0)]) : b.op("mul", [x, b.op("mul", [x, x])]);
    const sum = b.op("add", [x, b.op("mul", [cube, scalarOf(b, 0.044715, n)])]);
    const gate = b.op("add", [b.op("tanh", [b.op("mul", [sum, scalarOf(b, Math.sqrt(2 / Math.PI), m)])]), scalarOf(b, 1, 0)]);
    return b.op("mul", [b.op("mul", [x, gate]), scalarOf(b, 0.5, 0)]);
  },
  swish: (b, x, pool, [n = 0]) => b.op("mul", [b.op(n % 2 ? "sigmoid" : "hardSigmoid", [n % 3 ? x : pick(pool, n)]), x]),
  norm: (b, x, _, [n = 0, m = 0]) => {
    const mean = (v: Value): Value => b.op("reduceMean", [v], { axes: [m % 3 ? 3 : n % 4], keepDims: true });
    const d = n % 2 ? x : b.op("sub", [x, mean(x)]);
    const root = b.op("sqrt", [b.op("add", [mean(b.op("mul", [d, d])), scalarOf(b, 0.1, n)])]);
    const y = m % 2 ? b.op("div", [d, root]) : b.op("mul", [b.op("reciprocal", [root]), d]);
    return b.op("add", [b.op("mul", [y, constant(b, [dim(x, n % 5 ? 3 : 2)], n)]), constant(b, [1, dim(x, 3)], m)]);
  },
  attention: (b, x, pool, [n = 0, m = 0]) => {
    const k = pick(pool, n);
    const scores = b.op("matMul", [x, b.op("transpose", [k], { perm: [0, 1, 3, 2] })]);
    const scaled = m % 2 ? b.op("mul", [scores, scalarOf(b, 0.5, m)]) : scores;
    const masked = n % 2 ? b.op("add", [scaled, constant(b, [dim(k, 2)], m)]) : scaled;
    return b.op("matMul", [b.op("softmax", [masked], { axis: n % 3 ? -1 : 2 }), k]);
  },
};

const LIMIT = 400;
/** Small, and of a shape that is known before shapes are inferred. */
const usable = (v: Value | undefined): v is Value => v !== undefined && v.shape.reduce<number>((n, d) => n * Number(d), 1) <= LIMIT;

/** A graph of the steps; a step that does not fit is left out. */
function build(steps: readonly (readonly [string, number, number, number])[]): Graph {
  const b = opBuilder("random");
  const pool: Value[] = [b.input("x", "float32", [1, 3, 4, 2])];
  for (const [name, from, n, m] of steps) {
    try {
      // Mostly from the last value, so that chains come about.
      const x = pool[Math.max(0, pool.length - 1 - Math.max(0, from - 6))] ?? pool[0];
      const y = x && (STEPS[name] ?? PIECES[name])?.(b, x, pool, [n, m]);
      if (usable(y)) pool.push(y);
    } catch (error) {
      if (!(error instanceof HoneError) || error.code === "internal") throw error;
    }
  }
  for (const [i, v] of pool.slice(-3).entries()) b.output(v, `out${i}`);
  return b.finish();
}

const feedsOf = (graph: Graph): Record<string, Tensor> =>
  Object.fromEntries(graph.inputs.map((v, i) => [v.name, randomTensor(v.dtype, v.shape.map(Number), i + 11)]));

function expectSame(got: Record<string, Tensor>, want: Record<string, Tensor>): void {
  expect(Object.keys(got)).toEqual(Object.keys(want));
  for (const [name, t] of Object.entries(want)) {
    expect(got[name]?.dims).toEqual(t.dims);
    t.data.forEach((x: number | bigint, i: number) => {
      const y = Number(got[name]?.data[i]);
      if (!(Math.abs(y - Number(x)) <= 1e-4 * (1 + Math.abs(Number(x))))) throw new Error(`${name}[${i}] is ${y} instead of ${String(x)}`);
    });
  }
}

describe("optimize", () => {
  test.each<readonly [string, readonly string[]]>([
    // Every second step is a transpose: most passes that can go wrong move them.
    ["of small steps", Object.keys(STEPS).flatMap((name) => [name, "transpose"])],
    ["of formulas in pieces", [...Object.keys(PIECES), ...Object.keys(PIECES), "join", "transpose", "relu"]],
  ])("random graphs %s compute the same before and after every pass", (_, names) => {
    const step = fc.tuple(fc.constantFrom(...names), fc.nat(8), fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 12 }), (steps) => {
        const graph = build(steps);
        verifyGraph(graph, inferOp);
        const feeds = feedsOf(graph);
        const want = evaluateGraph(graph, feeds);
        optimize(graph, {
          onPass: (pass, before, after) => {
            try {
              verifyGraph(after, inferOp);
              expectSame(evaluateGraph(after, feeds), want);
            } catch (error) {
              throw new Error(`${pass.name} breaks\n${printGraph(before)}into\n${printGraph(after)}`, { cause: error });
            }
          },
        });
      }),
      { numRuns: Number(process.env.HONE_RUNS ?? 40), seed: Number(process.env.HONE_SEED ?? 1) },
    );
  });

  test("the text of an optimised graph parses to the same graph", () => {
    const text = `graph "g"(%x: float32[1,2,4,4]) -> (%y) { %w = const float32[2,2,1,1] = [1, 2, 3, 4] %c = conv(%x, %w) %y = relu(%c) }`;
    const printed = printGraph(optimize(parseGraph(text, { infer: inferOp })));
    expect(printGraph(parseGraph(printed))).toBe(printed);
  });

  test("stops after a pass, and knows its names", () => {
    const seen: string[] = [];
    const graph = build([["relu", 0, 0, 0]]);
    optimize(graph, { stopAfter: "infer-shapes", onPass: (pass) => seen.push(pass.name) });
    expect(seen.at(-1)).toBe("infer-shapes");
    expect(() => optimize(graph, { stopAfter: "nonsense" })).toThrow("there is no pass nonsense");
    expect(PIPELINE.every((p) => p.reason.length > 10)).toBe(true);
  });
});

describe("binding shapes", () => {
  const b = opBuilder("bind");
  const x = b.input("image", "float32", [sym("n"), 3, sym("h"), sym("h")]);
  const k = b.input("scale", "float32", [sym("n"), 1, 1, 1]);
  b.output(b.op("mul", [x, k]), "y");
  const graph = b.finish();

  test("solves symbols, also for inputs that are not named", () => {
    const bound = bindInputs(graph, { image: [2, 3, 8, 8] });
    expect(bound.inputs.map((v) => v.shape)).toEqual([
      [2, 3, 8, 8],
      [2, 1, 1, 1],
    ]);
    expect(bound.outputs[0]?.shape).toEqual([2, 3, 8, 8]);
  });

  test.each([
    [{ picture: [1] }, "the model has no input picture"],
    [{ image: [1, 3, 8] }, "the input image has 4 dimensions, 3 were given: 1x3x8"],
    [{ image: [1, 4, 8, 8] }, "axis 1 of the input image cannot be 4: the model fixes it at 3"],
    [{ image: [1, 3, 8, 9] }, "axis 3 of the input image cannot be 9: h is 8 already"],
    [{ image: [1, 3, 8, 8], scale: [2, 1, 1, 1] }, "axis 0 of the input scale cannot be 2: n is 1 already"],
    [{ image: [0, 3, 8, 8] }, "axis 0 of the input image cannot be 0: it is not a size"],
  ])("%j is refused", (shapes, message) => {
    const bind = (): unknown => bindInputs(graph, shapes);
    expect(bind).toThrow(message);
    expect(bind).toThrow(expect.objectContaining({ code: "usage", hint: expect.stringContaining("--shape") as string }) as Error);
  });
});
