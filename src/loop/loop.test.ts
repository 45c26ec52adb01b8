import { describe, expect, test } from "vitest";
import { affine } from "./affine.ts";
import {
  add,
  binary,
  bitcast,
  broadcast,
  cast,
  compare,
  constant,
  div,
  dot4,
  fma,
  indexVar,
  int,
  load,
  max,
  min,
  mod,
  mul,
  reduceLanes,
  saturatingCast,
  select,
  shuffle,
  unary,
  variable,
} from "./expr.ts";
import { evaluate, interpret } from "./interpret/interpret.ts";
import { exprText, funcText } from "./print.ts";
import { alloc, forLoop, ifThen, letMutable, letVar, setVar, store } from "./stmt.ts";
import type { Buffer, Func, Stmt } from "./types.ts";
import { verifyFunc } from "./verify.ts";

const x: Buffer = { name: "x", dtype: "float32", length: 8, access: "read" };
const y: Buffer = { name: "y", dtype: "float32", length: 8, access: "write" };
const i = indexVar("i");
const func = (body: readonly Stmt[], params: readonly Buffer[] = [x, y]): Func => ({ name: "k", params, body });
const f32 = (v: number, lanes = 1) => constant(v, "float32", lanes);

describe("constructors", () => {
  test("fold constant index arithmetic, flooring as the index type does", () => {
    expect(exprText(div(int(-7), int(2)))).toBe("-4");
    expect(exprText(mod(int(-7), int(2)))).toBe("1");
    expect(exprText(add(mul(i, int(1)), int(0)))).toBe("i");
    expect(exprText(mul(i, int(0)))).toBe("0");
  });

  test("refuse operands of different types", () => {
    expect(() => add(i, f32(1))).toThrow(/add of index and float32/);
    expect(() => fma(i, i, i)).toThrow(/fma of floats/);
    expect(() => broadcast(f32(1, 4), 8)).toThrow(/broadcast/);
  });

  test("a constant of float32 is rounded at once", () => {
    expect(f32(0.1)).toMatchObject({ value: Math.fround(0.1) });
  });
});

describe("the interpreter's arithmetic", () => {
  test("integers wrap, shift, divide towards zero and keep their width", () => {
    expect(evaluate(add(constant(127, "int8"), constant(1, "int8")))).toBe(-128);
    expect(evaluate(binary("mul", constant(0x10001, "int32"), constant(0x10001, "int32")))).toBe(0x20001);
    expect(evaluate(binary("shr", constant(0xffffffff, "uint32"), constant(31, "uint32")))).toBe(1);
    expect(evaluate(binary("shr", constant(-8, "int32"), constant(1, "int32")))).toBe(-4);
    expect(evaluate(div(constant(-7, "int32"), constant(2, "int32")))).toBe(-3);
    expect(evaluate(binary("mulhi", constant(-1n, "int64"), constant(5n, "int64")))).toBe(-1n);
    expect(evaluate(binary("mulhi", constant(0xffffffff, "uint32"), constant(0xffffffff, "uint32")))).toBe(0xfffffffe);
  });

  test.each(["int8", "uint8", "int16", "int32", "int64", "float32"] as const)("minimum and maximum of %s", (dtype) => {
    const [a, b] = [constant(dtype === "int64" ? 100n : 100, dtype), constant(dtype === "int64" ? 3n : 3, dtype)];
    expect(Number(evaluate(min(a, b)))).toBe(3);
    expect(Number(evaluate(max(a, b)))).toBe(100);
  });

  test("index minimum and maximum", () => {
    const body = [store(y, int(0), cast(min(max(i, int(0)), int(100)), "float32"))];
    const out = new Float32Array(8);
    interpret(func([forLoop(i, 91, body)]), [new Float32Array(8), out]);
    expect(out[0]).toBe(90);
  });

  test("a NaN in the first operand of min stays, one in the second goes", () => {
    expect(evaluate(min(f32(NaN), f32(1)))).toBeNaN();
    expect(evaluate(min(f32(1), f32(NaN)))).toBe(1);
  });

  test("conversions: truncation, saturation, halves to even", () => {
    expect(evaluate(cast(f32(-2.9), "int32"))).toBe(-2);
    expect(evaluate(saturatingCast(f32(300), "uint8"))).toBe(255);
    expect(evaluate(saturatingCast(f32(NaN), "int8"))).toBe(0);
    expect(evaluate(unary("roundEven", f32(2.5)))).toBe(2);
    expect(evaluate(bitcast(f32(1), "int32"))).toBe(0x3f800000);
  });

  test("lanes: dot4, shuffle, reduction", () => {
    expect(evaluate(dot4(constant(5, "int32", 2), constant(255, "uint8", 8), constant(-128, "int8", 8)))).toEqual([-130555, -130555]);
    expect(evaluate(shuffle(f32(1, 2), f32(2, 2), [3, 0, 0, 2]))).toEqual([2, 1, 1, 2]);
    expect(evaluate(reduceLanes("add", f32(1.5, 4)))).toBe(6);
    expect(evaluate(select(compare("lt", f32(1, 2), f32(2, 2)), f32(7, 2), f32(8, 2)))).toEqual([7, 7]);
  });

  test("erf, against values of Abramowitz and Stegun's table 7.1", () => {
    expect(evaluate(unary("erf", constant(0.5, "float64")))).toBeCloseTo(0.5204998778, 10);
    expect(evaluate(unary("erf", constant(-2, "float64")))).toBeCloseTo(-0.995322265, 9);
    expect(evaluate(unary("erf", constant(3.5, "float64")))).toBeCloseTo(0.999999257, 9);
  });
});

