import { hostSection, platformName, type Manifest, type ManifestTarget } from "../../engine/format.ts";
import { writeEngine } from "../../engine/write.ts";
import { findCompiler } from "../../toolchain/compiler.ts";
import { buildHost } from "../../toolchain/host.ts";
import { Toolchain } from "../../toolchain/toolchain.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** Whether the machine has a C compiler; without one, tests that need engines skip and say so. */
export async function haveCompiler(): Promise<boolean> {
  const found = await findCompiler().then(
    () => true,
    () => false,
  );
  if (!found) process.stderr.write("skipped: no C compiler (cc, gcc or clang) is installed\n");
  return found;
}

/** y = x * weights[0] + constant + (runs of this context before); one float vector, two profiles: 4 and 8 elements. */
export const TINY_C = `
#include <stdint.h>
#include <time.h>
#define API __attribute__((visibility("default")))
static const volatile uint32_t stamp[2] = {0x5eed5eedu, 0u};
static int body(int n, const uint8_t *w, uint8_t *arena, const void *const *in, void *const *out) {
  const float *x = in[0];
  float *y = out[0];
  float *runs = (float *)arena;
  for (int i = 0; i < n; i++) y[i] = x[i] * ((const float *)w)[0] + (float)stamp[1] + runs[0];
  runs[0] += 1.0f;
  return 0;
}
API int hone_run_0(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { return body(4, w, a, in, out); }
API int hone_run_1(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { return body(8, w, a, in, out); }
`;

/** The same interface, busy for x[0] milliseconds of processor time. */
export const SLOW_C = `
#include <stdint.h>
#include <time.h>
#define API __attribute__((visibility("default")))
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e3 + t.tv_nsec * 1e-6; }
static int body(int n, const void *const *in, void *const *out) {
  const float *x = in[0];
  double end = now() + x[0];
  while (now() < end) {}
  for (int i = 0; i < n; i++) ((float *)out[0])[i] = x[i];
  return 0;
}
API int hone_run_0(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { (void)w; (void)a; return body(4, in, out); }
API int hone_run_1(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { (void)w; (void)a; return body(8, in, out); }
`;

export const PLATFORM: string = platformName(process.arch, process.platform);
const SECTION = `so:${PLATFORM}-test`;

/** The manifest of both; fields of `changes` replace its own. */
export function tinyManifest(changes: Partial<Manifest> = {}): Manifest {
  const target: ManifestTarget = { section: SECTION, kind: "so", platform: PLATFORM, features: [] };
  return {
    hone: "0.0.0-test",
    model: { name: "tiny", sha256: "0".repeat(64) },
    inputs: [{ name: "x", type: "float32", dims: ["n"] }],
    outputs: [{ name: "y", type: "float32", dims: ["n"] }],
    profiles: [
      { arenaBytes: 64, inputs: [[4]], outputs: [[4]] },
      { arenaBytes: 256, inputs: [[8]], outputs: [[8]] },
    ],
    precision: "fp32",
    kernels: [{ name: "k0", nodes: ["Mul_0", "Add_1"] }],
    targets: [target],
    ...changes,
  };
}

/** The shared object of C text, without optimisation. */
export async function compileSo(text: string, toolchain?: Toolchain): Promise<Uint8Array> {
  const tools = toolchain ?? (await Toolchain.open());
  const { readFile } = await import("node:fs/promises");
  const built = await tools.build({
    name: "tiny",
    sources: [{ name: "tiny.c", text }],
    emit: "so",
    flags: ["-O1"],
    linkFlags: ["-Wl,-z,defs", "-lm"],
  });
  const [output] = built.outputs;
  return readFile(output?.path ?? "");
}

export interface TinyOptions {
  readonly code?: string;
  readonly so?: Uint8Array;
  readonly weight?: number;
  readonly manifest?: Partial<Manifest>;
  readonly host?: Uint8Array;
}

/** Bytes of an engine file around TINY_C, or other code with the same interface. */
export async function tinyEngine(options: TinyOptions = {}): Promise<Uint8Array> {
  const so = options.so ?? (await compileSo(options.code ?? TINY_C));
  const host = options.host ?? (await buildHost()).bytes;
  return writeEngine({
    manifest: tinyManifest(options.manifest),
    sections: [
      { name: "weights", bytes: new Uint8Array(new Float32Array([options.weight ?? 2]).buffer) },
      { name: SECTION, bytes: so },
      { name: hostSection(PLATFORM), bytes: host },
    ],
  });
}

/**
 * Finds `stamp` in a compiled TINY_C and returns a copy with another constant: a distinct engine in no time. Called by the programs of
 * test/bets/loading.test.ts.
 * @public
 */
export function restamp(so: Uint8Array, constant: number): Uint8Array {
  const copy = Buffer.from(so);
  const at = copy.indexOf(Buffer.from([0xed, 0x5e, 0xed, 0x5e]));
  if (at < 0) throw new Error("the stamp is not in the library");
  copy.writeUInt32LE(constant, at + 4);
  return new Uint8Array(copy);
}

export function vector(...values: number[]): Tensor {
  return { type: "float32", dims: [values.length], data: Float32Array.from(values) };
}
