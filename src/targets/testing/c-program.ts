/** C programs that check what the printer's helpers do, compiled in several ways. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A compiler, its flags, and what runs its programs when this machine does not. */
export type Way = readonly [compiler: string, flags: readonly string[], runner: readonly string[]];

/** With the compilers' defaults, with flags of x86 on such a machine, and for ARM under emulation. */
export const waysWith = (x64: readonly (readonly [compiler: string, flags: readonly string[]])[]): readonly Way[] => [
  ...["cc", "gcc", "clang"].map((compiler): Way => [compiler, [], []]),
  ...(process.arch === "x64" ? x64.map(([compiler, flags]): Way => [compiler, flags, []]) : []),
  ["aarch64-linux-gnu-gcc", ["-static"], ["qemu-aarch64"]],
];

const has = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;

/** What the program prints. Calls `skip`, which throws, when a command or an instruction is missing. */
export function runProgram(text: string, [compiler, flags, runner]: Way, skip: (why: string) => never): string {
  for (const needed of [compiler, ...runner]) if (!has(needed)) skip(`there is no ${needed}`);
  const folder = mkdtempSync(join(tmpdir(), "hone-program-"));
  try {
    const [source, binary] = [join(folder, "program.c"), join(folder, "program")];
    writeFileSync(source, text);
    execFileSync(compiler, ["-std=gnu11", "-O2", "-w", "-Wno-psabi", ...flags, source, "-o", binary, "-lm"]);
    const [command, ...rest] = [...runner, binary] as const;
    const { stdout, signal } = spawnSync(command, rest, { encoding: "utf8" });
    if (signal === "SIGILL") skip("the CPU lacks the instructions");
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
