/** Graph to kernels: the target-independent half of the compiler, which runs anywhere. */
import type { Graph } from "../ir/graph.ts";
import type { Machine } from "../loop/machine.ts";
import { bindInputs } from "../passes/bind-shapes.ts";
import { optimize } from "../passes/pipeline.ts";
import { staticShape } from "../tensor/dim.ts";
import type { OnEvent } from "./events.ts";
import { makeProgram, type Program } from "./program.ts";
import { Weights } from "./weights.ts";

export interface GraphOptions {
  readonly machine: Machine;
  /** `naive` keeps every op's textbook nest: the judge of the other schedules. */
  readonly schedule?: "auto" | "naive";
  /** Whether threads may share kernels: the target's programs know how. */
  readonly threads?: boolean;
  /** From how many multiply-adds on a kernel is worth sharing; what has been measured when absent. */
  readonly shareFrom?: number;
  /** One set of input shapes for each profile; none for a model without symbols. */
  readonly profiles?: readonly Readonly<Record<string, readonly number[]>>[];
  readonly onEvent?: OnEvent;
  /** Called with the graph after each pass of each profile. */
  readonly onGraph?: (pass: string, graph: Graph) => void;
  readonly stopAfter?: string;
  /** Applied to the optimised graph of each profile, before it is lowered: quantisation. */
  readonly rewrite?: RewriteFor;
  /** What `rewrite` is told. */
  readonly machineName?: string;
}

/** Rewrites the optimised graph for a machine of the C target by its name, or for `wasm`. */
export type RewriteFor = (graph: Graph, machine: string) => Graph;

export interface CompiledGraph {
  /** The graph as it came in. */
  readonly graph: Graph;
  readonly programs: readonly Program[];
  readonly weights: Uint8Array;
  readonly nodes: { readonly before: number; readonly after: number };
}

/** Compiles a graph for each profile. Throws `shape.unbound` when a symbol has no value, and what passes and ops throw. */
export function compileGraph(graph: Graph, options: GraphOptions, hash?: (bytes: Uint8Array) => string): CompiledGraph {
  const { onEvent, onGraph } = options;
  const weights = new Weights(hash);
  const profiles = options.profiles && options.profiles.length > 0 ? options.profiles : [{}];
  const programs = profiles.map((shapes) => {
    onEvent?.({ kind: "stage", stage: "optimise" });
    const bound = Object.keys(shapes).length > 0 ? bindInputs(graph, shapes) : graph;
    bound.inputs.forEach((v) => staticShape(v.shape, `the input ${v.name}`));
    const fp32 = optimize(bound, {
      ...(options.stopAfter === undefined ? {} : { stopAfter: options.stopAfter }),
      onPass: (pass, before, after) => {
        onEvent?.({ kind: "pass", name: pass.name, before: before.nodes.length, after: after.nodes.length });
        onGraph?.(pass.name, after);
      },
    });
    const optimised = options.rewrite?.(fp32, options.machineName ?? "") ?? fp32;
    if (options.rewrite) onGraph?.("rewrite", optimised);
    onEvent?.({ kind: "stage", stage: "lower" });
    return makeProgram(optimised, weights, {
      machine: options.machine,
      schedule: options.schedule ?? "auto",
      threads: options.threads === true,
      ...(options.shareFrom === undefined ? {} : { shareFrom: options.shareFrom }),
      onKernel: (k) => onEvent?.({ kind: "kernel", name: k.func.name, schedules: k.schedules, nodes: k.nodes.map((n) => n.name) }),
    });
  });
  const after = Math.max(...programs.map((p) => p.calls.length));
  return { graph, programs, weights: weights.section(), nodes: { before: graph.nodes.length, after } };
}
