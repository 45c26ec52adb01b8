import { expect, test } from "vitest";
import { add, binary, broadcast, cast, constant, indexVar, int, load, mul, unary } from "../../loop/expr.ts";
import { interpret } from "../../loop/interpret/interpret.ts";
import { roundBytes } from "../../loop/rounded-bytes.ts";
import { forLoop, store } from "../../loop/stmt.ts";
import type { Buffer, Func } from "../../loop/types.ts";
import { verifyFunc } from "../../loop/verify.ts";
import type { DType } from "../../tensor/dtype.ts";
import { loadWasm } from "../testing/wasm.ts";
import { printWat } from "./print.ts";

const buffer = (name: string, dtype: DType, length: number, access: Buffer["access"]): Buffer => ({ name, dtype, length, access });

/** clamp(roundEven(x · m) + zero) as bytes, four at a time, so many times side by side. */
function quantising(length: number, times: number): Func {
  const [x, m, zero, y] = [
    buffer("x", "float32", length, "read"),
    buffer("m", "float32", 1, "read"),
    buffer("zero", "uint8", 1, "read"),
    buffer("y", "uint8", length, "write"),
  ];
  const i = indexVar("i");
  const one = (b: Buffer, dtype: "float32"): ReturnType<typeof load> => broadcast(cast(load(b, int(0)), dtype), 4);
  const body = Array.from({ length: times }, (_, k) => {
    const at = add(i, int(4 * k));
    const sum = add(unary("roundEven", mul(load(x, at, 4), one(m, "float32"))), one(zero, "float32"));
    const clamped = binary("min", binary("max", constant(0, "float32", 4), sum), constant(255, "float32", 4));
    return store(y, at, cast(cast(clamped, "int32"), "uint8"));
  });
  return { name: "k", params: [x, m, zero, y], body: [forLoop(i, length, body, { step: 4 * times })] };
}

/** Numbers where rounding, clamping and the sum that rounds could go wrong, with their neighbours. */
function hard(): readonly number[] {
  const seeds = [0, 0.5, 1, 1.5, 2.5, 127.5, 128, 254.5, 255, 255.5, 256, 1e4, 2 ** 22, 2 ** 23, 1.5 * 2 ** 23, 2 ** 24, 2 ** 31, 3e38];
  const view = new DataView(new ArrayBuffer(4));
  const around = seeds.flatMap((s) =>
    [-2, -1, 0, 1, 2].map((step) => {
      view.setFloat32(0, s);
      view.setInt32(0, Math.max(0, view.getInt32(0) + step));
      return view.getFloat32(0);
    }),
  );
  return [...around, ...around.map((v) => -v), 1e-45, Infinity, -Infinity, NaN];
}

/** With zero points, and how many vectors are stored side by side: one, two, four, and three, of which two are joined. */
test.each([0, 3, 128, 255].flatMap((zero) => [1, 2, 3, 4].map((times) => [zero, times] as const)))(
  "floats become the bytes that the definition says, zero point %i, %i at once",
  (zero, times) => {
    const values = hard();
    const x = new Float32Array(Math.ceil(values.length / (4 * times)) * 4 * times);
    x.set(values);
    const func = quantising(x.length, times);
    const named: Func = { ...func, body: roundBytes(func.body, 4) };
    verifyFunc(named);
    expect(printWat([named])).not.toContain("trunc_sat");
    expect(printWat([named]).match(/v128\.store/g)).toHaveLength(times === 3 ? 2 : 1);
    for (const m of [1, 0.37, 1000]) {
      const [want, interpreted, got] = [new Uint8Array(x.length), new Uint8Array(x.length), new Uint8Array(x.length)];
      interpret(func, [x, Float32Array.of(m), Uint8Array.of(zero), want]);
      interpret(named, [x, Float32Array.of(m), Uint8Array.of(zero), interpreted]);
      loadWasm([named]).call("k", [x, Float32Array.of(m), Uint8Array.of(zero), got]);
      expect([...interpreted].map((v, i) => [x[i], v])).toEqual([...want].map((v, i) => [x[i], v]));
      expect([...got].map((v, i) => [x[i], v])).toEqual([...want].map((v, i) => [x[i], v]));
    }
  },
);
