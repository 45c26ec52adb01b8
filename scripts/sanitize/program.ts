/**
 * The C program that runs an engine's kernels under a checker: as they are called in an engine, then each with only its own memory in sight, then
 * shared by threads where they can be.
 */
import type { Program } from "../../src/compiler/program.ts";
import type { Pointer } from "../../src/loop/program.ts";
import { printEngine, type CCall, type CEngine } from "../../src/targets/c/engine.ts";
import { memoryType } from "../../src/targets/c/types.ts";
import { DTYPES, type DType } from "../../src/tensor/dtype.ts";

export interface CheckedProgram {
  readonly engine: CEngine;
  readonly main: string;
}

/** How each checker hides memory: poison of AddressSanitizer, or valgrind's requests. */
const HEAD = `#include "engine.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define UNDEFINED(p, n) 0
#else
#include <valgrind/memcheck.h>
#define HIDE(p, n) VALGRIND_MAKE_MEM_NOACCESS(p, n)
#define SHOW(p, n) VALGRIND_MAKE_MEM_DEFINED(p, n)
#define UNDEFINED(p, n) (VALGRIND_CHECK_MEM_IS_DEFINED(p, n) != 0)
#endif

/* Aligned as an element is and no more, as a view into another array may be. */
static void* tight(size_t bytes, size_t element) { return (char*)malloc(bytes + element) + element; }
/* As an engine's manifest promises. */
static void* aligned(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64 + 64); }
static void fill(float* x, size_t n) {
  unsigned s = 1;
  for (size_t i = 0; i < n; i++) { s = s * 1664525u + 1013904223u; x[i] = (float)(s >> 8) / 8388608.0f - 1.0f; }
}
`;

/** Threads of the shared run: shares of three are seldom whole tiles. */
const PARTS = 3;

/** As the host's pool does it, with a barrier of the system's. */
const TEAM = `static pthread_barrier_t gate;
static void meet(void* context) { (void)context; pthread_barrier_wait(&gate); }
static void* part(void* number) {
  struct hone_team team = {(ptrdiff_t)number, ${PARTS}, meet, 0};
  return (void*)(ptrdiff_t)hone_part_0(weights, arena, (const void* const*)in, again, &team);
}
static int by_team(void) {
  pthread_t threads[${PARTS}];
  int failed = pthread_barrier_init(&gate, 0, ${PARTS});
  for (ptrdiff_t i = 0; i < ${PARTS}; i++) failed |= pthread_create(&threads[i], 0, part, (void*)i);
  for (ptrdiff_t i = 0; i < ${PARTS} && !failed; i++) { void* result; failed |= pthread_join(threads[i], &result) || result; }
  return failed;
}`;

const bytesOf = (dtype: DType, dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1) * DTYPES[dtype].bytes;

