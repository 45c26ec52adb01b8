/** dot2 for each instruction set: the two-way int16 dot product accumulated in int32. */
import type { LoopType } from "../../loop/types.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { typeName } from "./types.ts";
import { chosen, type Way } from "./ways.ts";

const GCC = "defined(__GNUC__) && !defined(__clang__)";

/** vpmaddwd by the lanes of the sum. NEON multiplies halves into int32 and adds neighbours, which belong to one sum. */
const WAYS: Readonly<Record<number, readonly Way[]>> = {
  16: [
    { condition: `defined(__AVX512BW__) && ${GCC}`, body: "return acc + (i32x16)__builtin_ia32_pmaddwd512_mask(a, b, (i32x16){0}, -1);" },
    { condition: "defined(__AVX512BW__)", body: "return acc + (i32x16)__builtin_ia32_pmaddwd512(a, b);" },
  ],
  8: [{ condition: "defined(__AVX2__)", body: "return acc + (i32x8)__builtin_ia32_pmaddwd256(a, b);" }],
  4: [
    { condition: "defined(__SSE2__)", body: "return acc + (i32x4)__builtin_ia32_pmaddwd128(a, b);" },
    {
      condition: "defined(__aarch64__)",
      body:
        "i32x4 low, high; " +
        '__asm__("smull %0.4s, %1.4h, %2.4h" : "=w"(low) : "w"(a), "w"(b)); ' +
        '__asm__("smull2 %0.4s, %1.8h, %2.8h" : "=w"(high) : "w"(a), "w"(b)); ' +
        '__asm__("addp %0.4s, %0.4s, %1.4s" : "+w"(low) : "w"(high)); return acc + low;',
    },
  ],
};

export function dot2Intrinsic(lanes: number): Intrinsic {
  const acc: LoopType = { dtype: "int32", lanes };
  const pairs: LoopType = { dtype: "int16", lanes: 2 * lanes };
  const name = `dot2_${lanes}`;
  const params = `${typeName(acc)} acc, ${typeName(pairs)} a, ${typeName(pairs)} b`;
  const define = (body: string): string => `static inline __attribute__((always_inline)) ${typeName(acc)} ${name}(${params}) { ${body} }\n`;
  const sum = "(uint32_t)((int32_t)a[2 * i] * b[2 * i]) + (uint32_t)((int32_t)a[2 * i + 1] * b[2 * i + 1])";
  const plain =
    lanes === 1
      ? define(`for (int i = 0; i < 1; i++) acc = (int32_t)((uint32_t)acc + ${sum}); return acc;`)
      : define(`${typeName(acc)} t; for (int i = 0; i < ${lanes}; i++) t[i] = (int32_t)(${sum}); return acc + t;`);
  return { name, text: chosen(WAYS[lanes] ?? [], define, plain), types: [acc, pairs] };
}
