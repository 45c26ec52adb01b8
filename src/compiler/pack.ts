/** Puts the code of one or more targets into one engine file. */
import {
  WEIGHTS_SECTION,
  type Hash,
  type Manifest,
  type ManifestKernel,
  type ManifestProfile,
  type ManifestTarget,
  type Precision,
} from "../engine/format.ts";
import { writeEngine } from "../engine/write.ts";
import type { Value } from "../ir/graph.ts";
import type { Kernel } from "../schedule/lower.ts";
import { mapDims, type HostProgram } from "../text/program.ts";
import { dimText } from "../tensor/dim.ts";
import { must } from "../util/errors.ts";
import type { CompiledGraph } from "./compile.ts";
import { HONE_VERSION } from "./version.ts";

interface Section {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What one target contributes to an engine. */
export interface TargetPart {
  readonly target: ManifestTarget;
  readonly compiled: CompiledGraph;
  /** Name of the kernel of each call, by profile. */
  readonly names: readonly (readonly string[])[];
  /** Its code, and what its code needs beside it. */
  readonly sections: readonly Section[];
}

export interface PackOptions {
  /** SHA-256 of the model file. */
  readonly modelHash: string;
  readonly format: string;
  readonly licence?: string;
  /** Default fp32. */
  readonly precision?: Precision;
  readonly recipe?: unknown;
  /** Adds the output {@link TIMINGS_OUTPUT}: how many nanoseconds each call of a kernel took, in the order of the program's calls. */
  readonly timings?: boolean;
  /** How it was built: plain JSON. */
  readonly build: unknown;
}

/** A name that no model's output has: float64, one element for each call. */
export const TIMINGS_OUTPUT = "hone.timings";

const valueOf = (v: Value): Manifest["inputs"][number] => ({
  name: v.name,
  type: v.dtype,
  dims: v.shape.map((d) => (typeof d === "number" ? d : dimText(d))),
});

function hostOf(program: HostProgram, timed: boolean): NonNullable<Manifest["host"]> {
  const host = mapDims(program, (shape) => shape.map((d) => (typeof d === "number" ? d : dimText(d))));
  const timings = { name: TIMINGS_OUTPUT, type: "float64", dims: ["calls"], from: TIMINGS_OUTPUT } as const;
  return timed ? { ...host, outputs: [...host.outputs, timings] } : host;
}

function kernelsOf(parts: readonly TargetPart[]): readonly ManifestKernel[] {
  const kernels = new Map<string, { readonly nodes: Set<string>; readonly precision: Precision }>();
  for (const { compiled, names } of parts)
    compiled.programs.forEach((program, p) =>
      program.calls.forEach(({ kernel }, i) => {
        const name = names[p]?.[i] ?? "";
        const known = kernels.get(name) ?? { nodes: new Set<string>(), precision: precisionOf(kernel) };
        kernel.nodes.flatMap((n) => n.origin).forEach((origin) => known.nodes.add(origin));
        kernels.set(name, known);
      }),
    );
  return [...kernels].map(([name, { nodes, precision }]) => ({ name, nodes: [...nodes], precision }));
}

/** int8 when the kernel's anchor reads a quantised value, or gives one; otherwise a half when its weights are kept in one. */
export function precisionOf({ nodes: [first], args }: Kernel): Precision {
  const isByte = (v: Value | undefined): boolean => v !== undefined && v.data === undefined && (v.dtype === "uint8" || v.dtype === "int8");
  if (first && [...first.inputs, ...first.outputs].some(isByte)) return "int8";
  const kept = args.map((a) => (a.kind === "constant" ? a.tensor.type : a.kind === "value" ? a.value.data?.type : undefined));
  if (kept.includes("float16")) return "fp16";
  return kept.includes("bfloat16") ? "bf16" : "fp32";
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** The sections of all weights, each once, and the name of each part's. */
function placeWeights(parts: readonly TargetPart[]): { readonly sections: readonly Section[]; readonly names: readonly string[] } {
  const sections: Section[] = [];
  const names = parts.map(({ compiled: { weights }, target }) => {
    const known = sections.find((s) => s.bytes === weights || equal(s.bytes, weights));
    if (known) return known.name;
    const name = sections.length === 0 ? WEIGHTS_SECTION : `${WEIGHTS_SECTION}:${target.section}`;
    sections.push({ name, bytes: weights });
    return name;
  });
  return { sections, names };
}

/** The bytes of the engine, whose targets are in the order of the parts: the best first. */
export function packEngine(parts: readonly [TargetPart, ...TargetPart[]], options: PackOptions, hash: Hash): Uint8Array {
  const [{ compiled }] = parts;
  const { graph, programs } = compiled;
  const timed = options.timings === true;
  const weights = placeWeights(parts);
  const arenas = programs.map((p) => p.arenaBytes);
  const targets = parts.map(({ target, compiled: { programs: own } }, i): ManifestTarget => {
    const name = must(weights.names[i], "weights");
    const differ = own.some((p, k) => p.arenaBytes !== arenas[k]);
    return {
      ...target,
      ...(name === WEIGHTS_SECTION ? {} : { weights: name }),
      ...(differ ? { arenaBytes: own.map((p) => p.arenaBytes) } : {}),
    };
  });
  const manifest: Manifest = {
    hone: HONE_VERSION,
    model: {
      name: graph.name,
      sha256: options.modelHash,
      format: options.format,
      ...(options.licence ? { licence: options.licence } : {}),
    },
    inputs: graph.inputs.map(valueOf),
    outputs: [...graph.outputs.map(valueOf), ...(timed ? [{ name: TIMINGS_OUTPUT, type: "float64", dims: ["calls"] } as const] : [])],
    profiles: programs.map((p): ManifestProfile => ({
      arenaBytes: p.arenaBytes,
      inputs: p.inputs,
      outputs: [...p.outputs, ...(timed ? [[p.calls.length]] : [])],
    })),
    precision: options.precision ?? "fp32",
    kernels: kernelsOf(parts),
    ...(graph.host ? { host: hostOf(graph.host, timed) } : {}),
    targets,
    ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
    build: options.build,
  };
  return writeEngine({ manifest, sections: [...weights.sections, ...parts.flatMap((p) => p.sections)] }, hash);
}
