import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, type Kernel } from "../../../test/generators/loop.ts";
import { DTYPES, is64, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../../tensor/half.ts";
import { add, binary, cast, constant, fma, indexVar, int, load, mul, typeOf, unary, variable } from "../../loop/expr.ts";
import { interpret } from "../../loop/interpret/interpret.ts";
import { funcText } from "../../loop/print.ts";
import { forLoop, letMutable, setVar, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Func, Stmt } from "../../loop/types.ts";
import { loadWasm } from "../testing/wasm.ts";
import { printWasm, printWat } from "./print.ts";

const array = (dtype: DType, length: number): TypedArray =>
  new DTYPES[dtype].array(new ArrayBuffer(length * DTYPES[dtype].bytes), 0, length);
const copies = (k: Kernel): TypedArray[] => [...k.inputs, ...k.func.params.slice(k.inputs.length).map((p) => array(p.dtype, p.length))];

test("random kernels give what the interpreter gives", () => {
  fc.assert(
    fc.property(kernels, (k) => {
      const [want, got] = [copies(k), copies(k)];
      interpret(k.func, want);
      loadWasm([k.func]).call(k.func.name, got);
      expect(got.slice(k.inputs.length), funcText(k.func)).toEqual(want.slice(k.inputs.length));
    }),
    { numRuns: Number(process.env["HONE_RUNS"] ?? 150) },
  );
});

const buffer = (name: string, dtype: DType, length: number, access: Buffer["access"]): Buffer => ({ name, dtype, length, access });
const i = indexVar("i");

/** y[i] = f(x[i], z[i]) over 16 elements, run both ways. */
function bothWays(
  dtype: DType,
  out: DType,
  lanes: number,
  x: readonly number[],
  z: readonly number[],
  f: (a: Expr, b: Expr) => Expr,
): number[][] {
  const [bx, bz, by] = [buffer("x", dtype, 16, "read"), buffer("z", dtype, 16, "read"), buffer("y", out, 16, "write")];
  const body = [forLoop(i, 16, [store(by, i, f(load(bx, i, lanes), load(bz, i, lanes)))], { step: lanes })];
  const func: Func = { name: "k", params: [bx, bz, by], body };
  const fill = (values: readonly number[]): TypedArray => {
    const data = array(dtype, 16);
    data.forEach(
      (_: number | bigint, n: number) =>
        (data[n] = is64(dtype) ? BigInt(values[n % values.length] ?? 0) : (values[n % values.length] ?? 0)),
    );
    return data;
  };
  const [want, got] = [array(out, 16), array(out, 16)];
  interpret(func, [fill(x), fill(z), want]);
  loadWasm([func]).call("k", [fill(x), fill(z), got]);
  return [[...got].map(Number), [...want].map(Number)];
}

describe("what random kernels leave out", () => {
  test.each([1, 4])("division by zero and of the least integer does not trap, lanes %i", (lanes) => {
    for (const op of ["div", "mod"] as const) {
      const [got, want] = bothWays("int32", "int32", lanes, [-(2 ** 31), 7, -7, 0], [-1, 0, 2, 0], (a, b) => binary(op, a, b));
      expect(got).toEqual(want);
    }
  });

  test.each(["float32", "float64"] as const)("the remainder of %s is exact, for numbers of all sizes", (dtype) => {
    const tiny = dtype === "float32" ? 2 ** -149 : 2 ** -1074;
    const xs = [5.3, -5.3, 3e38, 1, -0, 0, 7.5, Infinity, NaN, 6, tiny, 1e30, -1e-30, 2, 2 ** 24 + 1, 12];
    const ys = [2, 2, 3e-38, Infinity, 2, 0, -2.5, 2, 1, -3, tiny, 7, 3e-31, tiny, 3, 4];
    const [got, want] = bothWays(dtype, dtype, 1, xs, ys, (a, b) => binary("mod", a, b));
    expect(got).toEqual(want);
  });

  test("powers of integers, also with negative exponents", () => {
    const xs = [2, -3, 0, 1, -1, -1, 7, 10, 3, 0, 2, 5, 1, -2, 9, 0];
    const ys = [10, 3, 0, -5, -3, -2, -1, 9, 0, -0, 30, 2, 0, 31, 1, 5];
    for (const dtype of ["int32", "int64"] as const) {
      const [got, want] = bothWays(dtype, dtype, 1, xs, ys, (a, b) => binary("pow", a, b));
      expect(got).toEqual(want);
    }
  });

  test("floor division of indices by negative and other divisors", () => {
    const index = (e: Expr): Expr => cast(e, "index");
    for (const op of ["div", "mod"] as const) {
      const values = [
        [7, -7, 8, -8, 0, 1],
        [2, 2, -3, 3, 5, -5],
      ] as const;
      const [got, want] = bothWays("int32", "int32", 1, values[0], values[1], (a, b) => cast(binary(op, index(a), index(b)), "int32"));
      expect(got).toEqual(want);
    }
  });

  test.each(["exp", "log", "tanh", "erf", "sin", "cos"] as const)("%s is close", (op) => {
    const [got, want] = bothWays("float32", "float32", 4, [0.01, 0.5, 1, 2.5, 7], [0], (a) => unary(op, a));
    got?.forEach((v, n) => expect(Math.abs(v - (want?.[n] ?? 0))).toBeLessThanOrEqual(5e-7 * Math.max(1, Math.abs(want?.[n] ?? 0))));
  });

  test("fma is close, and pow of float32", () => {
    const [got, want] = bothWays("float32", "float32", 8, [1.1, -2.3, 0.7], [3, 2, 5], (a, b) => add(fma(a, b, a), binary("pow", a, b)));
    got?.forEach((v, n) => expect(v).toBeCloseTo(want?.[n] ?? 0, 4));
  });

  test("the bits of a float", () => {
    const [got, want] = bothWays("float32", "int32", 4, [1, -0, 1e-40, Infinity], [0], (a) => ({
      kind: "bitcast",
      type: typeOf("int32", 4),
      a,
    }));
    expect(got).toEqual(want);
  });
});

/** Every bit pattern of float16, and float32 numbers at and around every rounding boundary between neighbours. */
test.each(["float16", "bfloat16"] as const)("%s is widened and rounded as the definition says", (half) => {
  const [x, f, y, z] = [
    buffer("x", half, 65536, "read"),
    buffer("f", "float32", 65536 * 3, "read"),
    buffer("y", "float32", 65536, "write"),
    buffer("z", half, 65536 * 3, "write"),
  ];
  const body = [
    forLoop(i, 65536, [store(y, i, cast(load(x, i), "float32"))]),
    forLoop(i, 65536 * 3, [store(z, i, cast(load(f, i), half))]),
  ];
  const func: Func = { name: "k", params: [x, f, y, z], body };
  const fromBits = half === "float16" ? fromFloat16 : fromBFloat16;
  const toBits = half === "float16" ? toFloat16 : toBFloat16;
  const bits = Uint16Array.from({ length: 65536 }, (_, n) => n);
  const numbers = Float32Array.from({ length: 65536 * 3 }, (_, n) => {
    const middle = Math.fround((fromBits(n % 65536) + fromBits((n + 1) % 65536)) / 2);
    const nudge = n < 65536 ? 0 : n < 131072 ? 1e-7 : -1e-7;
    return middle * (1 + nudge);
  });
  const [widened, rounded] = [new Float32Array(65536), new Uint16Array(65536 * 3)];
  loadWasm([func]).call("k", [bits, numbers, widened, rounded]);
  expect(widened.findIndex((v, n) => !Object.is(v, fromBits(n)))).toBe(-1);
  expect(rounded.findIndex((v, n) => v !== toBits(numbers[n] ?? 0))).toBe(-1);
});

test("scratch memory is imported only when a kernel allocates", () => {
  const y = buffer("y", "float32", 1, "write");
  const plain: Func = { name: "k", params: [y], body: [store(y, int(0), constant(1, "float32"))] };
  const t = buffer("t", "float32", 5, "readwrite");
  const scratch: Func = { ...plain, body: [{ kind: "alloc", buffer: t, space: "stack", body: plain.body }] };
  expect(printWasm([plain]).scratchBytes).toBe(0);
  expect(printWasm([scratch]).scratchBytes).toBe(32);
  expect(printWat([scratch], { memory: { initial: 2, maximum: 4, shared: true } })).toContain(
    '(import "env" "memory" (memory 2 4 shared))\n  (import "env" "scratch" (global i32))',
  );
});

test("a dot product: addresses outside the loop, constants in the instruction", () => {
  const [x, y] = [buffer("x", "float32", 64, "read"), buffer("y", "float32", 16, "write")];
  const [row, k] = [indexVar("row"), indexVar("k")];
  const acc = variable("acc", typeOf("float32", 4));
  const at = add(mul(row, int(16)), mul(k, int(4)));
  const inner: Stmt = setVar(acc, add(acc, mul(load(x, at, 4), load(x, add(at, int(4)), 4))));
  const body = [letMutable(acc, constant(0, "float32", 4)), forLoop(k, 3, [inner]), store(y, mul(row, int(4)), acc)];
  expect(printWat([{ name: "dot", params: [x, y], body: [forLoop(row, 4, body)] }])).toMatchInlineSnapshot(`
    "(module
      (import "env" "memory" (memory 1))
      (func $dot (export "dot") (param $x i32) (param $y i32)
        (local i32 v128 i32 i32 i32 i32)
        i32.const 0
        local.set 2
        loop
          v128.const i8x16 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
          local.set 3
          local.get 2
          i32.const 16
          i32.mul
          local.set 4
          i32.const 0
          local.set 5
          loop
            local.get 4
            local.get 5
            i32.const 4
            i32.mul
            i32.add
            local.set 6
            local.get 3
            local.get 0
            local.get 6
            i32.const 2
            i32.shl
            i32.add
            v128.load align=4
            local.get 0
            local.get 6
            i32.const 2
            i32.shl
            i32.add
            v128.load offset=16 align=4
            f32x4.mul
            f32x4.add
            local.set 3
            local.get 5
            i32.const 1
            i32.add
            local.tee 5
            i32.const 3
            i32.lt_s
            br_if 0
          end
          local.get 2
          i32.const 4
          i32.mul
          local.set 7
          local.get 1
          local.get 7
          i32.const 2
          i32.shl
          i32.add
          local.get 3
          v128.store align=4
          local.get 2
          i32.const 1
          i32.add
          local.tee 2
          i32.const 4
          i32.lt_s
          br_if 0
        end
      )
    )
    "
  `);
});
