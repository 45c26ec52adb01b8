/**
 * Conversions between bytes and wider integers that x86 has as one or two instructions. gcc makes them of halves, or lane by lane
 * where a vector of bytes is shorter than a register; clang finds them by itself.
 */
import { typeText } from "../../loop/expr.ts";
import type { LoopType } from "../../loop/types.ts";
import type { Way } from "./ways.ts";

const GCC = "defined(__GNUC__) && !defined(__clang__)";
const BYTES = "typedef char bytes __attribute__((vector_size(16))); typedef long long longs __attribute__((vector_size(16))); ";

/** The eight bytes of x in a register. */
const REGISTER = `${BYTES}long long low; __builtin_memcpy(&low, &x, 8); bytes b = (bytes)(longs){low, 0}; `;

const widen8 = (instruction: string): Way => ({
  condition: `defined(__AVX2__) && ${GCC}`,
  body: `${REGISTER}return (i32x8)__builtin_ia32_${instruction}256(b);`,
});
const widen16 = (instruction: string): Way => ({
  condition: `defined(__AVX2__) && ${GCC}`,
  body: `${BYTES}return (i16x16)__builtin_ia32_${instruction}256((bytes)x);`,
});
const widen512 = (instruction: string): Way => ({
  condition: `defined(__AVX512F__) && ${GCC}`,
  body: `${BYTES}return (i32x16)__builtin_ia32_${instruction}512_mask((bytes)x, (i32x16){0}, -1);`,
});

/** On to float, which is exact for bytes. */
const toFloat = (way: Way, lanes: number): Way => ({
  ...way,
  body: `typedef int i32x${lanes} __attribute__((vector_size(${4 * lanes}))); ${way.body.replace(/return (.*);$/, `return __builtin_convertvector($1, f32x${lanes});`)}`,
});

/** The lowest byte of every lane: gathered within both halves, which are then joined. */
const LOWEST: Way = {
  condition: `defined(__AVX2__) && ${GCC}`,
  body:
    "typedef char wide __attribute__((vector_size(32))); typedef long long longs __attribute__((vector_size(32))); " +
    "typedef int ints __attribute__((vector_size(16))); typedef long long pair __attribute__((vector_size(16))); " +
    "wide t = __builtin_ia32_pshufb256((wide)x, (wide){0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, " +
    "0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}); " +
    "pair high = __builtin_ia32_extract128i256((longs)t, 1); pair low = __builtin_ia32_extract128i256((longs)t, 0); " +
    "long long joined = ((pair)__builtin_ia32_punpckldq128((ints)low, (ints)high))[0]; " +
    "RESULT r; __builtin_memcpy(&r, &joined, 8); return r;",
};

const lowest = (result: string): Way => ({ ...LOWEST, body: LOWEST.body.replace("RESULT", result) });

const WAYS: Readonly<Record<string, Way>> = {
  "uint8x8 int32x8": widen8("pmovzxbd"),
  "int8x8 int32x8": widen8("pmovsxbd"),
  "uint8x16 int16x16": widen16("pmovzxbw"),
  "int8x16 int16x16": widen16("pmovsxbw"),
  "uint8x16 int32x16": widen512("pmovzxbd"),
  "int8x16 int32x16": widen512("pmovsxbd"),
  "uint8x8 float32x8": toFloat(widen8("pmovzxbd"), 8),
  "int8x8 float32x8": toFloat(widen8("pmovsxbd"), 8),
  "uint8x16 float32x16": toFloat(widen512("pmovzxbd"), 16),
  "int8x16 float32x16": toFloat(widen512("pmovsxbd"), 16),
  "int32x8 uint8x8": lowest("u8x8"),
  "int32x8 int8x8": lowest("i8x8"),
};

/** How gcc is to convert, where it needs telling. */
export function castWays(from: LoopType, to: LoopType): readonly Way[] {
  const way = WAYS[`${typeText(from)} ${typeText(to)}`];
  return way ? [way] : [];
}
