/** roundedBytes for each instruction set: packing saturates, so that little is left to clamp. */
import type { LoopType } from "../../loop/types.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { typeName } from "./types.ts";
import { chosen, type Way } from "./ways.ts";

const GCC = "defined(__GNUC__) && !defined(__clang__)";
/** What int32 still holds when it is rounded, and is no byte whatever the zero point. */
const MOST = "1073741824.0f";

const letters = (parts: number): readonly string[] => ["a", "b", "c", "d"].slice(0, parts);
const splat = (value: string, n: number): string => `{${new Array<string>(n).fill(value).join(", ")}}`;

/** The names of x86's instructions at one width. A conversion that overflows gives the least integer, and so does a NaN. */
interface X86 {
  readonly condition: string;
  readonly lanes: number;
  /** min(x, MOST), which keeps a NaN, as int32. */
  readonly rounded: (x: string) => string;
  readonly words: (a: string, b: string) => string;
  readonly moved: (words: string, zero: string) => string;
  readonly bytes: (a: string, b: string) => string;
  /** Packing goes by 16 bytes: the dwords of each are brought together. */
  readonly ordered: (bytes: string) => string;
}

const across = (quarters: number): string =>
  Array.from({ length: 4 * quarters }, (_, i) => (i % quarters) * 4 + Math.floor(i / quarters)).join(", ");

const SSE2: X86 = {
  condition: "defined(__SSE2__)",
  lanes: 4,
  rounded: (x) => `__builtin_ia32_cvtps2dq(__builtin_ia32_minps(most, ${x}))`,
  words: (a, b) => `(words)__builtin_ia32_packssdw128(${a}, ${b})`,
  moved: (w, z) => `(words)__builtin_ia32_paddsw128(${w}, ${z})`,
  bytes: (a, b) => `(dwords)__builtin_ia32_packuswb128(${a}, ${b})`,
  ordered: (b) => b,
};
const AVX2: X86 = {
  condition: "defined(__AVX2__)",
  lanes: 8,
  rounded: (x) => `__builtin_ia32_cvtps2dq256(__builtin_ia32_minps256(most, ${x}))`,
  words: (a, b) => `(words)__builtin_ia32_packssdw256(${a}, ${b})`,
  moved: (w, z) => `(words)__builtin_ia32_paddsw256(${w}, ${z})`,
  bytes: (a, b) => `(dwords)__builtin_ia32_packuswb256(${a}, ${b})`,
  ordered: (b) => `(dwords)__builtin_ia32_permvarsi256(${b}, (dwords){${across(2)}})`,
};
const AVX512: X86 = {
  condition: `defined(__AVX512BW__) && ${GCC}`,
  lanes: 16,
  rounded: (x) => `__builtin_ia32_cvtps2dq512_mask(__builtin_ia32_minps512_mask(most, ${x}, most, -1, 4), (dwords){0}, -1, 4)`,
  words: (a, b) => `(words)__builtin_ia32_packssdw512_mask(${a}, ${b}, (words){0}, -1)`,
  moved: (w, z) => `(words)__builtin_ia32_paddsw512_mask(${w}, ${z}, (words){0}, -1)`,
  bytes: (a, b) => `(dwords)__builtin_ia32_packuswb512_mask(${a}, ${b}, (bytes){0}, -1)`,
  ordered: (b) => `(dwords)__builtin_ia32_permvarsi512_mask(${b}, (dwords){${across(4)}}, (dwords){0}, -1)`,
};

