/** dot4 for each instruction set: the four-way u8·s8 dot product accumulated in int32, exact everywhere. */
import type { LoopType } from "../../loop/types.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { typeName } from "./types.ts";

/** Which instruction the preprocessor of the C compiler may choose, by the lanes of the sum. */
const VNNI: Readonly<Record<number, string>> = {
  16: "defined(__AVX512VNNI__)",
  8: "(defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__)",
  4: "(defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__)",
};

/**
 * vpdpbusd as inline assembly: gcc 12 spills accumulators around the intrinsic. Elsewhere lanes are widened to int16 products
 * in int32, which cannot saturate as vpmaddubsw does.
 */
export function dot4Intrinsic(lanes: number): Intrinsic {
  const acc: LoopType = { dtype: "int32", lanes };
  const u: LoopType = { dtype: "uint8", lanes: 4 * lanes };
  const s: LoopType = { dtype: "int8", lanes: 4 * lanes };
  const name = `dot4_${lanes}`;
  const params = `${typeName(acc)} acc, ${typeName(u)} u, ${typeName(s)} s`;
  const signature = `static inline __attribute__((always_inline)) ${typeName(acc)} ${name}(${params})`;
  const product = (j: number): string => `(int32_t)u[4 * i + ${j}] * s[4 * i + ${j}]`;
  const sum = [0, 1, 2, 3].map(product).join(" + ");
  const plain =
    lanes === 1
      ? `${signature} { for (int i = 0; i < 1; i++) acc = (int32_t)((uint32_t)acc + (uint32_t)(${sum})); return acc; }\n`
      : `${signature} { ${typeName(acc)} t; for (int i = 0; i < ${lanes}; i++) t[i] = ${sum}; return acc + t; }\n`;
  const condition = VNNI[lanes];
  const vnni = `${signature} { __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(s)); return acc; }\n`;
  return { name, text: condition ? `#if ${condition}\n${vnni}#else\n${plain}#endif\n` : plain, types: [acc, u, s] };
}
