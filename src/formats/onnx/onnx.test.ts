import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HoneError } from "../../util/errors.ts";
import { bytesOf, tensor } from "../../tensor/tensor.ts";
import type { OnnxModel, OnnxTensor } from "./ast.ts";
import { externalize, staysInside } from "./external.ts";
import { readOnnx, readOnnxTensor } from "./read.ts";
import { tensorOf } from "./tensor.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx, writeOnnxTensor } from "./write.ts";

const shared = join(import.meta.dirname, "../../../../shared/models");
const file = "test.onnx";

function small(): OnnxModel {
  const weights = tensor("float32", [2, 3, 1, 1], Float32Array.of(1, -2, 3.5, 0, 1e-20, -0));
  const branch = onnxGraph({ name: "then", node: [onnxNode("Neg", ["x"], ["n"])], output: [onnxValueInfo("n", "float32", ["N"])] });
  return onnxModel({
    modelVersion: (1n << 63n) - 1n,
    metadataProps: [{ key: "names", value: "{0: 'face', 1: '脸'}" }],
    graph: onnxGraph({
      name: "small",
      node: [
        onnxNode("Conv", ["x", "w", ""], ["y"], { kernel_shape: [1n, 1n], pads: [0n, 0n, 0n, 0n], auto_pad: "NOTSET" }, "conv"),
        onnxNode("If", ["c"], ["z"], { then_branch: branch, alpha: 0.5, scales: [1.5, 2], ends: [(1n << 63n) - 1n, -(1n << 63n)] }),
        onnxNode("Constant", [], ["k"], { value: tensor("int64", [], BigInt64Array.of(-7n)) }),
      ],
      initializer: [onnxTensor("w", weights)],
      input: [onnxValueInfo("x", "float32", ["N", 3, 0, 8])],
      output: [onnxValueInfo("y", "float32", [])],
    }),
  });
}

