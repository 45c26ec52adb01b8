import { describe, expect, test } from "vitest";
import { DTYPES, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { must } from "../../util/errors.ts";
import {
  binary,
  cast,
  constant,
  dot4,
  fma,
  int,
  load,
  min,
  reduceLanes,
  saturatingCast,
  select,
  compare,
  indexVar,
  unary,
} from "../expr.ts";
import { interpret } from "../interpret/interpret.ts";
import { funcText } from "../print.ts";
import { forLoop, store } from "../stmt.ts";
import type { Buffer, Expr, Func, UnaryOp } from "../types.ts";
import { verifyFunc } from "../verify.ts";
import { EVERYWHERE, NOWHERE, SCALAR_ONLY, type Capabilities, type Feature, type Support } from "./capabilities.ts";
import { legalize } from "./index.ts";

const FEATURES: readonly Feature[] = [
  ...(["neg", "abs", "not", "floor", "ceil", "roundEven", "trunc", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos"] as const),
  ...(["add", "sub", "mul", "div", "mod", "min", "max", "pow", "and", "or", "xor", "shl", "shr", "mulhi"] as const),
  ...(["cast", "compare", "select", "fma", "dot4", "dot2", "shuffle", "reduceLanes", "saturatingCast", "roundedBytes"] as const),
];

function capabilities(lacking: Partial<Record<Feature, Support>>, registerBytes?: number): Capabilities {
  const native = Object.fromEntries(FEATURES.map((f) => [f, lacking[f] ?? EVERYWHERE])) as Record<Feature, Support>;
  return { target: "test", native, ...(registerBytes === undefined ? {} : { registerBytes }) };
}

const buffer = (name: string, dtype: DType, length: number, access: Buffer["access"]): Buffer => ({ name, dtype, length, access });
const array = (dtype: DType, length: number): TypedArray =>
  new DTYPES[dtype].array(new ArrayBuffer(length * DTYPES[dtype].bytes), 0, length);

/** out[i] = f(inputs[i]…) over vectors of `lanes`. */
function kernel(ins: readonly DType[], out: DType, length: number, lanes: number, f: (...x: Expr[]) => Expr): Func {
  const sources = ins.map((d, i) => buffer(`x${i}`, d, length, "read"));
  const target = buffer("y", out, length, "write");
  const i = indexVar("i");
  const body = store(target, i, f(...sources.map((b) => load(b, i, lanes))));
  return { name: "k", params: [...sources, target], body: [forLoop(i, length, [body], { step: lanes })] };
}

function run(f: Func, inputs: readonly TypedArray[]): TypedArray {
  const target = must(f.params[f.params.length - 1], "a result");
  const out = array(target.dtype, target.length);
  verifyFunc(f);
  interpret(f, [...inputs, out]);
  return out;
}

const filled = (dtype: DType, values: readonly number[], length = values.length): TypedArray => {
  const a = array(dtype, length);
  for (let i = 0; i < length; i++) {
    const v = values[i % values.length] ?? 0;
    a[i] = a instanceof BigInt64Array || a instanceof BigUint64Array ? BigInt(Math.trunc(v)) : v;
  }
  return a;
};

/** A deterministic spread over a range, with the ends. */
const spread = (lo: number, hi: number, n: number): number[] => Array.from({ length: n }, (_, i) => lo + ((hi - lo) * i) / (n - 1));

function worstRelative(got: TypedArray, want: TypedArray): number {
  let worst = 0;
  want.forEach((w: number | bigint, i: number) => {
    const [g, t] = [Number(got[i]), Number(w)];
    if (Object.is(g, t) || g === t || (Number.isNaN(g) && Number.isNaN(t))) return;
    const scale = Math.max(Math.abs(t), 2 ** -126);
    worst = Math.max(worst, Number.isFinite(t) && Number.isFinite(g) ? Math.abs(g - t) / scale : Infinity);
  });
  return worst;
}

const SPECIAL = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e-40, 3e38, -3e38, 0.5, -0.5, 1.5, 2.5, -2.5, 8388607.5];

describe("rules for float32", () => {
  const cases: readonly [UnaryOp, number, number, number][] = [
    ["exp", -110, 95, 2e-7],
    ["exp", -1, 1, 1.5e-7],
    ["log", 1e-3, 50, 3e-7],
    ["log", 0.5, 2, 3e-7],
    ["log", -2, 1e-38, 3e-7],
    ["tanh", -12, 12, 3e-7],
    ["erf", -5, 5, 3e-7],
    ["sin", -3, 3, 3e-7],
    ["cos", -1.5, 1.5, 3e-7],
    ["sin", -1e6, 1e6, 1e-6],
    ["cos", -1e6, 1e6, 1e-6],
  ];
  test.each(cases)("%s on %f .. %f", (op, lo, hi, limit) => {
    const values = [
      ...spread(lo, hi, 4000 - 16),
      ...SPECIAL.map((x) => (op === "sin" || op === "cos" ? Math.min(1e6, Math.max(-1e6, x)) : x)),
    ];
    const f = kernel(["float32"], "float32", 4000, 8, (x) => unary(op, x));
    const legal = legalize(f, capabilities({ exp: NOWHERE, log: NOWHERE, tanh: NOWHERE, erf: NOWHERE, sin: NOWHERE, cos: NOWHERE }));
    expect(funcText(legal)).not.toContain(`${op}(`);
    const x = filled("float32", values);
    expect(worstRelative(run(legal, [x]), run(f, [x]))).toBeLessThan(limit);
  });

  test("pow, with zeros, negative bases and large exponents", () => {
    const bases = [...spread(-4, 4, 81), 0, 10, 1e10, 0.001];
    const exponents = [-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 7.5, 30];
    const pairs = bases.flatMap((a) => exponents.map((b) => [a, b] as const)).slice(0, 928);
    const f = kernel(["float32", "float32"], "float32", pairs.length, 4, (a, b) => binary("pow", a, b));
    const legal = legalize(f, capabilities({ pow: NOWHERE, exp: NOWHERE, log: NOWHERE }));
    const inputs = [
      filled(
        "float32",
        pairs.map((p) => p[0]),
      ),
      filled(
        "float32",
        pairs.map((p) => p[1]),
      ),
    ];
    expect(worstRelative(run(legal, inputs), run(f, inputs))).toBeLessThan(2e-7);
  });

  test.each(["floor", "ceil", "roundEven", "trunc", "abs"] as const)("%s is exact, to the sign of zero", (op) => {
    const values = [...spread(-5, 5, 112), ...SPECIAL];
    for (const dtype of ["float32", "float64"] as const) {
      const f = kernel([dtype], dtype, 128, 4, (x) => unary(op, x));
      const x = filled(dtype, values);
      const legal = legalize(f, capabilities({ floor: NOWHERE, ceil: NOWHERE, roundEven: NOWHERE, trunc: NOWHERE, abs: NOWHERE }));
      expect([...run(legal, [x])]).toEqual([...run(f, [x])]);
    }
  });
});

test("exp and log of float64", () => {
  for (const [op, lo, hi] of [
    ["exp", -740, 705],
    ["log", 1e-5, 100],
  ] as const) {
    const f = kernel(["float64"], "float64", 1000, 2, (x) => unary(op, x));
    const x = filled("float64", spread(lo, hi, 1000));
    expect(worstRelative(run(legalize(f, capabilities({ [op]: NOWHERE })), [x]), run(f, [x]))).toBeLessThan(1e-14);
  }
});

describe("integer rules are exact", () => {
  test("dot4", () => {
    const [acc, u, s, y] = [
      buffer("a", "int32", 8, "read"),
      buffer("u", "uint8", 32, "read"),
      buffer("s", "int8", 32, "read"),
      buffer("y", "int32", 8, "write"),
    ];
    const f: Func = {
      name: "dot",
      params: [acc, u, s, y],
      body: [store(y, int(0), dot4(load(acc, int(0), 8), load(u, int(0), 32), load(s, int(0), 32)))],
    };
    const inputs = [filled("int32", [1, -7, 2147483647], 8), filled("uint8", [255, 3, 128], 32), filled("int8", [-128, 127, 5, -1], 32)];
    expect([...run(legalize(f, capabilities({ dot4: NOWHERE })), inputs)]).toEqual([...run(f, inputs)]);
    expect([...run(legalize(f, capabilities({}, 16)), inputs)]).toEqual([...run(f, inputs)]);
  });

  test.each(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const)("mulhi of %s", (dtype) => {
    const f = kernel([dtype, dtype], dtype, 64, 1, (a, b) => binary("mulhi", a, b));
    const values =
      DTYPES[dtype].class === "signed" ? [-1, 2 ** 62, 127, -128, 3, 2 ** 31, -(2 ** 40)] : [255, 2 ** 63, 1, 3, 2 ** 33, 77777];
    const inputs = [filled(dtype, values, 64), filled(dtype, [...values].reverse().slice(1), 64)];
    expect([...run(legalize(f, capabilities({ mulhi: NOWHERE })), inputs)]).toEqual([...run(f, inputs)]);
  });

  test.each([
    ["float32", "uint8"],
    ["float32", "int8"],
    ["float32", "int32"],
    ["float64", "int16"],
    ["float64", "int32"],
    ["int32", "uint8"],
    ["int32", "int8"],
    ["int16", "uint8"],
    ["int64", "int32"],
    ["uint32", "int32"],
  ] as const)("saturatingCast %s to %s", (from, to) => {
    const values = [0, 1, -1, 127.9, -128.9, 255.5, 256, 1e5, -1e5, 2147483648, -2147483648, 3e9, -3e9, 2147483520];
    const float = from === "float32" || from === "float64";
    const f = kernel([from], to, 16, 4, (x) => saturatingCast(x, to));
    const x = filled(from, float ? [...values, NaN, Infinity] : values, 16);
    expect([...run(legalize(f, capabilities({ saturatingCast: NOWHERE })), [x])]).toEqual([...run(f, [x])]);
  });
});

test("an operation without a rule is done lane by lane; one that has none at all is an error that names it", () => {
  const f = kernel(["int32", "int32"], "int32", 16, 8, (a, b) => binary("div", a, b));
  const inputs = [filled("int32", [7, -7, 100], 16), filled("int32", [2, 3, -5, 7], 16)];
  expect([...run(legalize(f, capabilities({ div: SCALAR_ONLY })), inputs)]).toEqual([...run(f, inputs)]);
  expect(() => legalize(f, capabilities({ div: NOWHERE }))).toThrow(/div of int32 cannot be computed/);
});

test("fma becomes two operations", () => {
  const f = kernel(["float32"], "float32", 16, 4, (x) => fma(x, x, x));
  expect(funcText(legalize(f, capabilities({ fma: NOWHERE })))).toMatchInlineSnapshot(`
    "func k(x0: read float32[16], y: write float32[16]) {
      for i in 0..16 step 4 {
        y[i :4] = ((x0[i :4] * x0[i :4]) + x0[i :4])
      }
    }
    "
  `);
});

test("what an untaken arm needs is not computed", () => {
  const x = buffer("x", "float32", 4, "read");
  const y = buffer("y", "float32", 8, "write");
  const i = indexVar("i");
  const value = select(compare("lt", i, int(4)), unary("tanh", load(x, i)), constant(-1, "float32"));
  const f: Func = { name: "k", params: [x, y], body: [forLoop(i, 8, [store(y, i, value)])] };
  const legal = legalize(f, capabilities({ tanh: NOWHERE, exp: NOWHERE }));
  expect(worstRelative(run(legal, [filled("float32", [0, 1, 2, 3])]), run(f, [filled("float32", [0, 1, 2, 3])]))).toBeLessThan(2e-7);
});

describe("splitting lanes", () => {
  test("mixed widths and reductions give the same numbers", () => {
    const f = kernel(["float32"], "uint8", 64, 32, (x) => saturatingCast(unary("roundEven", x), "uint8"));
    const x = filled("float32", spread(-20, 300, 64));
    const split = legalize(f, capabilities({}, 16));
    expect([...run(split, [x])]).toEqual([...run(f, [x])]);
    const g = kernel(["float32"], "float32", 16, 1, () =>
      min(reduceLanes("add", load(f.params[0] ?? buffer("x0", "float32", 64, "read"), int(0), 32)), constant(1e9, "float32")),
    );
    const sum: Func = { ...g, params: [...f.params.slice(0, 1), ...g.params.slice(1)] };
    expect([...run(legalize(sum, capabilities({}, 16)), [x])]).toEqual([...run(sum, [x])]);
  });

  test("a cast to wider lanes", () => {
    const f = kernel(["int8"], "float32", 64, 16, (x) => cast(x, "float32"));
    const x = filled("int8", spread(-128, 127, 64));
    expect([...run(legalize(f, capabilities({}, 16)), [x])]).toEqual([...run(f, [x])]);
  });
});
