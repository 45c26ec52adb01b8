import { describe, expect, test } from "vitest";
import { add, binary, bitcast, broadcast, cast, indexVar, int, load } from "../../loop/expr.ts";
import { interpret } from "../../loop/interpret/interpret.ts";
import { forLoop, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Func } from "../../loop/types.ts";
import { DTYPES, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { loadWasm } from "../testing/wasm.ts";
import { printWat } from "./print.ts";

const buffer = (name: string, dtype: DType, length: number, access: Buffer["access"]): Buffer => ({ name, dtype, length, access });
const i = indexVar("i");

/** The result of `f` of x, 16 elements of extreme values, and the kernel's text. */
function checked(from: DType, to: DType, step: number, lanes: number, f: (x: Buffer) => Expr): string {
  const [x, y] = [buffer("x", from, 16, "read"), buffer("y", to, (16 / step) * lanes, "write")];
  const at = binary("mul", binary("div", i, int(step)), int(lanes));
  const func: Func = { name: "k", params: [x, y], body: [forLoop(i, 16, [store(y, at, f(x))], { step })] };
  const data = new DTYPES[from].array(new ArrayBuffer(16 * DTYPES[from].bytes), 0, 16);
  [0, 1, -1, 127, 128, -128, 200, 255, 32767, -32768, 65535, 7, 77, -77, 99, -5].forEach((v, n) => (data[n] = v));
  const make = (): TypedArray => new DTYPES[to].array(new ArrayBuffer(y.length * DTYPES[to].bytes), 0, y.length);
  const [want, got] = [make(), make()];
  interpret(func, [data, want]);
  loadWasm([func]).call("k", [data, got]);
  expect([...got].map(Number)).toEqual([...want].map(Number));
  return printWat([func]);
}

describe("loads", () => {
  test.each([
    ["int8", "int16", 8, "v128.load8x8_s"],
    ["uint8", "int16", 8, "v128.load8x8_u"],
    ["int16", "int32", 4, "v128.load16x4_s"],
    ["uint16", "int32", 4, "v128.load16x4_u"],
  ] as const)("%s as %s", (from, to, lanes, op) => {
    expect(checked(from, to, lanes, lanes, (x) => cast(load(x, i, lanes), to))).toContain(op);
  });

  test("two numbers of 16 bits in every lane", () => {
    const text = checked("int16", "int16", 2, 8, (x) => bitcast(broadcast(bitcast(load(x, i, 2), "int32", 1), 4), "int16", 8));
    expect(text).toContain("v128.load32_splat");
  });
});

test("what several statements load from one place is loaded once, and not across what changes it", () => {
  const [x, y] = [buffer("x", "float32", 4, "read"), buffer("y", "float32", 8, "readwrite")];
  const sum = (at: number): Expr => add(load(x, int(0), 4), load(y, int(at), 4));
  const func: Func = { name: "k", params: [x, y], body: [store(y, int(0), sum(0)), store(y, int(4), sum(0))] };
  const data = Float32Array.of(1, 2, 3, 4);
  const [want, got] = [new Float32Array(8).fill(1), new Float32Array(8).fill(1)];
  interpret(func, [data, want]);
  loadWasm([func]).call("k", [data, got]);
  expect([...got]).toEqual([...want]);
  expect(printWat([func]).match(/v128\.load /g)).toHaveLength(3);
});
