import { expect, test } from "vitest";
import { loadHalves } from "./halves.ts";
import { vectorTypedefs } from "./types.ts";
import { runProgram, waysWith } from "../testing/c-program.ts";

const HALVES = ["float16", "bfloat16"] as const;
const LANES = [4, 8, 16] as const;

/** Counts the halves that a vector, or one alone, widens to another float than arithmetic says. */
function program(): string {
  const types = LANES.map((lanes) => vectorTypedefs({ dtype: "float32", lanes })).join("");
  const loads = HALVES.flatMap((h) => [1, ...LANES].map((lanes) => loadHalves(h, lanes).text)).join("");
  const check = (h: string, n: number): string =>
    `for (int j = 0; j < 16; j += ${n}) { f32x${n} v = load_${h}x${n}(in + i + j); for (int k = 0; k < ${n}; k++) bad += differ(v[k], ref_${h}(in[i + j + k])) + differ(load_${h}(in[i + j + k]), ref_${h}(in[i + j + k])); }\n`;
  const checks = HALVES.flatMap((h) => LANES.map((n) => check(h, n))).join("");
  return `#include <stdint.h>
#include <stdio.h>
#include <math.h>
${types}${loads}
static float ref_bfloat16(uint16_t x) { union { uint32_t u; float f; } v; v.u = (uint32_t)x << 16; return v.f; }
static float ref_float16(uint16_t x) {
  int e = (x >> 10) & 31, m = x & 1023; float s = x & 0x8000 ? -1 : 1;
  return e == 31 ? (m ? NAN : s * INFINITY) : s * (e ? ldexpf(1 + m / 1024.0f, e - 15) : ldexpf(m, -24));
}
static int differ(float a, float b) { return !(a == b && !signbit(a) == !signbit(b)) && !(a != a && b != b); }
static uint16_t in[65536];
int main(void) {
  unsigned long bad = 0;
  for (int i = 0; i < 65536; i++) in[i] = (uint16_t)i;
  for (int i = 0; i < 65536; i += 16) {
${checks}  }
  printf("%lu", bad);
  return 0;
}
`;
}

const WAYS = waysWith([
  ["gcc", ["-mavx2", "-mf16c"]],
  ["gcc", ["-mavx2"]],
  ["clang", ["-mavx2", "-mf16c"]],
]);

test.for(WAYS)("every half is widened to its float: %s %j %j", (way, { skip }) => {
  expect(runProgram(program(), way, skip)).toBe("0");
});
