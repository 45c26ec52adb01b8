/** The C files of an engine: one for each distinct kernel, one with the entry points, and the header. */
import type { LoopStep, Pointer, Step } from "../../loop/program.ts";
import type { Func } from "../../loop/types.ts";
import { invariant, must } from "../../util/errors.ts";
import { sha256 } from "../../util/hash.ts";
import { printC } from "./print.ts";
import { memoryType } from "./types.ts";

export interface CFile {
  readonly name: string;
  readonly text: string;
}

export interface CCall {
  readonly func: Func;
  readonly pointers: readonly Pointer[];
}

/** The program of one profile. */
export interface CProfile {
  readonly calls: readonly CCall[];
  readonly steps: readonly Step[];
}

export interface CEngine {
  readonly kernels: readonly CFile[];
  readonly entry: CFile;
  readonly header: CFile;
  /** C name of the kernel of each call, by profile. */
  readonly names: readonly (readonly string[])[];
}

function pointerText(p: Pointer, type: string, isConst: boolean): string {
  const cast = `(${isConst ? "const " : ""}${type}*)`;
  switch (p.from) {
    case "input":
      return `${cast}inputs[${p.index}]`;
    case "output":
      return `${cast}outputs[${p.index}]`;
    case "weights":
      return `${cast}(weights + ${p.offset})`;
    case "arena":
      return `${cast}(arena + ${p.offset}${p.apart === undefined ? "" : ` + team->part * ${p.apart}`})`;
  }
}

function prototype(name: string, func: Func): string {
  const params = func.params.map((b) => `${b.access === "read" ? "const " : ""}${memoryType(b.dtype)}*`);
  return `void ${name}(${[...params, ...(func.share ? ["ptrdiff_t", "ptrdiff_t"] : [])].join(", ")});\n`;
}

const signature = (profile: number): string =>
  `int hone_run_${profile}(const uint8_t* weights, uint8_t* arena, const void* const* inputs, void* const* outputs)`;

const partSignature = (profile: number): string =>
  `int hone_part_${profile}(const uint8_t* weights, uint8_t* arena, const void* const* inputs, void* const* outputs, const struct hone_team* team)`;

/** What times each call: nanoseconds since the one before ended go into the elements of one output. */
const CLOCK =
  "#include <time.h>\n\nstatic double now(void) {\n  struct timespec t;\n  clock_gettime(CLOCK_MONOTONIC, &t);\n  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;\n}\n\n";

/** The C name of each call, and whether it is timed. */
interface Body {
  readonly calls: readonly CCall[];
  readonly names: readonly string[];
  readonly timed: boolean;
}

function callText({ calls, names, timed }: Body, call: number, pad: string): string {
  const { func, pointers } = must(calls[call], "call");
  const args = func.params.map((b, k) => {
    const p = pointers[k];
    return p ? pointerText(p, memoryType(b.dtype), b.access === "read") : "0";
  });
  const shared = func.share ? ["team->part", "team->parts"] : [];
  const clock = timed ? `${pad}after = now();\n${pad}times[${call}] += after - before;\n${pad}before = after;\n` : "";
  return `${pad}${names[call] ?? ""}(${[...args, ...shared].join(", ")});\n${clock}`;
}

const scalarText = (p: Pointer, type: string): string => `*${pointerText(p, type, true)}`;

/** Steps as C; `depth` of loops around them names their counters. */
function stepsText(steps: readonly Step[], body: Body, pad: string, depth: number): string {
  return steps
    .map((s) => {
      if (s.kind === "call") return callText(body, s.call, pad);
      if (s.kind === "loop") return loopText(s, body, pad, depth);
      const otherwise = s.otherwise.length > 0 ? ` else {\n${stepsText(s.otherwise, body, `${pad}  `, depth)}${pad}}` : "";
      return `${pad}if (${scalarText(s.cond, "uint8_t")}) {\n${stepsText(s.then, body, `${pad}  `, depth)}${pad}}${otherwise}\n`;
    })
    .join("");
}

function loopText(s: LoopStep, body: Body, pad: string, depth: number): string {
  const [i, n, go] = [`i${depth}`, `n${depth}`, `go${depth}`];
  const trips = s.tripsAt === undefined ? String(s.trips ?? s.limit + 1) : scalarText(s.tripsAt, "int64_t");
  const cond = s.cond === undefined ? "1" : `${scalarText(s.cond, "uint8_t")} != 0`;
  const limit = s.trips === undefined ? `${pad}  if (${i} == ${s.limit}) return ${LOOP_LIMIT_RESULT};\n` : "";
  const next = s.next === undefined ? "" : `${pad}  ${go} = ${scalarText(s.next, "uint8_t")} != 0;\n`;
  return (
    `${pad}for (int64_t ${i} = 0, ${n} = ${trips}, ${go} = ${cond}; ${go} && ${i} < ${n}; ${i}++) {\n${limit}` +
    `${pad}  *${pointerText(s.counter, "int64_t", false)} = ${i};\n${stepsText(s.body, body, `${pad}  `, depth + 1)}${next}${pad}}\n`
  );
}

/** The statements of a program, which have `weights`, `arena`, `inputs` and `outputs`. */
export const programText = ({ calls, steps }: CProfile, names: readonly string[]): string =>
  stepsText(steps, { calls, names, timed: false }, "  ", 0);

