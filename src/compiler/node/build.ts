/** From the bytes of a model to the bytes of an engine with native code for this machine. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  hostSection,
  platformName,
  WEIGHTS_SECTION,
  type Manifest,
  type ManifestKernel,
  type ManifestProfile,
} from "../../engine/format.ts";
import { writeEngine } from "../../engine/write.ts";
import type { Graph } from "../../ir/graph.ts";
import { legalize } from "../../loop/legalize/index.ts";
import { C_CAPABILITIES } from "../../targets/c/capabilities.ts";
import { printEngine, type CEngine } from "../../targets/c/engine.ts";
import { C_MACHINES, chooseMachine, type CMachine } from "../../targets/c/machines.ts";
import { dimText } from "../../tensor/dim.ts";
import type { Artifact, BuildResult, Stage } from "../../toolchain/artifact.ts";
import type { Compiler } from "../../toolchain/compiler.ts";
import { cpuFeatures } from "../../toolchain/cpu.ts";
import { buildHost } from "../../toolchain/host.ts";
import { Toolchain } from "../../toolchain/toolchain.ts";
import { HoneError } from "../../util/errors.ts";
import { compileGraph, type CompiledGraph, type GraphOptions } from "../compile.ts";
import type { OnEvent } from "../events.ts";
import { HONE_VERSION } from "../version.ts";

export interface BuildOptions extends Omit<GraphOptions, "machine"> {
  /** Where to stop; "so" makes the engine. */
  readonly emit?: Exclude<Stage, "exe" | "a">;
  /** A machine by the name `hone targets` lists; the one this runs on when absent. */
  readonly machine?: string;
  readonly recipe?: unknown;
  readonly licence?: string;
  /** SHA-256 of the model file. */
  readonly modelHash: string;
  readonly format: string;
  /** Adds the output {@link TIMINGS_OUTPUT}: how many nanoseconds each call of a kernel took, in the order of the program's calls. */
  readonly timings?: boolean;
  readonly onEvent?: OnEvent;
  readonly signal?: AbortSignal;
}

/** A name that no model's output has: float64, one element for each call. */
export const TIMINGS_OUTPUT = "hone.timings";

