import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, type Kernel } from "../../../test/generators/loop.ts";
import { DTYPES, type TypedArray } from "../../tensor/dtype.ts";
import { interpret } from "../../loop/interpret/interpret.ts";
import { funcText } from "../../loop/print.ts";
import { verifyFunc } from "../../loop/verify.ts";
import { loadWasm } from "../testing/wasm.ts";

const copies = (k: Kernel): TypedArray[] => [
  ...k.inputs,
  ...k.func.params
    .slice(k.inputs.length)
    .map((p) => new DTYPES[p.dtype].array(new ArrayBuffer(p.length * DTYPES[p.dtype].bytes), 0, p.length)),
];

describe("WebAssembly equals the interpreter", () => {
  test("on random kernels", () => {
    fc.assert(
      fc.property(kernels, (k) => {
        verifyFunc(k.func);
        const [want, got] = [copies(k), copies(k)];
        interpret(k.func, want);
        loadWasm([k.func]).call(k.func.name, got);
        for (let i = k.inputs.length; i < want.length; i++) expect([...(got[i] ?? [])], funcText(k.func)).toEqual([...(want[i] ?? [])]);
      }),
      { numRuns: Number(process.env["HONE_RUNS"] ?? 200) },
    );
  });
});
