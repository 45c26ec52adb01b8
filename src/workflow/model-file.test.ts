import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import type { OnnxTensor } from "../formats/onnx/ast.ts";
import { bytesOf, tensor } from "../tensor/tensor.ts";
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

/** A tensor that lies in a data file. */
function beside(name: string, offset: number, t: ReturnType<typeof tensor>): OnnxTensor {
  const { rawData: _moved, ...rest } = onnxTensor(name, t);
  const entries = { location: "far.data", offset, length: t.data.byteLength };
  return { ...rest, dataLocation: 1, externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })) };
}

test("of a data file of 5 GB, only what tensors need is read", async () => {
  const near = tensor("float32", [2], Float32Array.of(1, 2));
  const far = tensor("float32", [2], Float32Array.of(3, 4));
  const end = 5e9;
  const file = openSync(join(folder, "far.data"), "w");
  writeSync(file, bytesOf(near), 0, 8, 0);
  writeSync(file, bytesOf(far), 0, 8, end - 8);
  ftruncateSync(file, end);
  closeSync(file);
  const graph = onnxGraph({
    input: [onnxValueInfo("x", "float32", [2])],
    output: [onnxValueInfo("y", "float32", [2])],
    node: [onnxNode("Add", ["x", "a"], ["s"]), onnxNode("Mul", ["s", "b"], ["y"])],
    initializer: [beside("a", 0, near), beside("b", end - 8, far)],
  });
  const path = join(folder, "far.onnx");
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
  const before = process.memoryUsage().rss;
  const { nodes } = importFile(await readModelFile(path));
  expect(nodes.map((n) => n.inputs[1]?.data)).toEqual([near, far]);
  expect(process.memoryUsage().rss - before).toBeLessThan(5e8);
});

test("a tensor larger than memory is refused before it is read", async () => {
  const file = openSync(join(folder, "far.data"), "w");
  ftruncateSync(file, 2 ** 43);
  closeSync(file);
  const size = 2 ** 40;
  const t = { ...beside("a", 0, tensor("float32", [0], new Float32Array(0))), dims: [size / 4] };
  const entries = t.externalData.map((e) => (e.key === "length" ? { ...e, value: String(size) } : e));
  const graph = onnxGraph({
    input: [onnxValueInfo("x", "float32", [1])],
    output: [onnxValueInfo("y", "float32", [size / 4])],
    node: [onnxNode("Add", ["x", "a"], ["y"])],
    initializer: [{ ...t, externalData: entries }],
  });
  const path = join(folder, "huge.onnx");
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
  const model = await readModelFile(path);
  expect(() => importFile(model)).toThrow(expect.objectContaining({ code: "file.too-large" }));
});
