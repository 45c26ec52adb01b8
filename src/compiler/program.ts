/** From an optimised graph of static shapes to kernels, and to the program that runs them in one arena. */
import type { Graph, Value } from "../ir/graph.ts";
import { mapSteps, type Pointer, type Step } from "../loop/program.ts";
import type { Func } from "../loop/types.ts";
import type { Kernel, LowerOptions } from "../schedule/lower.ts";
import { planArena } from "../schedule/memory.ts";
import type { Storage } from "../schedule/storage.ts";
import { ProgramPlanner, type Place } from "./planner.ts";
import type { Weights } from "./weights.ts";

export type { Pointer, Step } from "../loop/program.ts";

export interface Call {
  readonly func: Func;
  readonly pointers: readonly Pointer[];
  readonly kernel: Kernel;
}

/** One profile of an engine. */
export interface Program {
  readonly graph: Graph;
  /** Every kernel, in the order of the program's text. */
  readonly calls: readonly Call[];
  /** When each of them runs: without control flow, one after the other. */
  readonly steps: readonly Step[];
  /** For one thread. */
  readonly arenaBytes: number;
  /** Bytes of the arena for each thread more. */
  readonly scratchBytes: number;
  /** The most bytes alive at once. */
  readonly arenaLowerBound: number;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

export interface ProgramOptions extends LowerOptions {
  readonly onKernel?: (kernel: Kernel) => void;
}

/** Lowers every group and plans its memory; constants go into `weights`. */
export function makeProgram(graph: Graph, weights: Weights, options: ProgramOptions): Program {
  // Threads would have to meet at every decision as well.
  const threads = options.threads === true && !graph.nodes.some((n) => n.regions);
  const planner = new ProgramPlanner(weights, { ...options, threads });
  const given = new Map<Value, Storage>();
  graph.inputs.forEach((v, index) => given.set(v, { kind: "input", index }));
  graph.outputs.forEach((v, index) => given.set(v, { kind: "output", index }));
  const { graph: laidOut, steps } = planner.plan(graph, given);
  const arena = planArena(planner.lifetimes.buffers());
  const { scratchBytes } = planner;
  const pointer = (place: Place): Pointer =>
    place.kind === "scratch" ? { from: "arena", offset: arena.bytes + place.offset, apart: scratchBytes } : pointerOf(place, arena.offsets);
  return {
    graph: laidOut,
    calls: planner.calls.map(({ kernel, places }) => ({ func: kernel.func, kernel, pointers: places.map(pointer) })),
    steps: mapSteps(steps, pointer),
    arenaBytes: arena.bytes + scratchBytes,
    scratchBytes,
    arenaLowerBound: arena.lowerBound + scratchBytes,
    inputs: laidOut.inputs.map((v) => v.shape.map(Number)),
    outputs: laidOut.outputs.map((v) => v.shape.map(Number)),
  };
}

function pointerOf(place: Exclude<Place, { kind: "scratch" }>, offsets: readonly number[]): Pointer {
  switch (place.kind) {
    case "input":
    case "output":
      return { from: place.kind, index: place.index };
    case "weights":
      return { from: "weights", offset: place.offset };
    case "arena":
      return { from: "arena", offset: (offsets[place.id] ?? 0) + (place.offset ?? 0) };
  }
}
