import { expect, test } from "vitest";
import type { LoopType } from "../../loop/types.ts";
import { shuffleIntrinsic, type Intrinsic } from "./intrinsics.ts";
import { roundedBytesIntrinsic } from "./rounded-bytes.ts";
import { typeName, vectorTypedefs } from "./types.ts";
import { runProgram, waysWith } from "../testing/c-program.ts";

const LANES = [4, 8, 16] as const;
const PARTS = [1, 2, 4] as const;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const bytes = (lanes: number): LoopType => ({ dtype: "uint8", lanes });

interface Trial {
  readonly f: Intrinsic;
  /** Statements that add to `bad` what differs. */
  readonly check: string;
}

function roundings(): readonly Trial[] {
  return LANES.flatMap((lanes) =>
    PARTS.map((parts) => {
      const f = roundedBytesIntrinsic({ dtype: "float32", lanes }, parts);
      const args = range(parts).map((p) => `*(f32x${lanes}_u*)(floats + i + ${p * lanes})`);
      const call = `${f.name}(${args.join(", ")}, zeros${lanes})`;
      const loop = `for (int i = 0; i + ${lanes * parts} <= COUNT; i++) { u8x${lanes * parts} y = ${call}; for (int k = 0; k < ${lanes * parts}; k++) bad += y[k] != ref(floats[i + k], z); }`;
      const zeros = `i32x${lanes} zeros${lanes}; for (int k = 0; k < ${lanes}; k++) zeros${lanes}[k] = z;`;
      return { f, check: `for (int z = 0; z < 256; z += 51) { ${zeros} ${loop} }` };
    }),
  );
}

function interleavings(): readonly Trial[] {
  return LANES.flatMap((lanes) => {
    const fours = range(4 * lanes).map((i) => (i % 4) * lanes + Math.floor(i / 4));
    const pairs = range(4 * lanes).map((i) => (i % 2 === 1 ? 2 * lanes : ((i % 4) / 2) * lanes + Math.floor(i / 4)));
    const trial = (from: LoopType, indices: readonly number[], zero: boolean): Trial => {
      const f = shuffleIntrinsic(from, bytes(4 * lanes), indices, zero);
      const x = `*(${typeName(from)}_u*)numbers`;
      const wanted = `(int[]){${indices.join(", ")}}[k]`;
      const read = zero ? `(${wanted} < ${from.lanes} ? numbers[${wanted}] : 0)` : `numbers[${wanted}]`;
      const call = `${f.name}(${x}, ${zero ? `(${typeName(from)}){0}` : x})`;
      return { f, check: `{ u8x${4 * lanes} y = ${call}; for (int k = 0; k < ${4 * lanes}; k++) bad += y[k] != ${read}; }` };
    };
    return [trial(bytes(4 * lanes), fours, false), trial(bytes(2 * lanes), pairs, true)];
  });
}

/** Counts the bytes that differ from what is defined. */
function program(): string {
  const trials = [...roundings(), ...interleavings()];
  const types = new Map(trials.flatMap(({ f }) => f.types).map((t) => [typeName(t), vectorTypedefs(t)]));
  return `#include <stdint.h>
#include <stdio.h>
#include <math.h>
${[...types.values(), ...trials.map(({ f }) => f.text)].join("")}
static uint8_t ref(float x, int zero) {
  double v = nearbyint(x) + zero;
  return v > 255 ? 255 : v > 0 ? (uint8_t)v : 0;
}
#define COUNT 4096
static float floats[COUNT];
static uint8_t numbers[64];
int main(void) {
  const float hard[] = {0, 0.5f, 1, 1.5f, 2.5f, 127.5f, 254.5f, 255.5f, 1e4f, 32767, 32768, 65536, 4194304, 12582912, 1073741824, 2147483648.0f, 3e38f, INFINITY, NAN};
  const int count = sizeof hard / sizeof *hard;
  unsigned long bad = 0;
  for (int i = 0; i < 64; i++) numbers[i] = (uint8_t)(i * 37 + 11);
  for (int i = 0; i < COUNT; i++) {
    float x = hard[i * 7 % count];
    for (int k = i / count % 3; k > 0; k--) x = nextafterf(x, i % 5 > 2 ? 0 : INFINITY);
    floats[i] = i % 3 ? x : -x;
  }
  ${trials.map(({ check }) => check).join("\n  ")}
  printf("%lu", bad);
  return 0;
}
`;
}

const AVX512 = ["-mavx2", "-mavx512f", "-mavx512bw", "-mavx512vl"];
const WAYS = waysWith([
  ["gcc", ["-mavx2"]],
  ["clang", ["-mavx2"]],
  ["gcc", AVX512],
  ["clang", AVX512],
]);

test.for(WAYS)("floats become the bytes that are defined, and bytes interleave: %s %j %j", (way, { skip }) => {
  expect(runProgram(program(), way, skip)).toBe("0");
});
