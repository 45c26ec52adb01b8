import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import { tensor } from "../tensor/tensor.ts";
import { importFile, readModelFile } from "./model-file.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-model-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([0, 1, 2, 3])("weights are views of the file, wherever they lie in it (%d)", async (pad) => {
  const weights = tensor(
    "float32",
    [256],
    Float32Array.from({ length: 256 }, (_, i) => i),
  );
  const graph = onnxGraph({
    name: "g".repeat(pad + 1),
    input: [onnxValueInfo("x", "float32", [256])],
    output: [onnxValueInfo("y", "float32", [256])],
    node: [onnxNode("Add", ["x", "w"], ["y"])],
    initializer: [onnxTensor("w", weights)],
  });
  const path = join(folder, `${pad}.onnx`);
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
  const model = await readModelFile(path);
  expect(Buffer.from(model.bytes).equals(readFileSync(path))).toBe(true);
  const data = importFile(model).nodes[0]?.inputs[1]?.data?.data;
  expect(data).toEqual(weights.data);
  expect(data?.buffer).toBe(model.bytes.buffer);
});
