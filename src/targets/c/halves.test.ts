import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadHalves } from "./halves.ts";
import { vectorTypedefs } from "./types.ts";

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

const has = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;

const WAYS: readonly (readonly [compiler: string, flags: readonly string[], runner: readonly string[]])[] = [
  ["cc", [], []],
  ["gcc", [], []],
  ["clang", [], []],
  ...(process.arch === "x64"
    ? [["gcc", ["-mavx2", "-mf16c"], []] as const, ["gcc", ["-mavx2"], []] as const, ["clang", ["-mavx2", "-mf16c"], []] as const]
    : []),
  ["aarch64-linux-gnu-gcc", ["-static"], ["qemu-aarch64"]],
];

test.for(WAYS)("every half is widened to its float: %s %j %j", ([compiler, flags, runner], { skip }) => {
  for (const needed of [compiler, ...runner]) if (!has(needed)) skip(`there is no ${needed}`);
  const folder = mkdtempSync(join(tmpdir(), "hone-halves-"));
  try {
    const [source, binary] = [join(folder, "halves.c"), join(folder, "halves")];
    writeFileSync(source, program());
    execFileSync(compiler, ["-std=gnu11", "-O2", "-w", ...flags, source, "-o", binary, "-lm"]);
    const [command, ...rest] = [...runner, binary] as const;
    const { stdout, signal } = spawnSync(command, rest, { encoding: "utf8" });
    if (signal === "SIGILL") skip("the CPU lacks the instructions");
    expect(stdout).toBe("0");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
