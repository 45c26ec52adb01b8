/**
 * Bet 3 on an emulated CPU: dot4 and requantisation with AVX-512-VNNI, for machines whose CPU has none. Builds the disk of a PC with
 * the bet's own kernels, its cases and the interpreter's results, and runs it in Bochs, which emulates every instruction.
 *
 *     apt-get install bochs bochsbios vgabios bochs-term gcc
 *     npx tsx scripts/bets/vnni-emulated.ts [--cases 1000000] [--out out/vnni]
 *
 * Without Bochs the disk and Bochs' settings are written all the same; `cd out/vnni && bochs -q -f bochsrc -rc go` runs them, and what
 * the PC says comes to out/vnni/serial.txt.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { kernelFlags } from "../../src/compiler/node/native.ts";
import { interpret } from "../../src/loop/interpret/interpret.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import type { Func } from "../../src/loop/types.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
import { C_MACHINES } from "../../src/targets/c/machines.ts";
import { printC } from "../../src/targets/c/print.ts";
import { DTYPES } from "../../src/tensor/dtype.ts";
import { must } from "../../src/util/errors.ts";
import { BARE, SECTOR, linkPc, restOfDisk, runBochs } from "../emulate/bochs.ts";
import { BATCH, RESULTS, emptyBatch, fillBatch, integerKernel } from "../../test/bets/integer/kernel.ts";

interface Kernel {
  readonly name: string;
  readonly source: string;
  readonly flags: readonly string[];
  /** What `objdump -d` of the kernel must contain. */
  readonly instruction: RegExp;
  /** A wrong kernel, of which some cases must be found unequal. */
  readonly control: boolean;
}

const REGISTERS: Readonly<Record<number, string>> = { 4: "xmm", 8: "ymm", 16: "zmm" };
const reference = integerKernel(1);
const bytesOf = (p: Func["params"][number]): number => p.length * DTYPES[p.dtype].bytes;
const upTo = (n: number): number => reference.params.slice(0, n).reduce((sum, p) => sum + bytesOf(p), 0);
const INPUTS = reference.params.length - RESULTS;
const INPUT_BYTES = upTo(INPUTS);
const RECORD_BYTES = upTo(reference.params.length);
const RECORD_SECTORS = Math.ceil(RECORD_BYTES / SECTOR);

/** The kernel as hone prints it. */
const printed = (lanes: number, name: string): string => printC([legalize({ ...integerKernel(lanes), name }, C_CAPABILITIES)]);

/** The dot product by vpmaddubsw, whose sums of two products saturate at 16 bits: what dot4 must not be. */
function saturating(name: string): string {
  const asm = '__asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(s)); return acc;';
  const pairs = "_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)u, (__m512i)s), _mm512_set1_epi16(1))";
  const source = printed(16, name);
  if (!source.includes(asm)) throw new Error("the printer's dot4 is not the one that this script replaces");
  return `#include <immintrin.h>\n${source.replace(asm, `return acc + (i32x16)${pairs};`)}`;
}

/** Every width, with the flags of the bet's test and with those that engines are built with. */
function kernels(): Kernel[] {
  const machine = must(
    C_MACHINES.find((m) => m.name === "avx512vnni"),
    "the machine avx512vnni",
  );
  const bet = ["-O3", "-std=gnu11", "-ffp-contract=off", ...machine.flags];
  const engine = [...kernelFlags("gcc"), ...machine.flags];
  const honest = Object.entries(REGISTERS).flatMap(([lanes, register]) =>
    Object.entries({ bet, engine }).map(([whose, flags]): Kernel => {
      const name = `${whose}_${register}`;
      return { name, source: printed(Number(lanes), name), flags, instruction: new RegExp(`vpdpbusd .*%${register}`), control: false };
    }),
  );
  const name = "control_saturating";
  return [...honest, { name, source: saturating(name), flags: bet, instruction: /vpmaddubsw .*%zmm/, control: true }];
}

