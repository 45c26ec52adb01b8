/** The C files of an engine: one for each distinct kernel, one with the entry points, and the header. */
import type { Func } from "../../loop/types.ts";
import { sha256 } from "../../util/hash.ts";
import { printC } from "./print.ts";
import { memoryType } from "./types.ts";

export interface CFile {
  readonly name: string;
  readonly text: string;
}

/** A pointer of a call, as a C expression's ingredients. */
export type CPointer =
  { readonly from: "input" | "output"; readonly index: number } | { readonly from: "weights" | "arena"; readonly offset: number };

export interface CCall {
  readonly func: Func;
  readonly pointers: readonly CPointer[];
}

/** The calls of one profile. */
export interface CProfile {
  readonly calls: readonly CCall[];
}

export interface CEngine {
  readonly kernels: readonly CFile[];
  readonly entry: CFile;
  readonly header: CFile;
  /** C name of the kernel of each call, by profile. */
  readonly names: readonly (readonly string[])[];
}

function pointerText(p: CPointer, type: string, isConst: boolean): string {
  const cast = `(${isConst ? "const " : ""}${type}*)`;
  switch (p.from) {
    case "input":
      return `${cast}inputs[${p.index}]`;
    case "output":
      return `${cast}outputs[${p.index}]`;
    case "weights":
      return `${cast}(weights + ${p.offset})`;
    case "arena":
      return `${cast}(arena + ${p.offset})`;
  }
}

function prototype(name: string, func: Func): string {
  const params = func.params.map((b) => `${b.access === "read" ? "const " : ""}${memoryType(b.dtype)}*`);
  return `void ${name}(${params.join(", ")});\n`;
}

const signature = (profile: number): string =>
  `int hone_run_${profile}(const uint8_t* weights, uint8_t* arena, const void* const* inputs, void* const* outputs)`;

/** What times each call: nanoseconds since the one before ended go into the elements of one output. */
const CLOCK =
  "#include <time.h>\n\nstatic double now(void) {\n  struct timespec t;\n  clock_gettime(CLOCK_MONOTONIC, &t);\n  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;\n}\n\n";

function runFunction(profile: number, calls: readonly CCall[], names: readonly string[], timings: number | undefined): string {
  const lines = calls.map(({ func, pointers }, i) => {
    const args = func.params.map((b, k) => {
      const p = pointers[k];
      return p ? pointerText(p, memoryType(b.dtype), b.access === "read") : "0";
    });
    const timed = timings === undefined ? "" : `  after = now();\n  times[${i}] = after - before;\n  before = after;\n`;
    return `  ${names[i] ?? ""}(${args.join(", ")});\n${timed}`;
  });
  const clock =
    timings === undefined
      ? ""
      : `  double* times = (double*)outputs[${timings}];\n  double before = now(), after;\n  (void)times; (void)before; (void)after;\n`;
  return `__attribute__((visibility("default"))) ${signature(profile)} {\n  (void)weights; (void)arena; (void)inputs; (void)outputs;\n${clock}${lines.join("")}  return 0;\n}\n\n`;
}

function headerText(profiles: number): string {
  const runs = Array.from({ length: profiles }, (_, i) => `${signature(i)};\n`).join("");
  return (
    "/* An engine made by hone. Every run function returns 0. weights and arena are 64-byte aligned; weights is the engine's\n" +
    "   weights section, arena is scratch memory of the size its manifest gives for the profile; inputs and outputs are\n" +
    "   pointers to dense tensors in the order of the manifest. It allocates nothing and may run in many threads at once. */\n" +
    `#ifndef HONE_ENGINE_H\n#define HONE_ENGINE_H\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n${runs}\n#ifdef __cplusplus\n}\n#endif\n#endif\n`
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
  const runs = profiles.map(({ calls }, i) => runFunction(i, calls, names[i] ?? [], timings));
  return {
    kernels: [...kernels.values()],
    entry: {
      name: "engine.c",
      text: `#include "engine.h"\n${timings === undefined ? "" : CLOCK}\n${[...prototypes.values()].join("")}\n${runs.join("")}`,
    },
    header: { name: "engine.h", text: headerText(profiles.length) },
    names,
  };
}
