import { describe, expect, test } from "vitest";
import { byteSize, DTYPES, is64, isDType, isFloat, isInteger, parseDType, type DType } from "./dtype.ts";
import { bytesOf, elementCount, stridesOf, tensor, viewOf, zeros } from "./tensor.ts";

const names = Object.keys(DTYPES).filter(isDType);
const shapeError: unknown = expect.objectContaining({ code: "graph.shape" });

describe("dtypes", () => {
  test("each array holds elements of the size that the table says", () => {
    for (const name of names) expect(viewOf(name, new ArrayBuffer(8), 0, 1).BYTES_PER_ELEMENT, name).toBe(byteSize(name));
  });

  test("every dtype is of one kind", () => {
    const kinds = (d: DType): number => [isFloat(d), isInteger(d), d === "bool"].filter(Boolean).length;
    expect(names.map(kinds)).toEqual(names.map(() => 1));
    expect(names.filter(is64)).toEqual(["int64", "uint64"]);
  });

  test("parseDType lists what there is; prototype names are no dtypes", () => {
    expect(parseDType("int8")).toBe("int8");
    expect(() => parseDType("toString")).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("bfloat16") as unknown }),
    );
  });
});

describe("tensor", () => {
  test("counts and strides", () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, 0, 3])).toBe(0);
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(stridesOf([])).toEqual([]);
  });

  test("type, dims and data have to fit together", () => {
    expect(tensor("float32", [2, 2], new Float32Array(4)).dims).toEqual([2, 2]);
    expect(() => tensor("float32", [2, 2], new Float64Array(4))).toThrow(/Float32Array.*Float64Array/);
    expect(() => tensor("float32", [2, 2], new Float32Array(5))).toThrow(shapeError);
    expect(() => tensor("float32", [-2, -2], new Float32Array(4))).toThrow(shapeError);
    expect(() => tensor("float32", [0.5, 8], new Float32Array(4))).toThrow(shapeError);
  });

  test("zeros refuses what no memory holds before asking for it", () => {
    expect(zeros("int64", [2]).data).toEqual(new BigInt64Array(2));
    expect(() => zeros("float32", [2 ** 31, 2 ** 31])).toThrow(shapeError);
    expect(() => zeros("float32", [-1])).toThrow(shapeError);
  });

  test("viewOf shares memory when aligned and copies when not", () => {
    const buffer = new ArrayBuffer(12);
    new DataView(buffer).setFloat32(4, 1.5, true);
    const aligned = viewOf("float32", buffer, 4, 2);
    expect(aligned.buffer).toBe(buffer);
    expect(aligned[0]).toBe(1.5);
    new DataView(buffer).setFloat32(1, 2.5, true);
    const copied = viewOf("float32", buffer, 1, 2);
    expect(copied.buffer).not.toBe(buffer);
    expect(copied[0]).toBe(2.5);
  });

  test("bytesOf covers exactly the tensor's part of its buffer", () => {
    const data = new Uint16Array(8).subarray(2, 5);
    data.set([0x0102, 0, 0xffff]);
    expect([...bytesOf(tensor("uint16", [3], data))]).toEqual([2, 1, 0, 0, 255, 255]);
  });
});
