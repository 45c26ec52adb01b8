/**
 * Bet 1: one structured compute, one builder, two printers. Prints what share of the fp32 peak the C of each convolution reaches:
 * the median of rounds in which the peak is measured before and after, as clocks drift, and the best tenth of them, since on a
 * shared core another guest halves what the front end takes in; and what share of its register tile's ceiling the WebAssembly
 * reaches. `npm run bench:bet1 [-- --json]`
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { compileGraph } from "../../src/compiler/compile.ts";
import { kernelFlags } from "../../src/compiler/node/native.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import type { Func } from "../../src/loop/types.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
import { chooseMachine } from "../../src/targets/c/machines.ts";
import { printC } from "../../src/targets/c/print.ts";
import { cpuFeatures } from "../../src/toolchain/cpu.ts";
import { Toolchain } from "../../src/toolchain/toolchain.ts";
import { wasmRows } from "./bet1-wasm.ts";
import { CASES, type BenchCase } from "./cases.ts";
import { peakKernel } from "../../src/workflow/bench-peak.ts";

interface Row {
  readonly name: string;
  readonly target: "c" | "wasm";
  readonly gflops: number;
  readonly peak: number;
  readonly share: number;
  /** The share that the best tenth of the rounds reaches: what is left when the host's other guests are quiet. */
  readonly undisturbed?: number;
  readonly bar: number;
}

/** The kernels of the layers under test: those with constant, packed weights that the case counts. */
function kernelsOf(c: BenchCase, machine: { readonly lanes: number; readonly registers: number }): readonly Func[] {
  const [program] = compileGraph(c.graph, { machine }).programs;
  const tested = (program?.calls ?? []).filter(({ kernel }) => kernel.nodes.some((n) => c.layers.includes(n.name)));
  return tested.map(({ func }, i) => legalize({ ...func, name: `kernel${i}` }, C_CAPABILITIES));
}

/** A C program that times the kernels between two runs of the peak, in CPU time, and prints nanoseconds of both. */
function program(kernels: readonly Func[], peak: Func): string {
  const buffers = (f: Func, at: number): string => f.params.map((p, i) => `float *p${at}_${i} = fill(${p.length + 64});`).join(" ");
  const call = (f: Func, at: number): string => `${f.name}(${f.params.map((_, i) => `p${at}_${i}`).join(", ")});`;
  const prototypes = [...kernels, peak].map((f) => `void ${f.name}(${f.params.map(() => "float *").join(", ")});\n`).join("");
  return `${prototypes}
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static float *fill(long n) { float *p = aligned_alloc(64, (size_t)((n * 4 + 63) / 64 * 64)); for (long i = 0; i < n; i++) p[i] = (float)(i % 17) * 0.01f - 0.08f; return p; }
int main(void) {
  ${[...kernels, peak].map(buffers).join("\n  ")}
  for (int r = 0; r < 100; r++) {
    double a = now(); ${call(peak, kernels.length)} a = now() - a;
    double t = now(); ${kernels.map(call).join(" ")} t = now() - t;
    double b = now(); ${call(peak, kernels.length)} b = now() - b;
    printf("%.1f %.1f\\n", t, (a + b) / 2);
  }
  return 0;
}
`;
}

async function measure(c: BenchCase, tools: Toolchain): Promise<Row> {
  const machine = chooseMachine(process.arch, await cpuFeatures(tools));
  const kernels = kernelsOf(c, machine);
  const peak = peakKernel(machine);
  const built = await tools.build({
    name: "bet1",
    sources: [
      { name: "kernels.c", text: printC([...kernels, peak.func]) },
      { name: "main.c", text: program(kernels, peak.func) },
    ],
    emit: "exe",
    flags: [...kernelFlags(tools.compiler.family), ...machine.flags],
    linkFlags: ["-lm"],
  });
  const { stdout } = await promisify(execFile)(built.outputs[0]?.path ?? "", []);
  const rounds = stdout
    .trim()
    .split("\n")
    .map((line): Round => {
      const [kernel = NaN, around = NaN] = line.split(" ").map(Number);
      return { gflops: (2 * c.macs) / kernel, peak: peak.flops / around };
    });
  const shares = rounds.map((r) => r.gflops / r.peak).sort((x, y) => x - y);
  const share = median(shares);
  return {
    name: c.name,
    target: "c",
    gflops: median(rounds.map((r) => r.gflops)),
    peak: median(rounds.map((r) => r.peak)),
    share,
    undisturbed: shares[Math.floor(shares.length * 0.9)] ?? NaN,
    bar: c.bar,
  };
}

interface Round {
  readonly gflops: number;
  readonly peak: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const tools = await Toolchain.open();
const rows: Row[] = [];
for (const c of CASES) rows.push(await measure(c, tools));
for (const { ceiling, ...row } of wasmRows()) rows.push({ ...row, target: "wasm", peak: ceiling });
if (process.argv.includes("--json"))
  process.stdout.write(`${JSON.stringify({ version: 1, compiler: tools.compiler.identity.split("\n")[0], rows })}\n`);
else
  for (const r of rows)
    process.stdout.write(
      `${r.target.padEnd(5)} ${r.name.padEnd(40)} ${r.gflops.toFixed(1).padStart(7)} GFLOP/s  ${(100 * r.share).toFixed(1).padStart(5)}% of ${r.peak.toFixed(1)}  ${r.undisturbed === undefined ? "" : `best tenth ${(100 * r.undisturbed).toFixed(1)}%  `}bar ${(100 * r.bar).toFixed(0)}%\n`,
    );
process.exitCode = rows.every((r) => r.share >= r.bar) ? 0 : 3;
