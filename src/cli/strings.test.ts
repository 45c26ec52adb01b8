/** A model of strings on the command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import { tensor } from "../tensor/tensor.ts";
import { hone } from "./testing/command.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-strings-"));
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  const graph = onnxGraph({
    node: [
      onnxNode("StringNormalizer", ["words"], ["loud"], { case_change_action: "UPPER" }),
      onnxNode("StringConcat", ["loud", "words"], ["both"]),
      onnxNode("RegexFullMatch", ["words"], ["short"], { pattern: "\\w{1,3}" }),
      onnxNode("Cast", ["short"], ["numbers"], { to: 1n }),
      onnxNode("Mul", ["numbers", "x"], ["y"]),
    ],
    initializer: [onnxTensor("unused", tensor("float32", [1], Float32Array.of(1)))],
    input: [onnxValueInfo("words", "string", [2]), onnxValueInfo("x", "float32", [2])],
    output: [onnxValueInfo("both", "string", [2]), onnxValueInfo("y", "float32", [2])],
  });
  writeFileSync(at("text.onnx"), writeOnnx(onnxModel({ graph, opsetImport: [{ domain: "", version: 20 }] })));
  writeFileSync(at("words.json"), '["one", "three"]');
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("inspect tells strings apart, build takes them, and run feeds and shows them", async () => {
  const inspected = (await hone(["inspect", at("text.onnx"), "--json"])).json();
  expect(inspected).toMatchObject({
    problems: [],
    hostOps: { StringNormalizer: 1, StringConcat: 1, RegexFullMatch: 1 },
    inputs: [{ name: "words", type: "string", dims: [2] }, { name: "x" }],
  });
  expect((await hone(["build", at("text.onnx"), "-o", at("text.hone"), "--target", "wasm"])).code).toBe(0);
  const ran = await hone(["run", at("text.hone"), "--input", `words=${at("words.json")}`, "-o", at("out"), "--json"]);
  expect(ran.stderr).toBe("");
  expect(ran.json()).toMatchObject({
    feeds: "strings for words; random, seed 1",
    outputs: [{ name: "both", type: "string", dims: [2], strings: ["ONEone", "THREEthree"] }, { name: "y" }],
  });
  expect(readFileSync(at("out/both.json"), "utf8")).toBe('["ONEone","THREEthree"]\n');
  expect((await hone(["run", at("text.hone"), "--input", `words=${at("out/both.json")}`])).stdout).toContain('both: ["ONEONEONEone"');
});

test("strings that are missing or no lists of texts are named", async () => {
  const missing = await hone(["run", at("text.hone")]);
  expect(missing).toMatchObject({ code: 2 });
  expect(missing.stderr).toContain("the model reads strings: words");
  writeFileSync(at("odd.json"), '["a", ["b"]]');
  expect((await hone(["run", at("text.hone"), "--input", `words=${at("odd.json")}`])).stderr).toContain("lists of texts of one length");
  writeFileSync(at("three.json"), '["a", "b", "c"]');
  expect((await hone(["run", at("text.hone"), "--input", `words=${at("three.json")}`])).stderr).toContain(
    "expected string[2], got string[3]",
  );
});

test("compare feeds strings to both sides, and holds strings against strings", async () => {
  const words = ["--input", `words=${at("words.json")}`, "--json"];
  const compared = await hone(["compare", at("text.onnx"), "--against", "naive", ...words]);
  expect([compared.stderr, compared.json()]).toMatchObject([
    "",
    { worst: 0, outputs: [{ name: "both" }, { name: "y" }], cases: [{ feeds: "strings for words; random, seed 1" }] },
  ]);
  // ONNX Runtime's StringNormalizer needs a locale that machines may lack.
  const plain = onnxGraph({
    node: [onnxNode("StringConcat", ["words", "words"], ["both"])],
    input: [onnxValueInfo("words", "string", [2])],
    output: [onnxValueInfo("both", "string", [2])],
  });
  writeFileSync(at("plain.onnx"), writeOnnx(onnxModel({ graph: plain, opsetImport: [{ domain: "", version: 20 }] })));
  const peer = await hone(["compare", at("plain.onnx"), "--against", "onnxruntime", ...words]);
  if (!peer.stderr.includes("needs the package onnxruntime-node"))
    expect(peer.json()).toMatchObject({ worst: 0, outputs: [{ name: "both", cosine: 1 }] });
  const without = await hone(["compare", at("text.onnx"), "--against", "naive"]);
  expect([without.code, without.stderr.includes("the model reads strings: words")]).toEqual([2, true]);
});

test("bench says that strings are not timed, and what is", async () => {
  const timed = await hone(["bench", at("text.hone")]);
  expect(timed).toMatchObject({ code: 2 });
  expect(timed.stderr).toContain("reads strings (words), which JavaScript does beside the kernels: bench times kernels alone");
});
