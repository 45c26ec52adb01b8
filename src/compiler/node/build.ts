/** From the graph of a model to the bytes of an engine, with native code, WebAssembly, or both. */
import { createHash } from "node:crypto";
import type { Precision } from "../../engine/format.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Machine } from "../../loop/machine.ts";
import type { Artifact, Stage } from "../../toolchain/artifact.ts";
import { findCompiler } from "../../toolchain/compiler.ts";
import { HoneError } from "../../util/errors.ts";
import type { CompiledGraph, GraphOptions } from "../compile.ts";
import type { OnEvent } from "../events.ts";
import { packEngine } from "../pack.ts";
import { compileWasm, type WasmPart } from "../wasm.ts";
import { compileNative, type NativeBuild } from "./native.ts";

/** What an engine's code is: for this kind of machine by its C compiler, or WebAssembly. */
export type BuildTarget = "native" | "wasm";

export interface BuildOptions extends Omit<GraphOptions, "machine" | "machineName"> {
  /** One or both. By default native code, and WebAssembly where there is no C compiler. */
  readonly targets?: readonly BuildTarget[];
  /** For native code: where to stop; "so" makes the engine. */
  readonly emit?: Exclude<Stage, "exe" | "a">;
  /** For native code: a machine by the name `hone targets` lists; the one this runs on when absent. */
  readonly machine?: string;
  readonly recipe?: unknown;
  readonly licence?: string;
  /** SHA-256 of the model file. */
  readonly modelHash: string;
  readonly format: string;
  /** Adds an output that tells how many nanoseconds each call of a kernel took, in the order of the program's calls. */
  readonly timings?: boolean;
  /** What the manifest calls the engine; `rewrite` makes it so. Default fp32. */
  readonly precision?: Precision;
  readonly onEvent?: OnEvent;
  readonly signal?: AbortSignal;
}

export interface EngineBuild {
  /** The .hone file; absent when the build stopped at an earlier stage. */
  readonly engine?: Uint8Array;
  /** For the first target. */
  readonly compiled: CompiledGraph;
  /** That of the first target. */
  readonly machine: Machine & { readonly name: string };
  /** `c:avx2`, `wasm`, or both with a comma between. */
  readonly target: string;
  /** Why that, in words. */
  readonly targetWhy: string;
  /** Distinct kernels of the first target. */
  readonly kernels: number;
  /** Files of every stage of native code that ran. */
  readonly artifacts: readonly Artifact[];
  /** Those of the stage that was asked for. */
  readonly outputs: readonly Artifact[];
  /** Of the native code. */
  readonly header?: { readonly name: string; readonly text: string };
  /** Modules, best first, when WebAssembly was built. */
  readonly modules: readonly WasmPart[];
  readonly fromCache: boolean;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What to build when nothing was asked for, and why. */
async function chooseTargets(options: BuildOptions): Promise<{ readonly targets: readonly BuildTarget[]; readonly why: string }> {
  const { targets = [], emit, machine, signal } = options;
  if (targets.length > 0) return { targets: [...new Set(targets)].sort(), why: "asked for" };
  if (machine !== undefined || (emit !== undefined && emit !== "so")) return { targets: ["native"], why: "asked for" };
  try {
    const { identity } = await findCompiler({ signal });
    return { targets: ["native"], why: `compiled by ${identity.split("\n")[0] ?? "cc"}` };
  } catch (error) {
    // A compiler that was named and does not work is not passed over.
    const named = (process.env["HONE_CC"] ?? "") !== "";
    if (named || !(error instanceof HoneError) || error.code !== "toolchain.missing") throw error;
    return { targets: ["wasm"], why: "no C compiler was found; with one the code would be native and faster (`hone doctor`)" };
  }
}

/** Builds an engine. Throws what compiling throws, `toolchain.missing` when native code was asked for, and `toolchain.failed`. */
export async function buildEngine(graph: Graph, options: BuildOptions): Promise<EngineBuild> {
  const { targets, why } = await chooseTargets(options);
  options.onEvent?.({ kind: "target", targets, why });
  const native = targets.includes("native") ? await compileNative(graph, options, sha256) : undefined;
  const modules = targets.includes("wasm") ? compileWasm(graph, options, sha256) : [];
  const told = tell(native, modules, why);
  const [first, ...rest] = [...(native?.part ? [native.part] : []), ...modules];
  if (first === undefined || (native && !native.part)) return told;
  options.onEvent?.({ kind: "stage", stage: "write" });
  const engine = packEngine([first, ...rest], packOptions(options, told, targets), sha256);
  return { ...told, engine };
}

function tell(native: NativeBuild | undefined, modules: readonly WasmPart[], why: string): EngineBuild {
  const [module] = modules;
  const both = [...(native ? [`c:${native.machine.name}`] : []), ...(module ? ["wasm"] : [])].join(",");
  const common = { target: both, targetWhy: why, modules };
  if (native) {
    const { compiled, machine, artifacts, outputs, header, kernels, fromCache } = native;
    return { ...common, compiled, machine, artifacts, outputs, header, kernels, fromCache };
  }
  if (!module) throw new HoneError("usage", "an engine needs a target", { hint: "Use native, wasm, or native,wasm." });
  const kernels = new Set(module.names.flat()).size;
  return { ...common, compiled: module.compiled, machine: module.machine, artifacts: [], outputs: [], kernels, fromCache: false };
}

function packOptions(options: BuildOptions, { machine }: EngineBuild, targets: readonly BuildTarget[]): Parameters<typeof packEngine>[1] {
  const { modelHash, format, licence, precision, recipe, timings } = options;
  const build = { schedule: options.schedule ?? "auto", ...(targets.includes("native") ? { machine: machine.name } : {}) };
  return {
    modelHash,
    format,
    build,
    ...(licence === undefined ? {} : { licence }),
    ...(precision === undefined ? {} : { precision }),
    ...(recipe === undefined ? {} : { recipe }),
    ...(timings === undefined ? {} : { timings }),
  };
}
