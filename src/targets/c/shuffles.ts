/**
 * Interleavings of bytes that x86 does in one or two instructions, one across the register's halves or quarters and one within. gcc
 * makes them of many, clang finds some.
 */
import type { LoopType } from "../../loop/types.ts";
import type { Way } from "./ways.ts";

const GCC = "defined(__GNUC__) && !defined(__clang__)";

/** Byte `at` of a vector, or of zeros; -1 is a zero. */
type Source = (at: number) => number;

/** Four pixels with `lanes` channels each: byte i of the result is pixel i % 4 of channel i / 4. */
const fours = (lanes: number): readonly number[] => Array.from({ length: 4 * lanes }, (_, i) => (i % 4) * lanes + Math.floor(i / 4));
/** Two pixels, their bytes widened by the first byte of another vector. */
const widenedPairs = (lanes: number): readonly number[] =>
  Array.from({ length: 4 * lanes }, (_, i) => (i % 2 === 1 ? 2 * lanes : ((i % 4) / 2) * lanes + Math.floor(i / 4)));

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((v, i) => v === b[i]);

const list = (n: number, f: Source): string => Array.from({ length: n }, (_, i) => f(i)).join(", ");
/** Within each 16 bytes: four dwords transposed as bytes. */
const TRANSPOSED: Source = (i) => ((i % 4) * 4 + Math.floor((i % 16) / 4)) % 16;
/** Within each 16 bytes: the first two dwords interleaved and widened. */
const WIDENED: Source = (i) => (i % 2 === 1 ? -1 : ((i % 4) / 2) * 4 + Math.floor((i % 16) / 4));
/** Dword k of each of `pixels` pixels, for 16 bytes k. */
const gathered =
  (lanes: number, pixels: number): Source =>
  (i) =>
    (i % 4) % pixels === i % 4 ? ((i % 4) * lanes) / 4 + Math.floor(i / 4) : 0;

const TYPES = (bytes: number): string =>
  `typedef char bytes __attribute__((vector_size(${bytes}))); typedef int dwords __attribute__((vector_size(${bytes}))); `;

function permuted(lanes: number, pixels: 2 | 4, within: Source): readonly Way[] {
  const bytes = 4 * lanes;
  const index = `(dwords){${list(lanes, gathered(lanes, pixels))}}`;
  const mask = `(bytes){${list(bytes, within)}}`;
  // Half a register's bytes are the lower half of one.
  const source = pixels === 4 ? "dwords x = (dwords)a;" : lanes === 16 ? "dwords x = (dwords)__builtin_ia32_si512_256si((half)a);" : "";
  const half = pixels === 2 ? "typedef int half __attribute__((vector_size(32))); " : "";
  if (lanes === 16) {
    const body =
      `${TYPES(bytes)}${half}${source} x = (dwords)__builtin_ia32_permvarsi512_mask(x, ${index}, x, -1); ` +
      `return (u8x64)__builtin_ia32_pshufb512_mask((bytes)x, ${mask}, (bytes)x, -1);`;
    return [{ condition: `defined(__AVX512BW__) && ${GCC}`, body }];
  }
  const moved = `x = (dwords)__builtin_ia32_permvarsi256(x, ${index}); `;
  return [
    {
      condition: `defined(__AVX2__) && ${GCC}`,
      body: `${TYPES(bytes)}${source} ${moved}return (u8x32)__builtin_ia32_pshufb256((bytes)x, ${mask});`,
    },
  ];
}

/** Two pixels of eight channels: both halves of the register take theirs from all 16 bytes. */
const PAIRS_OF_8: Way = {
  condition: `defined(__AVX2__) && ${GCC}`,
  body:
    `${TYPES(32)}typedef long long two __attribute__((vector_size(16))); ` +
    "bytes x = (bytes)__builtin_ia32_vbroadcastsi256((two)a); " +
    `return (u8x32)__builtin_ia32_pshufb256(x, (bytes){${list(32, (i) => (i % 2 === 1 ? -1 : ((i % 4) / 2) * 8 + Math.floor(i / 4)))}});`,
};

/** How gcc is to interleave; `zero` says that the second operand is nothing else. */
export function shuffleWays(from: LoopType, indices: readonly number[], zero: boolean): readonly Way[] {
  if (from.dtype !== "uint8") return [];
  const lanes = indices.length / 4;
  if (same(indices, fours(lanes))) {
    if (lanes === 8 || lanes === 16) return permuted(lanes, 4, TRANSPOSED);
    return lanes === 4 ? [{ condition: GCC, body: `return __builtin_shuffle(a, b, (u8x16){${indices.join(", ")}});` }] : [];
  }
  if (!zero || !same(indices, widenedPairs(lanes))) return [];
  return lanes === 16 ? permuted(16, 2, WIDENED) : lanes === 8 ? [PAIRS_OF_8] : [];
}