export interface EngineBuild {
  /** The .hone file; absent when the build stopped at an earlier stage. */
  readonly engine?: Uint8Array;
  readonly compiled: CompiledGraph;
  readonly machine: CMachine;
  /** Files of every stage that ran. */
  readonly artifacts: readonly Artifact[];
  /** Those of the stage that was asked for. */
  readonly outputs: readonly Artifact[];
  readonly header: { readonly name: string; readonly text: string };
  readonly fromCache: boolean;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/**
 * For generated kernels. Contraction to fma is the compiler's to choose; nothing else may change a result. At -O3 gcc unrolls
 * what a schedule has unrolled already: three times the time for the same speed.
 */
export function kernelFlags(family: Compiler["family"]): readonly string[] {
  const vectorise = family === "gcc" ? ["-ftree-vectorize", "-fvect-cost-model=dynamic"] : [];
  return ["-std=gnu11", "-O2", ...vectorise, "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"];
}

function machineNamed(name: string): CMachine {
  const found = C_MACHINES.find((m) => m.name === name);
  if (!found)
    throw new HoneError("usage", `there is no machine ${name}`, { hint: `Use one of ${C_MACHINES.map((m) => m.name).join(", ")}.` });
  return found;
}

/** Builds an engine. Throws what importing and compiling throw, `toolchain.missing` and `toolchain.failed`. */
export async function buildEngine(graph: Graph, options: BuildOptions): Promise<EngineBuild> {
  const { onEvent, signal } = options;
  const tools = await Toolchain.open({ signal });
  const machine = options.machine ? machineNamed(options.machine) : chooseMachine(process.arch, await cpuFeatures(tools));
  const compiled = compileGraph(graph, { ...options, machine }, sha256);
  const profiles = compiled.programs.map((p) => ({ calls: p.calls.map((c) => ({ ...c, func: legalize(c.func, C_CAPABILITIES) })) }));
  const printed = printEngine(profiles, options.timings === true ? { timings: graph.outputs.length } : {});
  const sources = [...printed.kernels, printed.entry];
  onEvent?.({ kind: "stage", stage: "compile", detail: `${sources.length} files` });
  const emit = options.emit ?? "so";
  const result = await tools.build({
    name: "engine",
    sources,
    headers: [printed.header],
    emit,
    flags: [...kernelFlags(tools.compiler.family), ...machine.flags],
    linkFlags: ["-Wl,-z,defs", "-Wl,-s", "-lm"],
    signal,
    onProgress: (done, total) => onEvent?.({ kind: "progress", done, total }),
  });
  const build = { compiled, machine, artifacts: result.all, outputs: result.outputs, header: printed.header, fromCache: result.fromCache };
  if (emit !== "so") return build;
  onEvent?.({ kind: "stage", stage: "write" });
  return { ...build, engine: await packEngine(compiled, printed, result, machine, tools, options) };
}

function kernelsOf(compiled: CompiledGraph, printed: CEngine): readonly ManifestKernel[] {
  const kernels = new Map<string, Set<string>>();
  compiled.programs.forEach((program, p) =>
    program.calls.forEach(({ kernel }, i) => {
      const name = printed.names[p]?.[i] ?? "";
      const nodes = kernels.get(name) ?? new Set<string>();
      kernel.nodes.flatMap((n) => n.origin).forEach((origin) => nodes.add(origin));
      kernels.set(name, nodes);
    }),
  );
  return [...kernels].map(([name, nodes]) => ({ name, nodes: [...nodes], precision: "fp32" }));
}

async function packEngine(
  compiled: CompiledGraph,
  printed: CEngine,
  result: BuildResult,
  machine: CMachine,
  tools: Toolchain,
  options: BuildOptions,
): Promise<Uint8Array> {
  const platform = platformName(process.arch, process.platform);
  const section = `so:${platform}-${machine.name}`;
  const [library] = result.outputs;
  if (!library) throw new HoneError("internal", "the build gave no library");
  const host = await buildHost(tools, { signal: options.signal });
  const timed = options.timings === true;
  const manifest: Manifest = {
    hone: HONE_VERSION,
    model: {
      name: compiled.graph.name,
      sha256: options.modelHash,
      format: options.format,
      ...(options.licence ? { licence: options.licence } : {}),
    },
    inputs: compiled.graph.inputs.map((v) => ({
      name: v.name,
      type: v.dtype,
      dims: v.shape.map((d) => (typeof d === "number" ? d : dimText(d))),
    })),
    outputs: [
      ...compiled.graph.outputs.map((v) => ({
        name: v.name,
        type: v.dtype,
        dims: v.shape.map((d) => (typeof d === "number" ? d : dimText(d))),
      })),
      ...(timed ? [{ name: TIMINGS_OUTPUT, type: "float64", dims: ["calls"] } as const] : []),
    ],
    profiles: compiled.programs.map((p): ManifestProfile => ({
      arenaBytes: p.arenaBytes,
      inputs: p.inputs,
      outputs: [...p.outputs, ...(timed ? [[p.calls.length]] : [])],
    })),
    precision: "fp32",
    kernels: kernelsOf(compiled, printed),
    targets: [{ section, kind: "so", platform, features: machine.features, compiler: tools.compiler.identity.split("\n")[0] ?? "" }],
    ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
    build: { schedule: options.schedule ?? "auto", machine: machine.name },
  };
  const sections = [
    { name: WEIGHTS_SECTION, bytes: compiled.weights },
    { name: section, bytes: await readFile(library.path) },
    { name: hostSection(platform), bytes: host.bytes },
  ];
  return writeEngine({ manifest, sections }, sha256);
}
