import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hone, writeTiny } from "../testing/command.ts";

let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-bench-test-"));
  writeTiny(file("tiny.onnx"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Json {
  readonly [key: string]: unknown;
  readonly latencyMs: Readonly<Record<string, number>>;
  readonly against?: { readonly ratio: number; readonly relativeError: number; readonly variants: readonly { readonly name: string }[] };
}

test("a model is built and timed against ONNX Runtime, which gets two files", async () => {
  const ran = await hone(["bench", file("tiny.onnx"), "--against", "onnxruntime", "--iterations", "50", "--json"]);
  expect(ran.stderr).toBe("");
  expect(ran.code).toBe(0);
  const json = ran.json() as Json;
  expect(json).toMatchObject({ version: 1, engine: file("tiny.onnx"), threads: 1, macs: 4 * 3 * 9 * 64 });
  expect(json["iterations"]).toBeGreaterThanOrEqual(50);
  const { min = NaN, median = NaN, p90 = NaN, p95 = NaN, p99 = NaN, max = NaN, mean = NaN } = json.latencyMs;
  const rising = [min, median, p90, p95, p99, max];
  expect(rising).toEqual([...rising].sort((a, b) => a - b));
  expect(mean).toBeGreaterThan(0);
  expect(json["peakGflops"]).toBeGreaterThan(0);
  expect(json.against?.variants.map((v) => v.name)).toEqual(["as shipped", "cleaned"]);
  expect(json.against?.relativeError).toBeLessThan(1e-5);
  expect(json.against?.ratio).toBeGreaterThan(0);
});

test("an engine alone has no GFLOP/s; with its model it has", async () => {
  await hone(["build", file("tiny.onnx"), "-o", file("tiny.hone")]);
  const alone = (await hone(["bench", file("tiny.hone"), "--iterations", "20", "--json"])).json() as Json;
  expect(alone).toMatchObject({ macs: null, gflops: null, shareOfPeak: null });
  expect(alone.against).toBeUndefined();
  const withModel = (await hone(["bench", file("tiny.hone"), "--model", file("tiny.onnx"), "--iterations", "20", "--json"])).json() as Json;
  expect(withModel["macs"]).toBe(4 * 3 * 9 * 64);
});

test("what cannot be benched is a usage error", async () => {
  await hone(["build", file("tiny.onnx"), "-o", file("lone.hone")]);
  const peerless = await hone(["bench", file("lone.hone"), "--against", "onnxruntime"]);
  expect(peerless).toMatchObject({ code: 2 });
  expect(peerless.stderr).toContain("--model");
  expect(await hone(["bench", file("lone.hone"), "--profile", "3"])).toMatchObject({ code: 2 });
  expect(await hone(["bench", file("tiny.onnx"), "--model", file("tiny.onnx")])).toMatchObject({ code: 2 });
});

test("the text has trtexec's figures", async () => {
  const ran = await hone(["bench", file("tiny.onnx"), "--iterations", "20"]);
  for (const word of ["throughput", "min", "mean", "median", "p90", "p95", "p99", "GFLOP/s"]) expect(ran.stdout).toContain(word);
});