/** What main.c has to know of the records and the kernels. */
function header(list: readonly Kernel[], records: number): string {
  const offsets = reference.params.map((_, i) => upTo(i));
  const results = reference.params.slice(INPUTS);
  const args = offsets.map((at, i) => (i < INPUTS ? `in + ${at}` : `out + ${at - INPUT_BYTES}`)).join(", ");
  const call = (k: Kernel): string =>
    `void ${k.name}(${offsets.map(() => "void*").join(", ")});\n` +
    `static void call_${k.name}(unsigned char* in, unsigned char* out) { ${k.name}(${args}); }\n`;
  return `#define CASES ${BATCH}
#define RECORDS ${records}
#define RECORD_SECTORS ${RECORD_SECTORS}
#define RECORD_BYTES ${RECORD_SECTORS * SECTOR}
#define INPUT_BYTES ${INPUT_BYTES}
#define RESULTS ${RESULTS}
#define RESULT_BYTES ${RECORD_BYTES - INPUT_BYTES}
#define KERNELS ${list.length}
extern char chunks[];
static const int result_offset[] = {${offsets
    .slice(INPUTS)
    .map((at) => at - INPUT_BYTES)
    .join(", ")}};
static const int result_width[] = {${results.map((p) => DTYPES[p.dtype].bytes).join(", ")}};
${list.map(call).join("")}static void (*const call_kernel[])(unsigned char*, unsigned char*) = {${list.map((k) => `call_${k.name}`).join(", ")}};
static const char* const kernel_name[] = {${list.map((k) => `"${k.name}"`).join(", ")}};
`;
}

/** Compiles and links; returns the boot sector and the program behind it. */
function buildProgram(out: string, list: readonly Kernel[], records: number): Buffer {
  const tool = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: out, encoding: "utf8" });
  writeFileSync(join(out, "records.h"), header(list, records));
  for (const k of list) {
    writeFileSync(join(out, `${k.name}.c`), k.source);
    tool("gcc", ...k.flags, ...BARE, "-fhosted", `${k.name}.c`, "-o", `${k.name}.o`);
    const found = tool("objdump", "-d", "--no-show-raw-insn", `${k.name}.o`)
      .split("\n")
      .filter((line) => k.instruction.test(line));
    if (found.length === 0) throw new Error(`${k.name}: no ${k.instruction.source} in its machine code`);
    console.log(
      `${k.name}: ${found.length} × ${must(found[0], "a line")
        .replace(/^.*:\s*/, "")
        .replace(/\s+/, " ")}`,
    );
  }
  return linkPc(
    out,
    "bet",
    list.map((k) => `${k.name}.o`),
  );
}

/** Writes the program, then a record for each batch: the inputs that the bet's test draws, and what the interpreter makes of them. */
function writeDisk(path: string, program: Buffer, records: number): void {
  const disk = openSync(path, "w");
  let size = writeSync(disk, program);
  for (let i = 0; i < records; i++) {
    const args = emptyBatch(reference);
    fillBatch(args, i);
    interpret(reference, args);
    const record = Buffer.alloc(RECORD_SECTORS * SECTOR);
    let at = 0;
    for (const a of args) {
      record.set(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), at);
      at += a.byteLength;
    }
    size += writeSync(disk, record);
  }
  writeSync(disk, restOfDisk(size));
  closeSync(disk);
}

/** Whether every kernel was equal to the interpreter in all cases, and the wrong one was not. */
function judge(said: string, list: readonly Kernel[], cases: number): boolean {
  const lines = new Map([...said.matchAll(/^kernel (\S+) equal (\d+) unequal (\d+)/gm)].map(([, name, ...n]) => [name, n.map(Number)]));
  return list.every((k) => {
    const [equal = 0, unequal = 0] = lines.get(k.name) ?? [];
    return equal + unequal === cases && (k.control ? unequal > 0 : unequal === 0);
  });
}

function main(): void {
  const { values } = parseArgs({
    options: { cases: { type: "string", default: "1000000" }, out: { type: "string", default: "out/vnni" } },
  });
  const out = resolve(values.out);
  const records = Math.ceil(Number(values.cases) / BATCH);
  if (!(records > 0 && records < 2 ** 16)) throw new Error(`--cases ${values.cases}: give a number from 1 to 10^8`);
  mkdirSync(out, { recursive: true });
  const list = kernels();
  const program = buildProgram(out, list, records);
  console.log(`${records} records of ${BATCH} cases, ${records * BATCH} in all, are being interpreted ...`);
  writeDisk(join(out, "disk.img"), program, records);
  const began = Date.now();
  const said = runBochs(out, 64);
  const good = judge(said, list, records * BATCH);
  const verdict = good ? "as it should be" : `FAILED: see ${join(out, "bochs.txt")}`;
  console.log(`${said}${verdict}; ${((Date.now() - began) / 1000).toFixed(0)} s in Bochs`);
  process.exitCode = good ? 0 : 1;
}

main();
