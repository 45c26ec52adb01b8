import { readFile } from "node:fs/promises";
import { buildHost } from "./host.ts";
import type { Toolchain } from "./toolchain.ts";

/** What /proc/cpuinfo calls the features that hone names otherwise. */
const PROC_NAMES: Readonly<Record<string, string>> = {
  sse4_1: "sse4.1",
  sse4_2: "sse4.2",
  avx512_vnni: "avx512vnni",
  avx512_bf16: "avx512bf16",
  avx512_fp16: "avx512fp16",
  avx_vnni: "avxvnni",
  amx_tile: "amx-tile",
  amx_int8: "amx-int8",
  amx_bf16: "amx-bf16",
  asimd: "neon",
  asimdhp: "fp16",
  asimddp: "dotprod",
};

/**
 * Names of the SIMD features that this machine's CPU has and the system enables: avx2, fma, avx512f, avx512vnni, neon, dotprod, …
 * host.node asks the CPU; where it cannot be built or loaded, /proc/cpuinfo answers, and without that the list is empty.
 */
export async function cpuFeatures(toolchain?: Toolchain): Promise<readonly string[]> {
  try {
    const { path } = await buildHost(toolchain);
    const host: { exports: unknown } = { exports: {} };
    process.dlopen(host, path);
    if (hasFeatures(host.exports)) return host.exports.features();
  } catch {
    // A machine without a compiler, a cross compiler, or a folder that may not hold code: the system's own list serves.
  }
  return procFeatures(await readFile("/proc/cpuinfo", "utf8").catch(() => ""));
}

/** The same from the text of /proc/cpuinfo. */
export function procFeatures(cpuinfo: string): string[] {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "";
  return line.split(/\s+/).flatMap((name) => (name === "" ? [] : [PROC_NAMES[name] ?? name]));
}

function hasFeatures(host: unknown): host is { features(): string[] } {
  return typeof host === "object" && host !== null && "features" in host && typeof host.features === "function";
}
