import { expect, test } from "vitest";
import { HoneError, must } from "../../util/errors.ts";
import { evaluateGraph, evaluateOp } from "../../ops/evaluate.ts";
import type { OnnxModel } from "./ast.ts";
import { importOnnx } from "./import.ts";
import { decoded, NARROW_TYPES, packedBytes, unpacked } from "./narrow.ts";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo } from "./write.ts";

const type = (number: number): NonNullable<(typeof NARROW_TYPES)[number]> => must(NARROW_TYPES[number], "type");

test("elements of less than a byte come out in order and with their sign", () => {
  expect(packedBytes(type(22), 5)).toBe(3);
  expect([...unpacked(type(22), Uint8Array.of(0x18, 0xf7, 0x0e), 5)]).toEqual([-8, 1, 7, -1, -2]);
  expect([...unpacked(type(25), Uint8Array.of(0b11100100), 4)]).toEqual([0, 1, 2, 3]);
  expect([...unpacked(type(26), Uint8Array.of(0b11100100), 3)]).toEqual([0, 1, -2]);
});

test("codes of small floats are the numbers of their specifications", () => {
  expect([0x00, 0x80, 0x01, 0x38, 0x7e, 0xfe].map((c) => decoded(type(17), c))).toEqual([0, -0, 2 ** -9, 1, 448, -448]);
  expect([0x7f, 0xff].map((c) => decoded(type(17), c))).toEqual([NaN, NaN]);
  expect([0x01, 0x40, 0x7f, 0x80].map((c) => decoded(type(18), c))).toEqual([2 ** -10, 1, 240, NaN]);
  expect([0x01, 0x3c, 0x7b, 0x7c, 0xfc, 0x7d].map((c) => decoded(type(19), c))).toEqual([2 ** -16, 1, 57344, Infinity, -Infinity, NaN]);
  expect([1, 2, 3, 7, 15].map((c) => decoded(type(23), c))).toEqual([0.5, 1, 1.5, 6, -6]);
  expect([0, 127, 254, 255].map((c) => decoded(type(24), c))).toEqual([2 ** -127, 1, 2 ** 127, NaN]);
});

test("every number of a small type encodes to its own code", () => {
  for (const [, t] of Object.entries(NARROW_TYPES)) {
    const { float } = t;
    if (float === undefined || float === "exponent") continue;
    const codes = Array.from({ length: 2 ** t.bits }, (_, c) => c).filter((c) => !Number.isNaN(decoded(t, c)));
    const x = { type: "float32", dims: [codes.length], data: Float32Array.from(codes, (c) => decoded(t, c)) } as const;
    const [y] = evaluateOp("encodeFloat", [x], { ...float, saturate: false });
    expect(y && [...y.data], t.name).toEqual(codes);
  }
});

const E4M3FN = 17;

/** A model of one node from a small float x to y. */
function model(opType: string, attrs: Record<string, bigint> = {}): OnnxModel {
  const x = onnxValueInfo("x", "uint8", [3]);
  const type = must(x.type?.tensorType, "type");
  const graph = onnxGraph({
    name: "g",
    node: [onnxNode(opType, ["x"], ["y"], attrs)],
    input: [{ ...x, type: { denotation: "", tensorType: { ...type, elemType: E4M3FN } } }],
    output: [onnxValueInfo("y", "float32", [3])],
  });
  return onnxModel({ graph, opsetImport: [{ domain: "", version: 25 }] });
}

test("a small float is read as what it means, and is moved but not calculated with", () => {
  const x = { type: "uint8", dims: [3], data: Uint8Array.of(0x38, 0xc0, 0x01) } as const;
  const run = (m: OnnxModel): number[] => [...must(evaluateGraph(importOnnx(m, { file: "m.onnx" }), { x })["y"], "y").data].map(Number);
  expect(run(model("Cast", { to: 1n }))).toEqual([1, -2, 2 ** -9]);
  expect(run(model("Identity"))).toEqual([...x.data]);
  try {
    importOnnx(model("Neg"), { file: "m.onnx" });
    expect.unreachable();
  } catch (error) {
    expect(error instanceof HoneError && error.describe()).toContain("does not support the type FLOAT8E4M3FN of Neg");
  }
});
