/** WebAssembly beside native code: the same numbers, in few bytes, soon built. Skipped without a compiler or without ../shared/models. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bundlePage, ROOT } from "../../scripts/web/bundle.ts";
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { readEngine } from "../../src/engine/read.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { elementCount, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { packageFile } from "../../src/workflow/detector.ts";
import { calibrateModel } from "../../src/workflow/calibrate.ts";
import { difference } from "../../src/workflow/difference.ts";
import { int8From } from "../../src/workflow/int8.ts";

const compiler = await haveCompiler();
const shared = (file: string): string => join(ROOT, "../shared/models", file);
const RETINAFACE = shared("retinaface-landmark/retinaface-mobilenet0.25-640.onnx");

const MODELS: readonly string[] = [
  RETINAFACE,
  shared("ultra-light/version-slim-320.onnx"),
  shared("yunet/yunet_n_640_640.onnx"),
  packageFile("@mediapipe/face_detection", "face_detection_full_range.tflite") ?? "face_detection_full_range.tflite",
].filter((path) => existsSync(path));

/** What makes scores of the last layer's numbers: the only floating point that is left of an int8 model. */
const SCORES = ["sigmoid", "softmax"];

const producersOf = (graph: Graph): ReadonlyMap<Value, Node> => new Map(graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));

const MOVES = ["reshape", "transpose", "concat"];

/** The graph with the numbers which scores are made of in place of the scores that it gives. */
function beforeScores(graph: Graph): Graph {
  const producers = producersOf(graph);
  const ends = new Set<Node>();
  const visit = (v: Value | undefined): void => {
    const node = v && producers.get(v);
    if (node && SCORES.includes(node.op)) ends.add(node);
    else if (node && MOVES.includes(node.op)) node.inputs.forEach(visit);
  };
  graph.outputs.forEach(visit);
  const before = (v: Value): Value => {
    const node = producers.get(v);
    return node && ends.has(node) ? must(node.inputs[0], "input") : v;
  };
  const nodes = graph.nodes.filter((n) => !ends.has(n)).map((n) => ({ ...n, inputs: n.inputs.map((v) => v && before(v)) }));
  return { ...graph, outputs: graph.outputs.map(before), nodes };
}

async function bothOf(
  engine: Uint8Array,
): Promise<{ readonly names: readonly string[]; readonly native: Results; readonly wasm: Results }> {
  const [native, wasm] = [await Session.open(engine, { native: "allow" }), await Session.open(engine)];
  expect([native.info.target.slice(0, 3), wasm.info.target.slice(0, 5)]).toEqual(["so:", "wasm:"]);
  const shapes = must(native.manifest.profiles[0], "profile").inputs;
  const feeds = Object.fromEntries(
    native.manifest.inputs.map((v, i) => {
      const dims = must(shapes[i], "dims");
      const data = Float32Array.from({ length: elementCount(dims) }, (_, k) => Math.sin(k * 0.37));
      return [v.name, tensor(v.type, dims, data)];
    }),
  );
  const results = { names: native.outputNames, native: native.runSync(feeds), wasm: wasm.runSync(feeds) };
  await Promise.all([native.close(), wasm.close()]);
  return results;
}

const numbersOf = (t: Tensor | undefined): readonly number[] => Array.from<number | bigint, number>(must(t, "output").data, Number);

type Results = Readonly<Record<string, Tensor>>;

function expectNear(names: readonly string[], got: Results, wanted: Results): void {
  for (const name of names) {
    expect(difference(must(got[name], name), must(wanted[name], name)).relativeError, name).toBeLessThanOrEqual(1e-5);
  }
}

/**
 * The logistic function is 1/2 plus a ratio of polynomials, which makes native scores those of ONNX Runtime to the bit; it is known to
 * 1.5e-7, whatever its size (src/ops/arith.ts). WebAssembly has no fma, so that its evaluation is another one, and of scores near 0
 * the two together may differ by more than 1e-5: by 2.4e-7, and no output that another function made by anything.
 */