/** Prints everything for the first profile. The program's arguments: the file of weights. Exit code 3: two runs differ; 4: undefined results. */
export function checkedProgram(program: Program, calls: readonly CCall[], weightsBytes: number): CheckedProgram {
  const engine = printEngine([{ calls, steps: program.steps }]);
  // With branches and loops only the engine itself knows what runs when.
  const straight = program.steps.every((s) => s.kind === "call");
  const shared = calls.some((c) => c.func.share);
  const arenaBytes = program.arenaBytes + (shared ? (PARTS - 1) * program.scratchBytes : 0);
  const { inputs, outputs } = program.graph;
  const sizes = (values: typeof inputs, shapes: readonly (readonly number[])[]): [number, DType][] =>
    values.map((v, i) => [bytesOf(v.dtype, shapes[i] ?? []), v.dtype]);
  const ins = sizes(inputs, program.inputs);
  const outs = sizes(outputs, program.outputs);
  const names = engine.names[0] ?? [];
  const prototypes = new Map(
    calls.map(({ func }, i) => {
      const params = [...func.params.map((b) => `${memoryType(b.dtype)}*`), ...(func.share ? ["ptrdiff_t", "ptrdiff_t"] : [])];
      return [names[i], `void ${names[i] ?? ""}(${params.join(", ")});`];
    }),
  );
  const compared = (how: string, run: readonly string[]): string[] =>
    run.length === 0
      ? []
      : [
          ...outs.map(([bytes], i) => `  memset(again[${i}], 255, ${bytes});`),
          ...run,
          ...outs.map(
            ([bytes], i) => `  if (memcmp(out[${i}], again[${i}], ${bytes}) != 0) { puts("output ${i} differs, ${how}"); return 3; }`,
          ),
        ];
  const lines = [
    HEAD,
    // Their own prototypes say const; a pointer is passed the same way.
    ...prototypes.values(),
    "static uint8_t *weights, *arena;\nstatic void *in[64], *out[64], *again[64];",
    oneByOne(calls, names, program.arenaBytes, weightsBytes),
    ...(shared ? [TEAM] : []),
    "int main(int argc, char** argv) {",
    `  weights = aligned(${weightsBytes}); arena = aligned(${arenaBytes});`,
    '  FILE* file = argc > 1 ? fopen(argv[1], "rb") : 0;',
    `  if (!file || fread(weights, 1, ${weightsBytes}, file) != ${weightsBytes}) return 2;`,
    "  fclose(file);",
    ...ins.map(([bytes, dtype], i) => `  in[${i}] = tight(${bytes}, ${DTYPES[dtype].bytes}); memset(in[${i}], 0, ${bytes});`),
    ...ins.flatMap(([bytes, dtype], i) => (dtype === "float32" ? [`  fill(in[${i}], ${bytes / 4});`] : [])),
    ...outs.map(([bytes, d], i) => `  out[${i}] = tight(${bytes}, ${DTYPES[d].bytes}); again[${i}] = tight(${bytes}, ${DTYPES[d].bytes});`),
    `  HIDE(weights + ${weightsBytes}, ${slack(weightsBytes)}); HIDE(arena + ${arenaBytes}, ${slack(arenaBytes)});`,
    "  if (hone_run_0(weights, arena, (const void* const*)in, out) != 0) return 2;",
    ...outs.map(([bytes], i) => `  if (UNDEFINED(out[${i}], ${bytes})) return 4;`),
    ...compared(
      "one by one",
      straight ? [`  SHOW(arena, ${program.arenaBytes}); memset(arena, 255, ${program.arenaBytes});`, "  one_by_one();"] : [],
    ),
    ...compared("by threads", shared ? [`  memset(arena, 255, ${arenaBytes});`, "  if (by_team() != 0) return 2;"] : []),
    "  return 0;",
    "}",
  ];
  return { engine, main: `${lines.join("\n")}\n` };
}

const slack = (bytes: number): number => Math.ceil(bytes / 64) * 64 + 64 - bytes;

function placeText(p: Pointer | undefined): string {
  if (p === undefined) return "0";
  if ("offset" in p) return `${p.from} + ${p.offset}`;
  return `${p.from === "input" ? "in" : "again"}[${p.index}]`;
}

/** Each call sees of arena and weights only what its parameters are. */
function oneByOne(calls: readonly CCall[], names: readonly string[], arenaBytes: number, weightsBytes: number): string {
  const lines = calls.flatMap(({ func, pointers }, i) => {
    const place = (k: number): string => placeText(pointers[k]);
    const shown = func.params.map((b, k) => `SHOW(${place(k)}, ${b.length * DTYPES[b.dtype].bytes});`);
    const args = [...func.params.map((b, k) => `(${memoryType(b.dtype)}*)(${place(k)})`), ...(func.share ? ["0", "1"] : [])];
    return [
      `  HIDE(arena, ${arenaBytes}); HIDE(weights, ${weightsBytes});`,
      `  ${shown.join(" ")}`,
      `  ${names[i] ?? ""}(${args.join(", ")});`,
    ];
  });
  return `static void one_by_one(void) {\n${lines.join("\n")}\n  SHOW(arena, ${arenaBytes}); SHOW(weights, ${weightsBytes});\n}`;
}
