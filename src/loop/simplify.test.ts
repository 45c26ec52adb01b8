import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, type Kernel } from "../../test/generators/loop.ts";
import { DTYPES, type TypedArray } from "../tensor/dtype.ts";
import { add, binary, compare, div, indexVar, int, max, mod, mul, sub } from "./expr.ts";
import { evaluate, interpret } from "./interpret/interpret.ts";
import { exprText, funcText } from "./print.ts";
import { rangeOf, simplifyBody, simplifyExpr, type Ranges } from "./simplify.ts";
import type { Expr } from "./types.ts";
import { verifyFunc } from "./verify.ts";
import { rewriteExpr } from "./walk.ts";

const [i, j] = [indexVar("i"), indexVar("j")];
const ranges: Ranges = new Map([
  ["i", { lo: 0, hi: 9 }],
  ["j", { lo: 0, hi: 7 }],
]);
const text = (e: Expr): string => exprText(simplifyExpr(e, ranges));

describe("index arithmetic under known ranges", () => {
  test("quotient and remainder of a split index come apart", () => {
    const flat = add(mul(i, int(8)), j);
    expect(text(div(flat, int(8)))).toBe("i");
    expect(text(mod(flat, int(8)))).toBe("j");
    expect(text(div(add(flat, int(8)), int(8)))).toBe("(i + 1)");
  });

  test("what the ranges do not show is kept", () => {
    expect(text(div(add(mul(i, int(8)), add(j, int(1))), int(8)))).toContain("/ 8");
    expect(text(mod(sub(j, int(1)), int(8)))).toContain("% 8");
  });

  test("decided comparisons vanish", () => {
    expect(simplifyExpr(compare("lt", i, int(10)), ranges)).toMatchObject({ kind: "const", value: 1 });
    expect(simplifyExpr(compare("ge", j, int(8)), ranges)).toMatchObject({ kind: "const", value: 0 });
    expect(text(compare("lt", i, int(9)))).toBe("(i < 9)");
    expect(text(max(i, int(0)))).toBe("i");
  });
});

const indexExpr = fc.letrec<{ e: Expr }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<Expr>(i, j),
    fc.integer({ min: -20, max: 20 }).map((n) => int(n)),
    fc
      .tuple(fc.constantFrom("add" as const, "sub" as const, "min" as const, "max" as const), tie("e"), tie("e"))
      .map(([op, a, b]) => binary(op, a, b)),
    fc.tuple(tie("e"), fc.integer({ min: -4, max: 16 })).map(([a, n]) => mul(a, int(n))),
    fc
      .tuple(fc.constantFrom("div" as const, "mod" as const), tie("e"), fc.integer({ min: 1, max: 16 }))
      .map(([op, a, n]) => binary(op, a, int(n))),
  ),
})).e;

/** An index has no negative zero; JavaScript's numbers do. */
const at = (e: Expr, x: number, y: number): number =>
  Number(evaluate(rewriteExpr(e, (v) => (v.kind === "var" ? int(v.name === "i" ? x : y) : v)))) + 0;

test("simplified index expressions have the same value at every point, inside their range", () => {
  fc.assert(
    fc.property(indexExpr, (e) => {
      const simple = simplifyExpr(e, ranges);
      const { lo, hi } = rangeOf(e, ranges);
      for (let x = 0; x < 10; x++) {
        for (let y = 0; y < 8; y++) {
          const value = at(e, x, y);
          expect(at(simple, x, y), exprText(e)).toBe(value);
          expect(value >= lo && value <= hi, `${exprText(e)} = ${value} in ${lo}..${hi}`).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});

const copies = (k: Kernel): TypedArray[] => [
  ...k.inputs,
  ...k.func.params
    .slice(k.inputs.length)
    .map((p) => new DTYPES[p.dtype].array(new ArrayBuffer(p.length * DTYPES[p.dtype].bytes), 0, p.length)),
];

test("simplified kernels give the same results", () => {
  fc.assert(
    fc.property(kernels, (k) => {
      const simple = { ...k.func, body: simplifyBody(k.func.body) };
      verifyFunc(simple);
      const [want, got] = [copies(k), copies(k)];
      interpret(k.func, want);
      interpret(simple, got);
      expect(got.slice(k.inputs.length), funcText(k.func)).toEqual(want.slice(k.inputs.length));
    }),
    { numRuns: 100 },
  );
});
