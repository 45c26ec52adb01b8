import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, type Kernel } from "../../../test/generators/loop.ts";
import { DTYPES, isFloat, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { toFloat16 } from "../../tensor/half.ts";
import { binary, cast, compare, constant, fma, indexVar, int, load, saturatingCast, select, unary } from "../expr.ts";
import { forLoop, store } from "../stmt.ts";
import type { BinaryOp, Buffer, Expr, Func, UnaryOp } from "../types.ts";
import { interpret } from "./interpret.ts";

const array = (dtype: DType, length: number): TypedArray =>
  new DTYPES[dtype].array(new ArrayBuffer(length * DTYPES[dtype].bytes), 0, length);

const copies = (k: Kernel): TypedArray[] => [...k.inputs, ...k.func.params.slice(k.inputs.length).map((p) => array(p.dtype, p.length))];

test("random kernels give the same as text and as closures", () => {
  fc.assert(
    fc.property(kernels, (k) => {
      const [fast, slow] = [copies(k), copies(k)];
      interpret(k.func, fast);
      interpret(k.func, slow, "closures");
      expect(fast).toEqual(slow);
    }),
    { numRuns: Number(process.env["HONE_RUNS"] ?? 100) },
  );
});

const VALUES: readonly number[] = [0, 1, 2, 3, 5, 7, 100, 127, -1, -2, -7, -128];
const FRACTIONS: readonly number[] = [0.5, -0.5, 1.5, 2.5, 1e9, -3e9, Infinity, NaN, -0];

function filled(dtype: DType): TypedArray {
  const values = isFloat(dtype) ? [...VALUES, ...FRACTIONS] : VALUES;
  const data = array(dtype, values.length);
  values.forEach((v, i) => {
    if (dtype === "float16") data[i] = toFloat16(v);
    else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(v);
    else data[i] = dtype === "bool" ? Number(v !== 0) : v;
  });
  return data;
}

/** Every pair of values through f, both ways. */
function bothWays(dtype: DType, out: DType, f: (a: Expr, b: Expr) => Expr): readonly [TypedArray, TypedArray] {
  const x = filled(dtype);
  const n = x.length;
  const buffer = (name: string, type: DType, length: number): Buffer => ({ name, dtype: type, length, access: "readwrite" });
  const [bx, by] = [buffer("x", dtype, n), buffer("y", out, n * n)];
  const [i, j] = [indexVar("i"), indexVar("j")];
  const at = binary("add", binary("mul", i, int(n)), j);
  const func: Func = {
    name: "k",
    params: [bx, by],
    body: [forLoop(i, n, [forLoop(j, n, [store(by, at, f(load(bx, i), load(bx, j)))])])],
  };
  const results = (["fast", "closures"] as const).map((how) => {
    const y = array(out, n * n);
    interpret(func, [x, y], how);
    return y;
  });
  return [results[0] ?? x, results[1] ?? x];
}

const UNARY: readonly UnaryOp[] = ["neg", "abs", "floor", "ceil", "roundEven", "trunc", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos"];
const FLOAT_BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "div", "mod", "min", "max", "pow"];
const INTEGER_BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "div", "mod", "min", "max", "and", "or", "xor", "mulhi"];
const ALL = Object.keys(DTYPES) as DType[];

describe("text and closures agree on every operation", () => {
  test.each(ALL)("%s", (dtype) => {
    const unaries: readonly UnaryOp[] = isFloat(dtype) ? UNARY : dtype === "bool" ? ["not"] : ["neg", "abs", "not"];
    const binaries = isFloat(dtype) ? FLOAT_BINARY : dtype === "bool" ? (["and", "or", "xor", "min", "max"] as const) : INTEGER_BINARY;
    const check = (name: string, out: DType, f: (a: Expr, b: Expr) => Expr): void => {
      const [fast, slow] = bothWays(dtype, out, f);
      expect(fast, name).toEqual(slow);
    };
    for (const op of unaries) check(op, dtype, (a) => unary(op, a));
    for (const op of binaries) check(op, dtype, (a, b) => binary(op, a, b));
    for (const op of ["eq", "ne", "lt", "le", "gt", "ge"] as const) check(op, "bool", (a, b) => compare(op, a, b));
    for (const to of ALL) check(`cast to ${to}`, to, (a) => cast(a, to));
    check("select", dtype, (a, b) => select(binary("and", compare("lt", a, b), compare("ne", a, b)), a, b));
    if (isFloat(dtype)) {
      check("fma", dtype, (a, b) => fma(a, b, a));
      check("saturating", "int8", (a) => saturatingCast(a, "int8"));
    }
  });
});

describe("an index outside its buffer is our error", () => {
  const x: Buffer = { name: "x", dtype: "float32", length: 4, access: "readwrite" };
  const run = (index: number, write: boolean, how: "fast" | "closures"): void => {
    const body = write ? [store(x, int(index), constant(1, "float32"))] : [store(x, int(0), load(x, int(index)))];
    interpret({ name: "k", params: [x], body }, [new Float32Array(9)], how);
  };
  test.each([
    [4, true, "fast"],
    [-1, true, "fast"],
    [4, false, "fast"],
    [-1, false, "fast"],
    [4, true, "closures"],
    [-1, false, "closures"],
  ] as const)("at %i, writing %s, %s", (index, write, how) => {
    expect(() => {
      run(index, write, how);
    }).toThrow(/outside buffer x of 4 elements/);
    expect(() => {
      run(3, write, how);
    }).not.toThrow();
  });
});
