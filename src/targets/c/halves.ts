/**
 * float16 and bfloat16 in C: they lie in memory as their bits and are float in registers. Loads widen, which is exact, and stores round
 * to nearest even; vectors are only loaded.
 */
import type { LoopType } from "../../loop/types.ts";
import type { Half } from "../../tensor/halves.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { scalarType, typeName } from "./types.ts";
import { chosen, type Way } from "./ways.ts";

const GCC = "defined(__GNUC__) && !defined(__clang__)";

const define =
  (result: string, name: string, params: string) =>
  (body: string): string =>
    `static inline __attribute__((always_inline)) ${result} ${name}(${params}) { ${body} }\n`;

const PLAIN: Readonly<Record<Half, string>> = {
  bfloat16: "uint32_t b = (uint32_t)x << 16; float f; __builtin_memcpy(&f, &b, 4); return f;",
  float16:
    "uint32_t s = (uint32_t)(x & 0x8000) << 16, m = x & 0x7fff, b; float f; " +
    "if (m >= 0x7c00) b = s | 0x7f800000 | (m << 13); else { f = (float)m * 5.9604645e-8f; if (m >= 0x400) { b = (m << 13) + 0x38000000; __builtin_memcpy(&f, &b, 4); } " +
    "__builtin_memcpy(&b, &f, 4); b |= s; } __builtin_memcpy(&f, &b, 4); return f;",
};

/** What is one instruction for one number. */
const ONE: Readonly<Record<Half, readonly Way[]>> = {
  bfloat16: [],
  float16: [
    {
      condition: `defined(__F16C__) && ${GCC}`,
      body: "typedef short shorts __attribute__((vector_size(16))); return __builtin_ia32_vcvtph2ps((shorts){(short)x})[0];",
    },
    { condition: "defined(__F16C__) || defined(__aarch64__)", body: "__fp16 h; __builtin_memcpy(&h, &x, 2); return (float)h;" },
  ],
};

/** The bits of `lanes` halves in h, and the same in the lanes of floats. */
const bitsOf = (lanes: number): string =>
  `typedef uint16_t halves __attribute__((vector_size(${2 * lanes}))); typedef uint32_t words __attribute__((vector_size(${4 * lanes}))); ` +
  "halves h; __builtin_memcpy(&h, x, sizeof h); ";

/** The exponent's bias differs by 112, for which multiplying corrects, subnormal numbers too; the largest exponent stays the largest. */
const vectorPlain = (half: Half, f: string): string =>
  half === "bfloat16"
    ? `return (${f})(__builtin_convertvector(h, words) << 16);`
    : "words w = __builtin_convertvector(h, words), m = (w & 0x7fff) << 13; " +
      `words r = (words)((${f})m * 0x1p112f) | ((words)(m >= 0x0f800000) & 0x7f800000); return (${f})(r | (w & 0x8000) << 16);`;

/** gcc widens vectors in halves where one instruction does. */
function vectorWays(half: Half, lanes: number, f: string): readonly Way[] {
  const native = `typedef __fp16 native __attribute__((vector_size(${2 * lanes}))); return __builtin_convertvector((native)h, ${f});`;
  const clang: Way = { condition: `defined(__F16C__) && defined(__clang__)`, body: native };
  const shorts = `typedef short shorts __attribute__((vector_size(${2 * lanes}))); `;
  const zero = `(${f}){0}`;
  const named = (condition: string, body: string): Way => ({ condition: `${condition} && ${GCC}`, body: `${shorts}${body}` });
  if (half === "float16") {
    if (lanes === 4)
      return [{ condition: "defined(__aarch64__)", body: `${f} r; __asm__("fcvtl %0.4s, %1.4h" : "=w"(r) : "w"(h)); return r;` }];
    if (lanes === 8) return [named("defined(__F16C__)", "return __builtin_ia32_vcvtph2ps256((shorts)h);"), clang];
    return lanes === 16
      ? [named("defined(__AVX512F__)", `return __builtin_ia32_vcvtph2ps512_mask((shorts)h, ${zero}, -1, 4);`), clang]
      : [];
  }
  if (lanes === 8) return [named("defined(__AVX2__)", `return (${f})((words)__builtin_ia32_pmovzxwd256((shorts)h) << 16);`)];
  const ints = `typedef int ints __attribute__((vector_size(64))); `;
  const wide = named(
    "defined(__AVX512F__)",
    `${ints}return (${f})((words)__builtin_ia32_pmovzxwd512_mask((shorts)h, (ints){0}, -1) << 16);`,
  );
  return lanes === 16 ? [wide] : [];
}

/** The float of one half, or those of a vector's that lie from a place on. */
export function loadHalves(half: Half, lanes: number): Intrinsic {
  if (lanes === 1) {
    const one = define("float", `load_${half}`, "uint16_t x");
    return { name: `load_${half}`, text: chosen(ONE[half], one, one(PLAIN[half])), types: [] };
  }
  const type: LoopType = { dtype: "float32", lanes };
  const f = typeName(type);
  const many = define(f, `load_${half}x${lanes}`, "const uint16_t* x");
  const body = (text: string): string => many(`${bitsOf(lanes)}${text}`);
  return { name: `load_${half}x${lanes}`, text: chosen(vectorWays(half, lanes, f), body, body(vectorPlain(half, f))), types: [type] };
}

const STORE: Readonly<Record<Half, string>> = {
  bfloat16: "uint32_t b; __builtin_memcpy(&b, &f, 4); if (f != f) return 0x7fc0; return (uint16_t)((b + 0x7fff + ((b >> 16) & 1)) >> 16);",
  float16:
    "uint32_t b; __builtin_memcpy(&b, &f, 4); uint32_t s = (b >> 16) & 0x8000, m = b & 0x7fffffff; if (m > 0x7f800000) return 0x7e00; if (m >= 0x477ff000) return (uint16_t)(s | 0x7c00); " +
    "if (m < 0x38800000) { float g; __builtin_memcpy(&g, &m, 4); return (uint16_t)(s | (uint32_t)__builtin_rintf(g * 16777216.0f)); } m += 0xc8000fff + ((m >> 13) & 1); return (uint16_t)(s | (m >> 13));",
};

/** The half that a float is rounded to. */
export const storeHalf = (half: Half): Intrinsic => ({
  name: `store_${half}`,
  text: define(scalarType("uint16"), `store_${half}`, "float f")(STORE[half]),
  types: [],
});
