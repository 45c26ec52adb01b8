import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reduced } from "../../workflow/reduce.ts";
import { hone, writeTiny } from "../testing/command.ts";

let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-reduce-cli-"));
  writeTiny(file("tiny.onnx"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const between = ["--between", "wasm,interpret", "-o"];

test("the last bits of a result are traced to the node that makes them", async () => {
  const ran = await hone(["reduce", file("tiny.onnx"), ...between, file("small.onnx"), "--tolerance", "0", "--json"]);
  expect(ran.stderr).toBe("");
  expect(ran.code).toBe(0);
  const json = JSON.parse(ran.stdout) as Reduced & { readonly version: number };
  expect(json).toMatchObject({ version: 1, whole: { kind: "differ" }, part: { kind: "differ" }, nodes: { before: 3, after: 1 } });
  expect(json.files.every((path) => existsSync(path))).toBe(true);
});

test("two that agree are said to", async () => {
  const ran = await hone(["reduce", file("tiny.onnx"), ...between, file("none.onnx")]);
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("they agree within 0.0001");
  expect(existsSync(file("none.onnx"))).toBe(false);
});

test("an unknown side is told", async () => {
  const ran = await hone(["reduce", file("tiny.onnx"), "--between", "wasm,cuda"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("native, wasm, naive, interpret, onnxruntime");
});
