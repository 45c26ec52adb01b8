/** dot4 for each instruction set: the four-way u8·s8 dot product accumulated in int32, exact everywhere. */
import type { LoopType } from "../../loop/types.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { typeName } from "./types.ts";
import { chosen, type Way } from "./ways.ts";

/** vpdpbusd as inline assembly: gcc 12 spills accumulators around the intrinsic. Without AVX-512 it must have the VEX encoding. */
const vpdpbusd = (condition: string): Way => ({
  condition,
  body: '__asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(s)); return acc;',
});
const AVX_VNNI: Way = {
  condition: "defined(__AVXVNNI__)",
  body: '__asm__("{vex} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(u), "x"(s)); return acc;',
};
const SHORT = [vpdpbusd("defined(__AVX512VNNI__) && defined(__AVX512VL__)"), AVX_VNNI];

/** sdot takes signed bytes only: u - 128 is u with its highest bit turned, and what that takes from the sum is -128 · Σ s. */
const SDOT: Way = {
  condition: "defined(__ARM_FEATURE_DOTPROD)",
  body:
    "u8x16 turned = u ^ (u8x16){128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128}; " +
    "i8x16 least = (i8x16){-128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128}; " +
    "i32x4 taken = {0, 0, 0, 0}; " +
    '__asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(taken) : "w"(least), "w"(s)); ' +
    '__asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(turned), "w"(s)); return acc - taken;',
};

/** The ways by the lanes of the sum, in the order in which the preprocessor of the C compiler is asked. */
const WAYS: Readonly<Record<number, readonly Way[]>> = {
  16: [vpdpbusd("defined(__AVX512VNNI__)")],
  8: SHORT,
  4: [...SHORT, SDOT],
};

/** Where there is no such instruction, products are summed in int32, which cannot saturate as vpmaddubsw does. */
export function dot4Intrinsic(lanes: number): Intrinsic {
  const acc: LoopType = { dtype: "int32", lanes };
  const u: LoopType = { dtype: "uint8", lanes: 4 * lanes };
  const s: LoopType = { dtype: "int8", lanes: 4 * lanes };
  const name = `dot4_${lanes}`;
  const params = `${typeName(acc)} acc, ${typeName(u)} u, ${typeName(s)} s`;
  const define = (body: string): string => `static inline __attribute__((always_inline)) ${typeName(acc)} ${name}(${params}) { ${body} }\n`;
  const product = (j: number): string => `(int32_t)u[4 * i + ${j}] * s[4 * i + ${j}]`;
  const sum = [0, 1, 2, 3].map(product).join(" + ");
  const plain =
    lanes === 1
      ? define(`for (int i = 0; i < 1; i++) acc = (int32_t)((uint32_t)acc + (uint32_t)(${sum})); return acc;`)
      : define(`${typeName(acc)} t; for (int i = 0; i < ${lanes}; i++) t[i] = ${sum}; return acc + t;`);
  return { name, text: chosen(WAYS[lanes] ?? [], define, plain), types: [acc, u, s] };
}
