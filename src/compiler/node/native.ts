/** From a graph to native code for a machine, by the machine's C compiler. */
import { readFile } from "node:fs/promises";
import { hostSection, platformName, type Hash } from "../../engine/format.ts";
import type { Graph } from "../../ir/graph.ts";
import { legalize } from "../../loop/legalize/index.ts";
import { C_CAPABILITIES } from "../../targets/c/capabilities.ts";
import { printEngine } from "../../targets/c/engine.ts";
import { C_MACHINES, chooseMachine, type CMachine } from "../../targets/c/machines.ts";
import type { Artifact, Stage } from "../../toolchain/artifact.ts";
import type { Compiler } from "../../toolchain/compiler.ts";
import { cpuFeatures } from "../../toolchain/cpu.ts";
import { buildHost } from "../../toolchain/host.ts";
import { Toolchain } from "../../toolchain/toolchain.ts";
import { HoneError } from "../../util/errors.ts";
import { compileGraph, type CompiledGraph, type GraphOptions } from "../compile.ts";
import type { TargetPart } from "../pack.ts";

export interface NativeOptions extends Omit<GraphOptions, "machine" | "machineName"> {
  /** Where to stop; "so" makes the engine. */
  readonly emit?: Exclude<Stage, "exe" | "a">;
  /** A machine by the name `hone targets` lists; the one this runs on when absent. */
  readonly machine?: string;
  readonly timings?: boolean;
  readonly signal?: AbortSignal;
}

export interface NativeBuild {
  readonly compiled: CompiledGraph;
  readonly machine: CMachine;
  /** What goes into the engine; absent when the build stopped at an earlier stage. */
  readonly part?: TargetPart;
  /** Files of every stage that ran. */
  readonly artifacts: readonly Artifact[];
  /** Those of the stage that was asked for. */
  readonly outputs: readonly Artifact[];
  readonly header: { readonly name: string; readonly text: string };
  readonly kernels: number;
  readonly fromCache: boolean;
}

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

/** Throws what compiling throws, `toolchain.missing` and `toolchain.failed`. */
export async function compileNative(graph: Graph, options: NativeOptions, hash: Hash): Promise<NativeBuild> {
  const { onEvent, signal } = options;
  const tools = await Toolchain.open({ signal });
  const machine = options.machine ? machineNamed(options.machine) : chooseMachine(process.arch, await cpuFeatures(tools));
  const compiled = compileGraph(graph, { ...options, machineName: machine.name, machine, threads: options.timings !== true }, hash);
  const profiles = compiled.programs.map((p) => ({
    calls: p.calls.map((c) => ({ ...c, func: legalize(c.func, C_CAPABILITIES) })),
    steps: p.steps,
  }));
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
  const build = {
    compiled,
    machine,
    artifacts: result.all,
    outputs: result.outputs,
    header: printed.header,
    kernels: printed.kernels.length,
    fromCache: result.fromCache,
  };
  if (emit !== "so") return build;
  const [library] = result.outputs;
  if (!library) throw new HoneError("internal", "the build gave no library");
  const platform = platformName(process.arch, process.platform);
  const section = `so:${platform}-${machine.name}`;
  const host = await buildHost(tools, { signal });
  const scratchBytes = Math.max(0, ...compiled.programs.map((p) => p.scratchBytes));
  const scratch = scratchBytes === 0 ? {} : { scratchBytes };
  const part: TargetPart = {
    compiled,
    names: printed.names,
    target: {
      section,
      kind: "so",
      platform,
      features: machine.features,
      compiler: tools.compiler.identity.split("\n")[0] ?? "",
      ...scratch,
    },
    sections: [
      { name: section, bytes: await readFile(library.path) },
      { name: hostSection(platform), bytes: host.bytes },
    ],
  };
  return { ...build, part };
}
