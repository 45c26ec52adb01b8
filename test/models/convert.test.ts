/** Converted models give the answers of the originals, in ONNX Runtime, for every shared ONNX model. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { TENSOR_TYPES } from "../../src/formats/onnx/types.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { convertFile } from "../../src/workflow/convert.ts";
import { difference } from "../../src/workflow/difference.ts";
import { openOnnxRuntime } from "../../src/workflow/peer.ts";
import { have, SHARED } from "./seeded.ts";

const peer = await import("onnxruntime-node").catch(() => undefined);
if (!peer) process.stderr.write("skipped: onnxruntime-node is not installed\n");

const folder = mkdtempSync(join(tmpdir(), "hone-convert-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const models = have(join(SHARED, "models"))
  ? readdirSync(join(SHARED, "models"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".onnx"))
      .sort()
  : [];

/** Open dims of silero's inputs; others: batches of 1, pictures of 160 × 160. */
const SILERO: Readonly<Record<string, readonly number[]>> = { input: [1, 512], state: [2, 1, 128] };
const likely = (axis: number, rank: number): number => (axis === 0 ? 1 : axis === 1 && rank === 4 ? 3 : 160);

/** The rate is int64. */
function filled(dtype: DType, dims: readonly number[]): Tensor {
  const t = zeros(dtype, dims);
  for (let i = 0; i < t.data.length; i++) t.data[i] = dtype === "int64" ? 16000n : Math.sin(i * 0.37) * 0.5;
  return t;
}

function feedsOf(path: string): Record<string, Tensor> {
  const { graph } = readOnnx(readFileSync(path), { file: path });
  const constants = new Set(graph?.initializer.map((t) => t.name));
  const inputs = (graph?.input ?? []).filter((v) => !constants.has(v.name));
  return Object.fromEntries(
    inputs.map(({ name, type }) => {
      const dtype = must(TENSOR_TYPES[type?.tensorType?.elemType ?? 0]?.dtype, `type of ${name}`);
      const dims = (type?.tensorType?.shape?.dim ?? []).map((d, i, all) => Number(d.dimValue ?? 0) || likely(i, all.length));
      return [name, filled(dtype, (path.includes("silero") ? SILERO[name] : undefined) ?? dims)];
    }),
  );
}

/** The oldest that all of them can be said in, for fixed shapes. */
const OLD = 11;

interface Way {
  readonly shapes?: readonly string[];
  readonly set?: readonly string[];
  readonly opset?: number;
}

/** As it is, and for these shapes. Silero's branch for the other rate is of no type for them, which ONNX Runtime refuses: the rate is set. */
function waysOf(name: string, feeds: Record<string, Tensor>): readonly Way[] {
  const shapes = Object.entries(feeds).flatMap(([input, t]) => (t.dims.length > 0 ? [`${input}=${t.dims.join("x")}`] : []));
  const set = name.endsWith("silero_vad.onnx") ? { set: ["sr=16000"] } : {};
  return [{}, { shapes, ...set }, { opset: 21 }, { shapes, opset: OLD, ...set }];
}

test.skipIf(!peer).each(models)("%s", { timeout: 120_000 }, async (name) => {
  const path = join(SHARED, "models", name);
  const feeds = feedsOf(path);
  const original = await openOnnxRuntime(path);
  try {
    const want = await original.run(feeds);
    for (const way of waysOf(name, feeds)) {
      const output = join(folder, `${name.replaceAll("/", "_")}.${Object.keys(way).join(".")}.onnx`);
      const { nodes, opset, opsetBefore } = await convertFile(path, { output, ...way });
      expect(opset).toBe(way.opset ?? opsetBefore);
      expect(nodes.after).toBeLessThanOrEqual(nodes.before);
      const simple = await openOnnxRuntime(output);
      const got = await simple.run(way.set ? Object.fromEntries(Object.entries(feeds).filter(([input]) => input !== "sr")) : feeds);
      await simple.close();
      expect(Object.keys(got)).toEqual(Object.keys(want));
      for (const [label, t] of Object.entries(want)) expect(difference(must(got[label], label), t).relativeError, label).toBeLessThan(1e-5);
    }
  } finally {
    await original.close();
  }
});