describe("kernels", () => {
  const acc = variable("acc", { dtype: "float32", lanes: 1 });
  const t: Buffer = { name: "t", dtype: "float32", length: 8, access: "readwrite" };
  const kernel = func([
    alloc(t, [
      forLoop(i, 8, [store(t, i, mul(load(x, i), f32(2)))]),
      letMutable(acc, f32(0)),
      forLoop(i, 8, [ifThen(compare("gt", load(t, i), f32(6)), [setVar(acc, add(acc, load(t, i)))], [store(y, i, f32(-1))])]),
      store(y, int(7), acc),
    ]),
  ]);

  test("run", () => {
    const out = new Float32Array(8);
    interpret(kernel, [Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]), out]);
    expect([...out]).toEqual([-1, -1, -1, 0, 0, 0, 0, 60]);
  });

  test("print", () => {
    expect(funcText(kernel)).toMatchInlineSnapshot(`
      "func k(x: read float32[8], y: write float32[8]) {
        alloc t: float32[8] stack {
          for i in 0..8 {
            t[i] = (x[i] * float32 2)
          }
          var acc: float32 = float32 0
          for i in 0..8 {
            if (t[i] > float32 6) {
              acc = (acc + t[i])
            } else {
              y[i] = float32 -1
            }
          }
          y[7] = acc
        }
      }
      "
    `);
  });

  test("an access outside a buffer is an error that names it", () => {
    expect(() => interpret(func([store(y, int(8), f32(0))]), [new Float32Array(8), new Float32Array(8)])).toThrow(
      /index 8 is outside buffer y/,
    );
  });

  test("verify lists every broken rule", () => {
    const other: Buffer = { ...x, name: "other" };
    const v = variable("v", { dtype: "float32", lanes: 1 });
    const bad = func([letVar(v, load(other, i)), setVar(v, f32(0)), store(x, int(0), v), store(y, int(0), constant(1, "int32"))]);
    const problems = [
      /variable i is not declared/,
      /buffer other is not in scope/,
      /v is set but not a mutable/,
      /store to x/,
      /store of int32 to y/,
    ];
    try {
      verifyFunc(bad);
      expect.unreachable();
    } catch (error) {
      const messages = (error as { problems: { message: string }[] }).problems.map((p) => p.message).join("\n");
      for (const p of problems) expect(messages).toMatch(p);
    }
    expect(() => verifyFunc(kernel)).not.toThrow();
  });
});

describe("affine forms", () => {
  const j = indexVar("j");
  test("sums and multiples of variables", () => {
    const a = affine(add(mul(add(i, int(3)), int(4)), binary("sub", j, i)));
    expect(a).toMatchObject({ constant: 12 });
    expect([...(a?.coefficients ?? [])]).toEqual([
      ["i", 3],
      ["j", 1],
    ]);
    expect([...(affine(binary("sub", i, i))?.coefficients ?? [])]).toEqual([]);
  });

  test("products of variables and quotients have none", () => {
    expect(affine(mul(i, j))).toBeUndefined();
    expect(affine(div(i, int(2)))).toBeUndefined();
  });
});
