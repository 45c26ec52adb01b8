/** Ways to run the kernel. Each either runs a batch or says why it cannot here. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TypedArray } from "../../../src/tensor/dtype.ts";
import { DTYPES } from "../../../src/tensor/dtype.ts";
import { legalize } from "../../../src/loop/legalize/index.ts";
import type { Func } from "../../../src/loop/types.ts";
import { C_CAPABILITIES } from "../../../src/targets/c/capabilities.ts";
import { printC } from "../../../src/targets/c/print.ts";
import { loadWasm } from "../../../src/targets/testing/wasm.ts";
import { Toolchain } from "../../../src/toolchain/toolchain.ts";
import { cpuFeatures } from "../../../src/toolchain/cpu.ts";
import { must } from "../../../src/util/errors.ts";
import { RESULTS, integerKernel } from "./kernel.ts";

export interface Backend {
  readonly run: (batches: readonly (readonly TypedArray[])[]) => void;
  readonly close: () => void;
}

export interface Plan {
  readonly name: string;
  readonly open: () => Promise<Backend>;
}

/** Thrown by `open` for what this machine lacks. */
export class Skip extends Error {}

interface CPlan {
  readonly name: string;
  readonly lanes: number;
  readonly flags: readonly string[];
  readonly cc?: string;
  /** CPU features that running needs; compiling and assembling are always done. */
  readonly needs?: readonly string[];
  /** What runs programs of another machine. */
  readonly emulator?: readonly string[];
  /** An instruction that must be in the assembly. */
  readonly instruction?: string;
}

const INTEGER_FLAGS = ["-O3", "-std=gnu11", "-ffp-contract=off"];

const C_PLANS: readonly CPlan[] = [
  { name: "C, AVX2", lanes: 8, flags: ["-mavx2", "-mfma"], needs: ["avx2", "fma"] },
  {
    name: "C, AVX-512-VNNI",
    lanes: 16,
    flags: ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mfma"],
    needs: ["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"],
    instruction: "vpdpbusd",
  },
  { name: "C, SSE2", lanes: 4, flags: ["-msse2"] },
  {
    name: "C, NEON under qemu-aarch64",
    lanes: 4,
    flags: ["-march=armv8-a"],
    cc: "aarch64-linux-gnu-gcc",
    emulator: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
  },
];

/** Runs the kernel on batches from a file until it ends. */
function driver(f: Func): string {
  const bytes = f.params.map((p) => p.length * DTYPES[p.dtype].bytes);
  const inputs = f.params.length - RESULTS;
  const declare = bytes.map((n, i) => `static unsigned char b${i}[${n}] __attribute__((aligned(64)));\n`).join("");
  const reads = bytes.slice(0, inputs).map((n, i) => `fread(b${i}, 1, ${n}, in) == ${n}`);
  const writes = bytes.slice(inputs).map((n, i) => `fwrite(b${i + inputs}, 1, ${n}, out);`);
  return `#include <stdio.h>
void ${f.name}(${f.params.map(() => "void*").join(", ")});
${declare}int main(int argc, char** argv) {
  FILE* in = fopen(argv[1], "rb");
  FILE* out = argc > 2 ? fopen(argv[2], "wb") : 0;
  if (!in || !out) return 1;
  while (${reads.join(" && ")}) { ${f.name}(${bytes.map((_, i) => `b${i}`).join(", ")}); ${writes.join(" ")} }
  return fclose(out);
}
`;
}

function lacking(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return true;
  }
}

/** Throws Skip for a program that is not installed, or a machine that is another. */
function mustHave(plan: CPlan): void {
  const [emulator] = plan.emulator ?? [];
  if (plan.cc && lacking(plan.cc)) throw new Skip(`${plan.cc} is not installed (Debian: apt-get install gcc-aarch64-linux-gnu)`);
  if (emulator && lacking(emulator)) throw new Skip(`${emulator} is not installed (Debian: apt-get install qemu-user)`);
  if (plan.cc) return;
  if (process.arch !== "x64") throw new Skip(`this machine is ${process.arch}`);
  if (lacking("cc")) throw new Skip("there is no C compiler");
}

/** The path of the linked program; its assembly has been looked at. */
async function compile(plan: CPlan, toolchain: Toolchain, f: Func): Promise<string> {
  const exported = `__attribute__((visibility("default"))) void ${f.name}(`;
  const sources = [
    { name: "kernel.c", text: printC([legalize(f, C_CAPABILITIES)]).replace(`void ${f.name}(`, exported) },
    { name: "main.c", text: driver(f) },
  ];
  const flags = [...INTEGER_FLAGS, ...plan.flags];
  const { outputs, all } = await toolchain.build({ name: "integer", sources, emit: "exe", flags, linkFlags: ["-lm"] });
  const assembly = must(
    all.find((a) => a.stage === "s" && a.name === "kernel"),
    "assembly of the kernel",
  );
  if (plan.instruction && !readFileSync(assembly.path, "utf8").includes(plan.instruction))
    throw new Error(`${plan.name}: no ${plan.instruction} in the assembly`);
  return must(outputs[0], "a linked program").path;
}

async function openC(plan: CPlan): Promise<Backend> {
  mustHave(plan);
  const toolchain = await Toolchain.open(plan.cc ? { cc: plan.cc } : {});
  const program = await compile(plan, toolchain, integerKernel(plan.lanes));
  const features = plan.needs ? await cpuFeatures(toolchain) : [];
  const missing = (plan.needs ?? []).filter((n) => !features.includes(n));
  if (missing.length > 0) throw new Skip(`compiled and assembled, but this CPU lacks ${missing.join(", ")}`);
  const command = [...(plan.emulator ?? []), program];
  const folder = mkdtempSync(join(tmpdir(), "hone-bet3-"));
  return { run: (batches) => runProgram(command, folder, batches), close: () => rmSync(folder, { recursive: true }) };
}

function runProgram(command: readonly string[], folder: string, batches: readonly (readonly TypedArray[])[]): void {
  const [input, output] = [join(folder, "in"), join(folder, "out")];
  const bytes = (a: TypedArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  writeFileSync(input, Buffer.concat(batches.flatMap((args) => args.slice(0, -RESULTS).map(bytes))));
  const [program = "", ...argv] = command;
  execFileSync(program, [...argv, input, output]);
  const data = readFileSync(output);
  let at = 0;
  for (const result of batches.flatMap((args) => args.slice(-RESULTS))) {
    bytes(result).set(data.subarray(at, at + result.byteLength));
    at += result.byteLength;
  }
}

function openWasm(lanes: number): Backend {
  const f = integerKernel(lanes);
  const loaded = loadWasm([f]);
  return { run: (batches) => batches.forEach((args) => loaded.call(f.name, args)), close: () => undefined };
}

export const PLANS: readonly Plan[] = [
  { name: "WebAssembly, 4 lanes", open: () => Promise.resolve(openWasm(4)) },
  { name: "WebAssembly, 16 lanes split", open: () => Promise.resolve(openWasm(16)) },
  ...C_PLANS.map((p) => ({ name: p.name, open: () => openC(p) })),
];