function expectScores(names: readonly string[], got: Results, wanted: Results): void {
  for (const name of names) {
    const [a, b] = [numbersOf(got[name]), numbersOf(wanted[name])];
    expect(a).toHaveLength(b.length);
    const over = a.map((v, i) => Math.abs(v - (b[i] ?? NaN)) - 1e-5 * Math.abs(v)).reduce((x, y) => Math.max(x, y), 0);
    expect(over, name).toBeLessThanOrEqual(2.4e-7);
  }
}

describe.skipIf(!compiler || MODELS.length === 0)("WebAssembly equals native code", () => {
  test.each(MODELS)("%s: within 1e-5", { timeout: 180_000 }, async (path) => {
    const { engine, graph } = await buildModel(path, { targets: ["native", "wasm"] });
    const { names, native, wasm } = await bothOf(engine);
    const producers = producersOf(graph);
    const logistic = graph.outputs.filter((o) => producers.get(o)?.op === "sigmoid").map((o) => o.name);
    expectNear(
      names.filter((name) => !logistic.includes(name)),
      wasm,
      native,
    );
    if (logistic.length === 0) return;
    expectScores(logistic, wasm, native);
    const { engine: earlier } = await buildModel(path, { targets: ["native", "wasm"], rewrite: beforeScores });
    const numbers = await bothOf(earlier);
    expect(numbers.names).toHaveLength(names.length);
    for (const name of logistic) {
      const scores = numbersOf(native[name]);
      const off = numbersOf(numbers.native[name]).map((v, i) => Math.abs(1 / (1 + Math.exp(-v)) - (scores[i] ?? NaN)));
      expect(
        off.reduce((x, y) => Math.max(x, y), 0),
        name,
      ).toBeLessThanOrEqual(2.4e-7);
    }
    expectNear(numbers.names, numbers.wasm, numbers.native);
  });

  const photo = packageFile("@vladmandic/face-api", "demo/sample1.jpg");
  const quantised = [RETINAFACE, shared("yunet/yunet_n_640_640.onnx")].filter((path) => existsSync(path) && photo !== undefined);
  test.skipIf(quantised.length === 0).each(quantised)("%s in int8: to the bit, up to the scores", { timeout: 180_000 }, async (path) => {
    // How ranges were chosen changes no target's arithmetic: nothing is tried out.
    const table = await calibrateModel(path, { images: must(photo, "photo"), method: "minmax", adjust: false });
    const { rewrite, layers } = int8From(table, "the table", "all");
    const { engine } = await buildModel(path, {
      targets: ["native", "wasm"],
      precision: "int8",
      rewrite: (g, machine) => beforeScores(rewrite(g, machine)),
    });
    expect(layers().int8).toBeGreaterThan(40);
    const { names, native, wasm } = await bothOf(engine);
    for (const name of names) expect(wasm[name]?.data, name).toEqual(native[name]?.data);
  });
});

test.skipIf(!existsSync(RETINAFACE))(
  "retinaface at 640: built within 5 s, code and runtime within 150 kB",
  { timeout: 60_000 },
  async () => {
    const before = process.cpuUsage();
    const { engine } = await buildModel(RETINAFACE, { targets: ["wasm"] });
    const { user, system } = process.cpuUsage(before);
    // Processor time: others may compute on the machine meanwhile.
    expect((user + system) / 1e6).toBeLessThanOrEqual(5);
    const { manifest, sections } = readEngine(engine);
    const code = manifest.targets.reduce((n, t) => n + gzipSync(must(sections.get(t.section), t.section)).length, 0);
    const runtime = [...(await bundlePage({ "web.js": "src/web.ts" })).values()].reduce((n, bytes) => n + gzipSync(bytes).length, 0);
    expect(code + runtime).toBeLessThanOrEqual(150_000);
  },
);