/** What a run answers when a loop did not end. */
export const LOOP_LIMIT_RESULT = 1;

const isShared = ({ calls }: CProfile): boolean => calls.some((c) => c.func.share);

const MEET = "  if (team->parts > 1) team->meet(team->context);\n";

/** The calls of a program without control flow: threads share some, the first thread runs the others. */
function sharedText({ calls, steps }: CProfile, names: readonly string[]): string {
  const body = { calls, names, timed: false };
  const isAlone = (s: Step | undefined): boolean => s?.kind === "call" && calls[s.call]?.func.share === undefined;
  const lines = steps.map((s, i) => {
    invariant(s.kind === "call", "a shared program is a list of calls");
    const next = steps[i + 1];
    const meet = next ? MEET : "";
    if (!isAlone(s)) return callText(body, s.call, "  ") + meet;
    const begin = isAlone(steps[i - 1]) ? "" : "  if (team->part == 0) {\n";
    return begin + callText(body, s.call, "    ") + (isAlone(next) ? "" : `  }\n${meet}`);
  });
  return lines.join("");
}

/** What one of several threads runs, and what one thread runs alone. */
function partFunction(profile: number, program: CProfile, names: readonly string[]): string {
  const alone = `  static const struct hone_team alone = {0, 1, 0, 0};\n  return hone_part_${profile}(weights, arena, inputs, outputs, &alone);\n`;
  return (
    `${VISIBLE} ${partSignature(profile)} {\n  (void)weights; (void)arena; (void)inputs; (void)outputs;\n${sharedText(program, names)}  return 0;\n}\n\n` +
    `${VISIBLE} ${signature(profile)} {\n${alone}}\n\n`
  );
}

const VISIBLE = '__attribute__((visibility("default")))';

function runFunction(profile: number, program: CProfile, names: readonly string[], timings: number | undefined): string {
  if (isShared(program)) return partFunction(profile, program, names);
  const { calls, steps } = program;
  const text = stepsText(steps, { calls, names, timed: timings !== undefined }, "  ", 0);
  const clock =
    timings === undefined
      ? ""
      : `  double* times = (double*)outputs[${timings}];\n  for (int i = 0; i < ${calls.length}; i++) times[i] = 0;\n` +
        `  double before = now(), after;\n  (void)times; (void)before; (void)after;\n`;
  return `${VISIBLE} ${signature(profile)} {\n  (void)weights; (void)arena; (void)inputs; (void)outputs;\n${clock}${text}  return 0;\n}\n\n`;
}

/** What an engine that threads can share adds to its header. */
const TEAM =
  "/* One of `parts` threads that run hone_part together, each with its number from 0 on, all with the same other arguments.\n" +
  "   meet(context) returns when all of them have called it. Each thread after the first needs as many more bytes of arena,\n" +
  "   behind the others', as the manifest says (scratchBytes). hone_run is hone_part by one thread. */\n" +
  "struct hone_team {\n  ptrdiff_t part, parts;\n  void (*meet)(void* context);\n  void* context;\n};\n\n";

function headerText(profiles: readonly CProfile[]): string {
  const runs = profiles.map((p, i) => `${signature(i)};\n${isShared(p) ? `${partSignature(i)};\n` : ""}`).join("");
  const team = profiles.some(isShared) ? TEAM : "";
  return (
    "/* An engine made by hone. A run function returns 0, or 1 when a loop of the model did not end. weights and arena are 64-byte aligned; weights is the engine's\n" +
    "   weights section, arena is scratch memory of the size its manifest gives for the profile; inputs and outputs are\n" +
    "   pointers to dense tensors in the order of the manifest. It allocates nothing and may run in many threads at once. */\n" +
    `#ifndef HONE_ENGINE_H\n#define HONE_ENGINE_H\n#include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n${team}${runs}\n#ifdef __cplusplus\n}\n#endif\n#endif\n`
  );
}

export interface EngineOptions {
  /** Number of an output, one float64 for each call: nanoseconds that the call took. */
  readonly timings?: number;
}

/** Prints an engine. Kernels whose text is the same are printed once, whatever layers or profiles they serve. */
export function printEngine(profiles: readonly CProfile[], { timings }: EngineOptions = {}): CEngine {
  const kernels = new Map<string, CFile>();
  const prototypes = new Map<string, string>();
  const names = profiles.map(({ calls }) =>
    calls.map(({ func }) => {
      const anonymous = printC([{ ...func, name: "KERNEL" }]);
      const name = `k_${sha256(new TextEncoder().encode(anonymous)).slice(0, 16)}`;
      if (!kernels.has(name)) {
        kernels.set(name, { name: `${name}.c`, text: anonymous.replace("void KERNEL(", `void ${name}(`) });
        prototypes.set(name, prototype(name, func));
      }
      return name;
    }),
  );
  const runs = profiles.map((p, i) => runFunction(i, p, names[i] ?? [], timings));
  return {
    kernels: [...kernels.values()],
    entry: {
      name: "engine.c",
      text: `#include "engine.h"\n${timings === undefined ? "" : CLOCK}\n${[...prototypes.values()].join("")}\n${runs.join("")}`,
    },
    header: { name: "engine.h", text: headerText(profiles) },
    names,
  };
}