function x86Way(x86: X86, parts: number, result: string): Way {
  const { lanes } = x86;
  const size = 4 * lanes;
  const names = letters(parts);
  const type = (name: string, element: string): string => `typedef ${element} ${name} __attribute__((vector_size(${size}))); `;
  const pair = (i: number): string => {
    const x = names[i] ?? "a";
    return x86.moved(x86.words(x86.rounded(x), x86.rounded(names[i + 1] ?? x)), "z");
  };
  const body =
    `${type("dwords", "int")}${type("words", "short")}${type("bytes", "char")}${type("floats", "float")}` +
    `const floats most = ${splat(MOST, lanes)}; const words z = ${x86.words("(dwords)zero", "(dwords)zero")}; ` +
    `const words p = ${pair(0)}; const words q = ${parts > 2 ? pair(2) : "p"}; ` +
    `const dwords y = ${x86.ordered(x86.bytes("p", "q"))}; ${result} r; __builtin_memcpy(&r, &y, sizeof r); return r;`;
  return { condition: x86.condition, body };
}

/** fcvtns makes the greatest integer of what overflows; fmaxnm takes the bound of a NaN. */
function neonWay(parts: number, result: string): Way {
  const names = letters(parts);
  const rounded = (x: string): string =>
    `__asm__("fmaxnm %0.4s, %1.4s, %2.4s\\n\\tfcvtns %0.4s, %0.4s" : "=&w"(i_${x}) : "w"(${x}), "w"(least)); `;
  const pair = (name: string, at: number): string => {
    const x = names[at] ?? "a";
    return (
      `__asm__("sqxtn %0.4h, %1.4s\\n\\tsqxtn2 %0.8h, %2.4s\\n\\tsqadd %0.8h, %0.8h, %3.8h" : "=&w"(${name}) : "w"(i_${x}), ` +
      `"w"(i_${names[at + 1] ?? x}), "w"(z)); `
    );
  };
  const body =
    "typedef short words __attribute__((vector_size(16))); typedef char bytes __attribute__((vector_size(16))); " +
    `const f32x4 least = ${splat("-1073741824.0f", 4)}; words z, p, q; bytes y; ` +
    `i32x4 ${names.map((x) => `i_${x}`).join(", ")}; ` +
    '__asm__("sqxtn %0.4h, %1.4s\\n\\tsqxtn2 %0.8h, %1.4s" : "=&w"(z) : "w"(zero)); ' +
    `${names.map(rounded).join("")}${pair("p", 0)}${parts > 2 ? pair("q", 2) : "q = p; "}` +
    '__asm__("sqxtun %0.8b, %1.8h\\n\\tsqxtun2 %0.16b, %2.8h" : "=&w"(y) : "w"(p), "w"(q)); ' +
    `${result} r; __builtin_memcpy(&r, &y, sizeof r); return r;`;
  return { condition: "defined(__aarch64__)", body };
}

const WAYS: Readonly<Record<number, (parts: number, result: string) => readonly Way[]>> = {
  16: (parts, result) => [x86Way(AVX512, parts, result)],
  8: (parts, result) => [x86Way(AVX2, parts, result)],
  4: (parts, result) => [x86Way(SSE2, parts, result), neonWay(parts, result)],
};

/** `part` is the type of one of the parts, float32. */
export function roundedBytesIntrinsic(part: LoopType, parts: number): Intrinsic {
  const { lanes } = part;
  const zero: LoopType = { dtype: "int32", lanes };
  const result: LoopType = { dtype: "uint8", lanes: lanes * parts };
  const name = `rounded_bytes_${lanes}x${parts}`;
  const names = letters(parts);
  const params = [...names.map((x) => `${typeName(part)} ${x}`), `${typeName(zero)} zero`].join(", ");
  const define = (body: string): string =>
    `static inline __attribute__((always_inline)) ${typeName(result)} ${name}(${params}) { ${body} }\n`;
  const each = names.map(
    (x, k) =>
      `for (int i = 0; i < ${lanes}; i++) { float v = __builtin_rintf(${x}[i]) + (float)zero[i]; ` +
      `r[${k * lanes} + i] = (uint8_t)(int32_t)(v > 255.0f ? 255.0f : v > 0.0f ? v : 0.0f); } `,
  );
  const plain = define(`${typeName(result)} r; ${each.join("")}return r;`);
  return { name, text: chosen(WAYS[lanes]?.(parts, typeName(result)) ?? [], define, plain), types: [part, zero, result] };
}