/** A seeded generator, so that a failure can be seen again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
}

describe("the file", () => {
  test("what is written reads back the same", () => {
    const model = small();
    const bytes = writeOnnx(model);
    expect(readOnnx(bytes, { file })).toEqual(model);
    expect(writeOnnx(readOnnx(bytes, { file }))).toEqual(bytes);
  });

  test("a view into a larger buffer at an odd offset reads the same", () => {
    const bytes = writeOnnx(small());
    const larger = new Uint8Array(bytes.length + 30).fill(255);
    larger.set(bytes, 3);
    expect(readOnnx(larger.subarray(3, 3 + bytes.length), { file })).toEqual(small());
  });

  test("packed and single elements may be mixed, and unknown fields are skipped", () => {
    // field 1 (dims) single 2, packed [3, 4], single 5; field 2 (type) 1; field 99 of each wire type
    const bytes = Uint8Array.of(
      0x08,
      2,
      0x0a,
      2,
      3,
      4,
      0x08,
      5,
      0x10,
      1,
      0x98,
      6,
      1,
      0x9a,
      6,
      1,
      0,
      0x9d,
      6,
      0,
      0,
      0,
      0,
      0x99,
      6,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    );
    expect(readOnnxTensor(bytes, { file })).toMatchObject({ dims: [2, 3, 4, 5], dataType: 1 });
  });

  test.each([
    ["a negative dim", [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], /negative or absurdly large/],
    ["an endless varint", [0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], /longer than ten bytes/],
    ["a length beyond the end", [0x4a, 200, 1, 0], /198 bytes|bytes longer/],
    ["a group", [0x9b, 6], /wire type 3/],
    ["a packed list of broken floats", [0x22, 3, 0, 0, 0], /not a multiple of 4/],
    ["a wrong wire type", [0x15, 0, 0, 0, 0], /dataType has wire type 5/],
  ])("%s is damage, with the file and the place", (_what, bytes, message) => {
    const read = (): unknown => readOnnxTensor(Uint8Array.from(bytes), { file });
    expect(read).toThrow(message);
    expect(read).toThrow(/byte \d+ of/);
    expect(read).toThrow(expect.objectContaining({ code: "model.damaged", at: { file } }));
  });

  test("nesting is bounded", () => {
    let graph = onnxGraph({});
    for (let i = 0; i < 60; i++) graph = onnxGraph({ node: [onnxNode("If", [], [], { then_branch: graph })] });
    expect(() => readOnnx(writeOnnx(onnxModel({ graph })), { file })).toThrow(/nested deeper/);
  });

  test("300 damaged files are read or refused, never worse", () => {
    const whole = writeOnnx(small());
    const pick = random(7);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const bytes = whole.slice(0, i % 2 === 0 ? pick(whole.length) : whole.length);
      for (let flips = 0; flips < (i % 2) * 3; flips++) {
        const at = pick(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
      }
      try {
        const model = readOnnx(bytes, { file });
        model.graph?.initializer.forEach((t) => tensorOf(t, { file }));
      } catch (error) {
        expect(error).toBeInstanceOf(HoneError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("tensors", () => {
  const base = readOnnxTensor(new Uint8Array(), { file });
  const of = (parts: Partial<OnnxTensor>): unknown => Array.from<number | bigint>(tensorOf({ ...base, ...parts }, { file }).data);

  test("each list carries the types that ONNX gives it", () => {
    expect(of({ dims: [2], dataType: 1, floatData: Float32Array.of(1.5, -2) })).toEqual([1.5, -2]);
    expect(of({ dims: [2], dataType: 11, doubleData: Float64Array.of(0.1, -2) })).toEqual([0.1, -2]);
    expect(of({ dims: [2], dataType: 7, int64Data: BigInt64Array.of(-1n, 2n) })).toEqual([-1n, 2n]);
    expect(of({ dims: [1], dataType: 13, uint64Data: BigUint64Array.of(2n ** 64n - 1n) })).toEqual([2n ** 64n - 1n]);
    expect(of({ dims: [1], dataType: 12, uint64Data: BigUint64Array.of(4294967295n) })).toEqual([4294967295]);
    expect(of({ dims: [2], dataType: 6, int32Data: Int32Array.of(-5, 5) })).toEqual([-5, 5]);
    expect(of({ dims: [2], dataType: 3, int32Data: Int32Array.of(-5, 5) })).toEqual([-5, 5]);
    expect(of({ dims: [1], dataType: 2, int32Data: Int32Array.of(200) })).toEqual([200]);
    expect(of({ dims: [1], dataType: 4, int32Data: Int32Array.of(65535) })).toEqual([65535]);
    expect(of({ dims: [2], dataType: 9, int32Data: Int32Array.of(1, 0) })).toEqual([1, 0]);
    expect(of({ dims: [1], dataType: 10, int32Data: Int32Array.of(0x3c00) })).toEqual([0x3c00]);
    expect(of({ dims: [1], dataType: 16, int32Data: Int32Array.of(0x3f80) })).toEqual([0x3f80]);
    expect(of({ dims: [0, 4], dataType: 1 })).toEqual([]);
  });

  test("raw data are a view when aligned, and right when not", () => {
    const buffer = new Uint8Array(13);
    new DataView(buffer.buffer).setFloat32(4, 2.5, true);
    new DataView(buffer.buffer).setFloat32(9, -1.5, true);
    const aligned = tensorOf({ ...base, dims: [], dataType: 1, rawData: buffer.subarray(4, 8) }, { file });
    expect(aligned.data[0]).toBe(2.5);
    expect(aligned.data.buffer).toBe(buffer.buffer);
    expect(of({ dims: [1], dataType: 1, rawData: buffer.subarray(9, 13) })).toEqual([-1.5]);
  });

  test("what cannot be is refused before memory is taken", () => {
    expect(() => of({ dims: [2 ** 40, 2 ** 40], dataType: 1 })).toThrow(/absurd/);
    expect(() => of({ dims: [1e9, 1000], dataType: 1 })).toThrow(/holds 0 elements/);
    expect(() => of({ dims: [3], dataType: 1, rawData: new Uint8Array(8) })).toThrow(/8 bytes where its dims need 12/);
    const text = (): unknown => of({ dims: [1], dataType: 8 });
    expect(text).toThrow(expect.objectContaining({ code: "model.unsupported" }));
    expect(text).toThrow(/STRING/);
    expect(() => of({ dims: [1], dataType: 77 })).toThrow(/data type 77/);
  });

  test("external data come from a file in the model's folder", () => {
    const weights = tensor(
      "float32",
      [400],
      Float32Array.from({ length: 400 }, (_, i) => i / 3),
    );
    const model = onnxModel({
      graph: onnxGraph({ initializer: [onnxTensor("small", tensor("int8", [1], Int8Array.of(3))), onnxTensor("w", weights)] }),
    });
    const { model: out, data } = externalize(model, "w.bin");
    const [kept, moved] = readOnnx(writeOnnx(out), { file }).graph?.initializer ?? [];
    expect(kept?.rawData).toEqual(Uint8Array.of(3));
    const load = (bytes: Uint8Array | undefined): unknown => moved && tensorOf(moved, { file, resolveExternal: () => bytes });
    expect(load(data)).toEqual(weights);
    expect(() => load(undefined)).toThrow(expect.objectContaining({ code: "file.not-found" }));
    expect(() => load(data.subarray(4))).toThrow(/which has 1596/);
    expect(() => moved && tensorOf(moved, { file })).toThrow(/only the model's bytes/);
    const bad = { ...base, dims: [1], dataType: 2, dataLocation: 1, externalData: [{ key: "location", value: "../secret" }] };
    expect(() => tensorOf(bad, { file, resolveExternal: () => new Uint8Array(9) })).toThrow(/not a file within/);
  });

  test.each(["w.bin", "a/b.bin", "./w.bin"])("%s is inside", (p) => expect(staysInside(p)).toBe(true));
  test.each(["", "/etc/passwd", "../x", "a/../../x", "a\\..\\..\\x", "C:\\x", "\\\\host\\x", "a/", "x\0"])("%j is outside", (p) =>
    expect(staysInside(p)).toBe(false),
  );

  test("a tensor file reads back", () => {
    const t = tensor("bool", [3], Uint8Array.of(1, 0, 1));
    expect(bytesOf(tensorOf(readOnnxTensor(writeOnnxTensor(onnxTensor("b", t)), { file }), { file }))).toEqual(bytesOf(t));
  });
});

const models = existsSync(shared) ? readdirSync(shared, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".onnx")) : [];

test.skipIf(models.length === 0)("the trained models read, and writing them loses nothing (needs ../shared/models)", () => {
  for (const name of models) {
    const bytes = readFileSync(join(shared, name));
    const model = readOnnx(bytes, { file: name });
    for (const t of model.graph?.initializer ?? []) expect(tensorOf(t, { file: name }).dims).toEqual(t.dims);
    expect(model.graph?.node.length).toBeGreaterThan(0);
    const written = writeOnnx(model);
    expect(Buffer.compare(writeOnnx(readOnnx(written, { file: name })), written), name).toBe(0);
    expect(Math.abs(written.length - bytes.length), name).toBeLessThan(bytes.length / 100);
  }
});
