import type { DType } from "../tensor/dtype.ts";
import type { HostProgram } from "../text/program.ts";

/**
 * The .hone file, all integers little-endian:
 *
 *     0   "HONE"
 *     4   u32  format version
 *     8   u32  bytes of the JSON header
 *     12  u32  0
 *     16  u64  bytes of the whole file
 *     24  u64  0
 *     32  the header: {"manifest": …, "sections": [{"name", "offset", "bytes"}, …]}, UTF-8, keys sorted
 *         zeros to a multiple of 64: here the sections begin, and their offsets count from here
 *         sections, each at a multiple of 64 and followed by zeros up to one
 *         32 bytes: SHA-256 over everything before them
 *
 * Nothing in it depends on the time, the folder or the machine that wrote it: the same parts give the same bytes.
 */
export const ENGINE_MAGIC = "HONE";
export const ENGINE_VERSION = 1;
export const PREAMBLE_BYTES = 32;
export const SECTION_ALIGNMENT = 64;
export const HASH_BYTES = 32;

/** The section that holds the weights; an engine without weights may lack it. */
/** What engines are computed in, and kernels: `fp16` and `bf16` keep weights in halves and compute in float32. */
export type Precision = "fp32" | "fp16" | "bf16" | "int8";

export const WEIGHTS_SECTION = "weights";

/** Bounds that a reader checks before it allocates or follows anything. */
export const ENGINE_LIMITS = {
  fileBytes: 4_294_967_295,
  headerBytes: 67_108_864,
  sections: 256,
  nameLength: 4096,
  values: 4096,
  profiles: 4096,
  rank: 32,
  kernels: 1_048_576,
  arenaBytes: 1_099_511_627_776,
  tensorBytes: 1_099_511_627_776,
} as const;

/** An input or output of the model; a symbolic dim is a string whose values are in the profiles. */
export interface ManifestValue {
  readonly name: string;
  readonly type: DType;
  readonly dims: readonly (number | string)[];
}

/** One set of shapes that the engine was specialised for. Profile p is run by `hone_run_<p>`. */
export interface ManifestProfile {
  /** Bytes of scratch memory that one execution context of this profile needs. */
  readonly arenaBytes: number;
  /** Dims of each input, in the order of `inputs`. */
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

/** A kernel of the engine and the nodes of the original model that it computes. */
export interface ManifestKernel {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly precision?: string;
}

/** Code for one kind of machine, best first: the first that a machine supports is run. */
export interface ManifestTarget {
  /** Name of its section, such as `so:x86_64-linux-avx2`. */
  readonly section: string;
  readonly kind: "so" | "wasm";
  /** `x86_64-linux`; empty for wasm. See {@link platformName}. */
  readonly platform: string;
  /** What it needs: CPU features by the names the host reports (avx2, fma, avx512vnni, dotprod, …), for wasm proposals (simd128, relaxed-simd). */
  readonly features: readonly string[];
  /** Compiler and its version, as it was asked. */
  readonly compiler?: string;
  /** The section with its weights, where that is not {@link WEIGHTS_SECTION}: each target has them in its own order. */
  readonly weights?: string;
  /** Bytes of scratch memory of a context, by profile, where they differ from the profile's. */
  readonly arenaBytes?: readonly number[];
  /** Bytes of memory that each thread needs for itself: of a wasm module's own, or of a context's arena for each thread after the first. */
  readonly scratchBytes?: number;
  /** For wasm: bytes of a context's arena for each thread after the first. */
  readonly threadBytes?: number;
}

/** The section that holds a target's weights. */
export const weightsSection = (target: ManifestTarget): string => target.weights ?? WEIGHTS_SECTION;

/** Bytes of scratch memory that a context of a profile needs on a target. */
export const arenaBytesOf = (manifest: Manifest, target: ManifestTarget, profile: number): number =>
  target.arenaBytes?.[profile] ?? manifest.profiles[profile]?.arenaBytes ?? 0;

/** Everything about an engine except its bytes of weights and code. Further fields are kept and ignored. */
export interface Manifest {
  /** Version of hone that built it. */
  readonly hone: string;
  readonly model: { readonly name: string; readonly sha256: string; readonly format?: string; readonly licence?: string };
  readonly inputs: readonly ManifestValue[];
  readonly outputs: readonly ManifestValue[];
  readonly profiles: readonly ManifestProfile[];
  /** `fp32`, `fp16`, `int8`, or `mixed`; kernels say theirs. */
  readonly precision: string;
  readonly kernels: readonly ManifestKernel[];
  readonly targets: readonly ManifestTarget[];
  /** Of a model with strings: its own inputs and outputs, and what is done to them in JavaScript before and after the kernels. */
  readonly host?: HostProgram<readonly (number | string)[]>;
  /** Preprocessing, decoder, class names and licence of the model: plain JSON, to be read with `readRecipe`. */
  readonly recipe?: unknown;
  /** How it was built: options, schedule, tuning record. Plain JSON. */
  readonly build?: unknown;
}

/** An engine file that was read and checked. Sections are views of the bytes that were read. */
export interface Engine {
  readonly version: number;
  readonly manifest: Manifest;
  readonly sections: ReadonlyMap<string, Uint8Array>;
  /** SHA-256 that the file ends with, as hex: the identity of the engine. */
  readonly sha256: string;
  readonly bytes: number;
}

/** SHA-256 as lower-case hex. Node passes node:crypto's, which is many times faster than the default. */
export type Hash = (bytes: Uint8Array) => string;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** `x86_64-linux` for Node's `process.arch` and `process.platform`. */
export function platformName(arch: string, platform: string): string {
  return `${ARCHITECTURES[arch] ?? arch}-${platform}`;
}

/** The section that holds host.node for a platform. */
export function hostSection(platform: string): string {
  return `host:${platform}`;
}

export function alignUp(n: number): number {
  return Math.ceil(n / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
}
