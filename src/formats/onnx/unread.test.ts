import { expect, test } from "vitest";
import { HoneError } from "../../util/errors.ts";
import { importOnnx } from "./import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo } from "./write.ts";

test.each([
  ["", "Bernoulli", /hone does not read the operator Bernoulli$/, /make what is drawn an input/],
  ["", "RandomUniformLike", /RandomUniformLike$/, /evaluation mode/],
  ["ai.onnx.ml", "TreeEnsembleClassifier", /ai\.onnx\.ml\.TreeEnsembleClassifier$/, /ArgMax/],
  ["mine", "Bernoulli", /mine\.Bernoulli$/, /as a function/],
])("%s %s is refused with a way around", (domain, opType, message, hint) => {
  const node = [{ ...onnxNode(opType, ["x"], ["y"]), domain }];
  const graph = onnxGraph({ node, input: [onnxValueInfo("x", "float32", [2])], output: [onnxValueInfo("y", "float32", [])] });
  let error: unknown;
  try {
    importOnnx(onnxModel({ opsetImport: [{ domain: "", version: 21 }], graph }), { file: "test" });
  } catch (caught) {
    error = caught;
  }
  const problems = error instanceof HoneError ? error.problems : [];
  expect(problems.map((p) => p.message)).toEqual([expect.stringMatching(message)]);
  expect(problems.map((p) => p.hint)).toEqual([expect.stringMatching(hint)]);
});
