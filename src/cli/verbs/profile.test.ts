import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProfileResult } from "../../workflow/profile.ts";
import { hone, writeTiny } from "../testing/command.ts";

let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-profile-test-"));
  writeTiny(file("tiny.onnx"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every kernel is told with its time, and the shares are of the whole", async () => {
  const ran = await hone(["profile", file("tiny.onnx"), "--seconds", "0.05", "--json"]);
  expect(ran.stderr).toBe("");
  expect(ran.code).toBe(0);
  const json = JSON.parse(ran.stdout) as ProfileResult & { readonly version: number };
  expect(json.version).toBe(1);
  expect(json.calls.length).toBeGreaterThan(0);
  expect(json.calls.reduce((sum, c) => sum + c.share, 0)).toBeCloseTo(1, 9);
  expect(json.calls.reduce((sum, c) => sum + c.ms, 0)).toBeCloseTo(json.ms, 9);
  expect(json.macs).toBe(4 * 3 * 9 * 64);
  expect(json.ms).toBeLessThanOrEqual(json.runMs);
  const [first] = json.calls;
  expect(first?.ops[0]).toBe("conv");
  expect(json.calls.flatMap((c) => c.nodes)).toEqual(expect.arrayContaining(["conv", "relu", "sigmoid"]));
  // Input, output and at least the weights.
  expect(json.calls.reduce((sum, c) => sum + c.bytes, 0)).toBeGreaterThanOrEqual(4 * (3 * 64 + 4 * 64 + 4 * 27));
});

test("an engine is built again as it was, from its model", async () => {
  await hone(["build", file("tiny.onnx"), "-o", file("tiny.hone"), "--schedule", "naive"]);
  const ran = await hone(["profile", file("tiny.hone"), "--model", file("tiny.onnx"), "--seconds", "0.05", "--json"]);
  expect(ran.code).toBe(0);
  const { calls } = JSON.parse(ran.stdout) as ProfileResult;
  expect(new Set(calls.flatMap((c) => c.schedules))).toEqual(new Set(["textbook"]));
});

test("an engine of halves is profiled in halves, and int8 asks for its ranges", async () => {
  await hone(["build", file("tiny.onnx"), "-o", file("half.hone"), "--precision", "fp16"]);
  const ran = await hone(["profile", file("half.hone"), "--model", file("tiny.onnx"), "--seconds", "0.05", "--json"]);
  expect((JSON.parse(ran.stdout) as ProfileResult).calls.map((c) => c.precision)).toContain("fp16");
  const int8 = await hone(["profile", file("tiny.onnx"), "--precision", "int8"]);
  expect(int8.code).toBe(2);
  expect(int8.stderr).toContain("--calib");
});

test("an engine without its model is told what to add", async () => {
  await hone(["build", file("tiny.onnx"), "-o", file("lone.hone")]);
  const ran = await hone(["profile", file("lone.hone")]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("--model");
});

test("the text can be sorted and cut", async () => {
  const ran = await hone(["profile", file("tiny.onnx"), "--seconds", "0.05", "--sort", "time", "--top", "1"]);
  for (const word of ["GFLOP/s", "of peak", "schedule", "bytes", "nodes"]) expect(ran.stdout).toContain(word);
});
