/** One profile of a model as C for one machine, and the ways to run it that need no such machine. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compileGraph, type RewriteFor } from "../../src/compiler/compile.ts";
import { kernelFlags } from "../../src/compiler/node/native.ts";
import type { Program } from "../../src/compiler/program.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
import { printEngine, type CEngine } from "../../src/targets/c/engine.ts";
import type { CMachine } from "../../src/targets/c/machines.ts";
import { DTYPES, type DType } from "../../src/tensor/dtype.ts";
import { elementCount } from "../../src/tensor/tensor.ts";
import { Toolchain } from "../../src/toolchain/toolchain.ts";
import { must } from "../../src/util/errors.ts";
import { sha256 } from "../../src/util/hash.ts";
import { BARE, SECTOR, linkPc, restOfDisk, runBochs } from "./bochs.ts";

const PROGRAM = "program.elf";

export interface Engine {
  readonly c: CEngine;
  readonly program: Program;
  readonly weights: Uint8Array;
  readonly machine: CMachine;
  /** Bytes of each. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** Compiles for `machine`; `rewrite` is told the machine that `plan` names. Threads are left out: one thread runs it. */
export function engineFor(graph: Graph, machine: CMachine, rewrite: RewriteFor | undefined, plan: string): Engine {
  const options = { machine, machineName: plan, ...(rewrite ? { rewrite } : {}) };
  const { programs, weights } = compileGraph(graph, options, sha256);
  const program = must(programs[0], "a program");
  const calls = program.calls.map((c) => ({ func: legalize(c.func, C_CAPABILITIES), pointers: c.pointers }));
  const sizes = (values: readonly { readonly dtype: DType }[], shapes: readonly (readonly number[])[]): number[] =>
    values.map((v, i) => elementCount(shapes[i] ?? []) * DTYPES[v.dtype].bytes);
  return {
    c: printEngine([{ calls, steps: program.steps }]),
    program,
    weights,
    machine,
    inputs: sizes(program.graph.inputs, program.inputs),
    outputs: sizes(program.graph.outputs, program.outputs),
  };
}

/** Reads weights and inputs from the first file, writes outputs to the second. */
function driver({ weights, program, inputs, outputs }: Engine): string {
  const block = (name: string, bytes: number): string =>
    `  unsigned char* ${name} = aligned_alloc(64, ${Math.ceil(bytes / 64) * 64 + 64});\n`;
  const names = (prefix: string, sizes: readonly number[]): string => sizes.map((_, i) => `${prefix}${i}`).join(", ");
  const reads = [["weights", weights.length] as const, ...inputs.map((bytes, i) => [`in${i}`, bytes] as const)];
  return `#include "engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char** argv) {
  FILE* from = fopen(argv[1], "rb");
  FILE* to = argc > 2 ? fopen(argv[2], "wb") : 0;
  if (!from || !to) return 2;
${block("weights", weights.length)}${block("arena", program.arenaBytes)}  memset(arena, 255, ${program.arenaBytes});
${inputs.map((bytes, i) => block(`in${i}`, bytes)).join("")}${outputs.map((bytes, i) => block(`out${i}`, bytes)).join("")}${reads
    .map(([name, bytes]) => `  if (fread(${name}, 1, ${bytes}, from) != ${bytes}) return 3;\n`)
    .join("")}  const void* const inputs[] = {${names("in", inputs)}};
  void* const outputs[] = {${names("out", outputs)}};
  if (hone_run_0(weights, arena, inputs, outputs) != 0) return 4;
${outputs.map((bytes, i) => `  fwrite(out${i}, 1, ${bytes}, to);\n`).join("")}  return fclose(to);
}
`;
}

/** Splits what a program wrote into outputs. */
function split(bytes: Uint8Array, sizes: readonly number[], step = 1): Uint8Array[] {
  let at = 0;
  return sizes.map((size) => {
    const part = bytes.subarray(at, at + size);
    at += Math.ceil(size / step) * step;
    return part;
  });
}

