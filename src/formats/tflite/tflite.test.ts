import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Builder } from "flatbuffers";
import { expect, test } from "vitest";
import { verifyGraph } from "../../ir/verify.ts";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { TfliteModel } from "./ast.ts";
import { importTflite } from "./import.ts";
import { transposed } from "./map/window.ts";
import { optionsOf, readTflite } from "./read.ts";
import { tfliteConstant } from "./tensor.ts";

const file = "test.tflite";

/** A model of one CONV_2D, made with the flatbuffers library's own builder. */
function small(operatorInput = 0): Uint8Array {
  const b = new Builder(256);
  const table = (slots: readonly ((slot: number) => void)[]): number => {
    b.startObject(slots.length);
    slots.forEach((set, i) => set(i));
    return b.endObject();
  };
  const ref = (at: number) => (slot: number) => b.addFieldOffset(slot, at, 0);
  const i8 = (v: number) => (slot: number) => b.addFieldInt8(slot, v, 0);
  const i32 = (v: number) => (slot: number) => b.addFieldInt32(slot, v, 0);
  const refs = (items: readonly number[]): number => {
    b.startVector(4, items.length, 4);
    [...items].reverse().forEach((at) => b.addOffset(at));
    return b.endVector();
  };
  const ints = (items: readonly number[]): number => {
    b.startVector(4, items.length, 4);
    [...items].reverse().forEach((v) => b.addInt32(v));
    return b.endVector();
  };
  const none = (): void => undefined;
  const weights = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  const buffers = refs([table([]), table([ref(b.createByteVector(weights))])]);
  const tensor = (name: string, shape: readonly number[], buffer: number): number => {
    const at = ints(shape);
    return table([ref(at), i8(0), i32(buffer), ref(b.createString(name))]);
  };
  const tensors = refs([tensor("in", [1, 4, 4, 3], 0), tensor("w", [2, 1, 1, 3], 1), tensor("out", [1, 4, 4, 2], 0)]);
  const options = table([i8(1), i32(2), i32(3), i8(3)]);
  const operators = refs([table([i32(0), ref(ints([operatorInput, 1, -1])), ref(ints([2])), i8(1), ref(options)])]);
  const subgraphs = refs([table([ref(tensors), ref(ints([0])), ref(ints([2])), ref(operators), ref(b.createString("main"))])]);
  const codes = refs([table([i8(3), none, i32(5), i32(3)])]);
  b.finish(table([i32(3), ref(codes), ref(subgraphs), ref(b.createString("made here")), ref(buffers)]), "TFL3");
  return b.asUint8Array().slice();
}

test("a model reads with its options, defaults and constants", () => {
  const model = readTflite(small(), { file });
  const [graph] = model.subgraphs;
  const [op] = graph?.operators ?? [];
  expect(model.description).toBe("made here");
  expect(op).toMatchObject({ op: "CONV_2D", version: 5, inputs: [0, 1, -1], outputs: [2] });
  expect(op && optionsOf(op, "Conv2DOptions")).toEqual({ padding: 1, strideW: 2, strideH: 3, activation: 3, dilationW: 1, dilationH: 1 });
  const [input, weights] = graph?.tensors ?? [];
  expect(input && tfliteConstant(model, input, file)).toBeUndefined();
  expect(weights && tfliteConstant(model, weights, file)).toMatchObject({
    type: "float32",
    dims: [2, 1, 1, 3],
    data: Float32Array.of(1, 2, 3, 4, 5, 6),
  });
});

test("a convolution keeps channels last, and its activation follows it", () => {
  const graph = importTflite(readTflite(small(), { file }), { file });
  verifyGraph(graph);
  expect(graph.nodes.map((n) => n.op)).toEqual(["transpose", "conv", "transpose", "clip"]);
  // 0.1, 0.2, 0.3 in each pixel; the second pixel of the last row taken is ten times as much
  const x = Float32Array.from({ length: 48 }, (_, i) => ((i % 3) + 1) * (i >= 42 && i < 45 ? 1 : 0.1));
  const out = evaluateGraph(graph, { in: tensor("float32", [1, 4, 4, 3], x) }).out;
  expect(out?.dims).toEqual([1, 2, 2, 2]);
  const want = [1.4, 3.2, 1.4, 3.2, 1.4, 3.2, 6, 6];
  want.forEach((v, i) => expect(Number(out?.data[i])).toBeCloseTo(v, 5));
});

test("weights move as their axes do", () => {
  const t = tensor("int8", [2, 1, 3], Int8Array.of(0, 1, 2, 3, 4, 5));
  expect(transposed(t, [2, 0, 1])).toEqual(tensor("int8", [3, 2, 1], Int8Array.of(0, 3, 1, 4, 2, 5)));
});

test("an index that leads nowhere is damage", () => {
  const read = (): unknown => readTflite(small(9), { file });
  expect(read).toThrow(expect.objectContaining({ code: "model.damaged" }));
  expect(read).toThrow(/input is 9/);
});

test("another file is refused by its identifier", () => {
  expect(() => readTflite(new Uint8Array(64), { file })).toThrow(expect.objectContaining({ code: "model.format" }));
});

test("many offsets to one table cannot unfold without end", () => {
  const bytes = new Uint8Array(4 * 1_200_000 + 64);
  const view = new DataView(bytes.buffer);
  // root table at 32, vtable at 8: version 3, operator codes: a vector of 1.2 million offsets to one empty table at 20
  bytes.set(new TextEncoder().encode("TFL3"), 4);
  view.setUint32(0, 32, true);
  view.setUint16(8, 8, true);
  view.setUint16(10, 12, true);
  view.setUint16(12, 4, true);
  view.setUint16(14, 8, true);
  view.setUint16(16, 4, true);
  view.setUint16(18, 4, true);
  view.setInt32(20, 4, true);
  view.setInt32(32, 24, true);
  view.setUint32(36, 3, true);
  view.setUint32(40, 8, true);
  view.setUint32(48, 1_200_000, true);
  for (let i = 0; i < 1_200_000; i++) view.setUint32(52 + i * 4, 20 - (52 + i * 4), true);
  expect(() => readTflite(bytes, { file })).toThrow(expect.objectContaining({ code: "model.damaged" }));
});

test("300 damaged files are read or refused, never worse", () => {
  const whole = small();
  let state = 11;
  const pick = (below: number): number => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 0x100000000) * below);
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bytes = whole.slice(0, i % 2 === 0 ? pick(whole.length) : whole.length);
    for (let flips = 0; flips < (i % 2) * 3; flips++) {
      const at = pick(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
    }
    try {
      readConstants(readTflite(bytes, { file }));
    } catch (error) {
      expect(error).toBeInstanceOf(HoneError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

function readConstants(model: TfliteModel): number {
  return model.subgraphs.flatMap((g) => g.tensors.map((t) => tfliteConstant(model, t, file))).filter((t) => t !== undefined).length;
}

const root = join(import.meta.dirname, "../../../..");
const models = [join(root, "shared/models"), join(import.meta.dirname, "../../../node_modules/@mediapipe/face_detection")]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((f) => join(folder, f)))
  .filter((f) => f.endsWith(".tflite") && !f.includes("sparse"));

test.skipIf(models.length === 0)("the trained models read, and so do their constants (needs ../shared/models)", () => {
  for (const name of models) {
    const model = readTflite(readFileSync(name), { file: name });
    expect(model.subgraphs[0]?.operators.length, name).toBeGreaterThan(10);
    expect(
      model.subgraphs[0]?.operators.filter((o) => o.op.startsWith("BUILTIN_")),
      name,
    ).toEqual([]);
    expect(readConstants(model), name).toBeGreaterThan(10);
  }
});