/** Runs it as a program, by `emulator` or directly. Throws when a compiler or the program fails. */
export async function runProgram(
  engine: Engine,
  feeds: readonly Uint8Array[],
  out: string,
  by: { readonly cc?: string; readonly emulator: readonly string[] },
): Promise<Uint8Array[]> {
  const tools = await Toolchain.open(by.cc === undefined ? {} : { cc: by.cc });
  const { c, machine } = engine;
  const built = await tools.build({
    name: "emulated",
    sources: [...c.kernels, c.entry, { name: "main.c", text: driver(engine) }],
    headers: [c.header],
    emit: "exe",
    flags: [...kernelFlags(tools.compiler.family), ...machine.flags],
    linkFlags: ["-lm"],
  });
  mkdirSync(out, { recursive: true });
  const [given, got] = [join(out, "in.bin"), join(out, "out.bin")];
  writeFileSync(given, Buffer.concat([engine.weights, ...feeds]));
  const program = join(out, PROGRAM);
  copyFileSync(must(built.outputs[0], "a program").path, program);
  const line = [...by.emulator, program, given, got];
  execFileSync(must(line[0], "a command"), line.slice(1), { maxBuffer: 1 << 26 });
  return split(readFileSync(got), engine.outputs);
}

const sectors = (bytes: number): number => Math.ceil(bytes / SECTOR);

/** Where everything lies in the PC's memory, from 64 MiB on. */
function layout({ weights, program, inputs, outputs }: Engine): { readonly header: string; readonly end: number } {
  let at = 64 << 20;
  const place = (bytes: number): number => {
    const here = at;
    at += sectors(bytes) * SECTOR;
    return here;
  };
  const weightsAt = place(weights.length);
  const ins = inputs.map(place);
  const read = at - weightsAt;
  const written = at;
  const outs = outputs.map(place);
  const writtenBytes = at - written;
  // Apart from what is compared, by a page: a kernel that leaves its memory is seen.
  at += 4096;
  const arena = place(program.arenaBytes);
  const header = `#define WEIGHTS ${weightsAt}ul
#define READ_SECTORS ${sectors(read)}
#define INPUTS ${ins.map((a) => `(void*)${a}ul`).join(", ")}
#define OUTPUTS ${outs.map((a) => `(void*)${a}ul`).join(", ")}
#define WRITTEN ${written}ul
#define WRITTEN_SECTORS ${sectors(writtenBytes)}
#define ARENA ${arena}ul
#define ARENA_BYTES ${program.arenaBytes}ul
`;
  return { header, end: at };
}

/** Runs it in Bochs. Throws when a tool fails, or the PC did not come to its end. */
export async function runPc(engine: Engine, feeds: readonly Uint8Array[], out: string): Promise<Uint8Array[]> {
  const { c, machine } = engine;
  mkdirSync(out, { recursive: true });
  const tools = await Toolchain.open({ cc: "gcc" });
  const built = await tools.build({
    name: "emulated",
    sources: [...c.kernels, c.entry],
    headers: [c.header],
    emit: "o",
    flags: [...kernelFlags(tools.compiler.family), ...machine.flags, ...BARE.filter((f) => f !== "-c" && f !== "-ffreestanding")],
  });
  const objects = built.outputs.map((o, i) => {
    copyFileSync(o.path, join(out, `k${i}.o`));
    return `k${i}.o`;
  });
  const { header, end } = layout(engine);
  writeFileSync(join(out, "layout.h"), header);
  const program = linkPc(out, "engine", objects);
  const written = engine.outputs.reduce((sum, bytes) => sum + sectors(bytes) * SECTOR, 0);
  const parts = [
    program,
    ...[engine.weights, ...feeds].flatMap((b) => [b, Buffer.alloc(sectors(b.length) * SECTOR - b.length)]),
    Buffer.alloc(written),
  ];
  const disk = openSync(join(out, "disk.img"), "w");
  const size = parts.reduce((sum, part) => sum + writeSync(disk, part), 0);
  writeSync(disk, restOfDisk(size));
  closeSync(disk);
  const said = runBochs(out, Math.ceil(end / (1 << 20)) + 16);
  if (!said.includes("engine answered 0\n")) throw new Error(`the PC said: ${said}; see ${join(out, "bochs.txt")}`);
  return split(readFileSync(join(out, "disk.img")).subarray(size - written, size), engine.outputs, SECTOR);
}

/** Whether the program that was run holds an instruction; `tools` begins the disassembler's name. */
export const contains = (out: string, instruction: RegExp, tools: string): boolean =>
  instruction.test(
    spawnSync(`${tools}objdump`, ["-d", "--no-show-raw-insn", join(out, PROGRAM)], { encoding: "utf8", maxBuffer: 1 << 28 }).stdout,
  );
