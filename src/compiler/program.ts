/** From an optimised graph of static shapes to kernels, and to the calls that run them in one arena. */
import type { Graph } from "../ir/graph.ts";
import type { Func } from "../loop/types.ts";
import { fuse } from "../passes/fuse.ts";
import { chooseLayouts } from "../passes/layout.ts";
import { lowerGroup, type Argument, type Kernel, type LowerOptions } from "../schedule/lower.ts";
import { planArena, type Lifetime } from "../schedule/memory.ts";
import { planStorage, type Storage, type StoragePlan } from "../schedule/storage.ts";
import type { Weights } from "./weights.ts";

/** Where the pointer of a kernel argument comes from. */
export type Pointer =
  { readonly from: "input" | "output"; readonly index: number } | { readonly from: "weights" | "arena"; readonly offset: number };

export interface Call {
  readonly func: Func;
  readonly pointers: readonly Pointer[];
  readonly kernel: Kernel;
}

/** One profile of an engine. */
export interface Program {
  readonly graph: Graph;
  readonly calls: readonly Call[];
  readonly arenaBytes: number;
  /** The most bytes alive at once. */
  readonly arenaLowerBound: number;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

/** First and last use of every arena buffer, temporaries of one kernel included. */
class Lifetimes {
  readonly buffers: Lifetime[];

  constructor(arenaBytes: readonly number[]) {
    this.buffers = arenaBytes.map((bytes) => ({ bytes, first: Infinity, last: -1 }));
  }

  use(id: number, step: number): void {
    const b = this.buffers[id];
    if (b) this.buffers[id] = { ...b, first: Math.min(b.first, step), last: Math.max(b.last, step) };
  }

  temp(bytes: number, step: number): number {
    return this.buffers.push({ bytes, first: step, last: step }) - 1;
  }
}

type Placed = Storage | { readonly kind: "arena"; readonly id: number } | { readonly kind: "weights"; readonly offset: number };

function placeOf(arg: Argument, step: number, plan: StoragePlan, lives: Lifetimes, weights: Weights): Placed {
  if (arg.kind === "constant") return { kind: "weights", offset: weights.place(arg.tensor) };
  if (arg.kind === "temp") return { kind: "arena", id: lives.temp(arg.bytes, step) };
  const storage = plan.of(arg.value);
  if (storage.kind === "arena") lives.use(storage.id, step);
  return storage.kind === "constant" && storage.value.data ? { kind: "weights", offset: weights.place(storage.value.data) } : storage;
}

function pointerOf(placed: Placed, offsets: readonly number[]): Pointer {
  switch (placed.kind) {
    case "input":
    case "output":
      return { from: placed.kind, index: placed.index };
    case "weights":
      return { from: "weights", offset: placed.offset };
    case "arena":
      return { from: "arena", offset: offsets[placed.id] ?? 0 };
    case "constant":
      return { from: "weights", offset: 0 };
  }
}

export interface ProgramOptions extends LowerOptions {
  readonly onKernel?: (kernel: Kernel) => void;
}

/** Lowers every group and plans its memory; constants go into `weights`. */
export function makeProgram(optimised: Graph, weights: Weights, options: ProgramOptions): Program {
  const graph = options.schedule === "naive" ? optimised : chooseLayouts(optimised, options.machine.lanes);
  const grouped = fuse(graph);
  const plan = planStorage(grouped);
  const groups = grouped.groups.filter((g) => !g.nodes.every((n) => plan.renames.has(n)));
  const kernels = groups.map((group, i) => {
    const kernel = lowerGroup(group, `k${i}`, options);
    options.onKernel?.(kernel);
    return kernel;
  });
  // Storage is given out as values are first seen, so every value must be seen before lifetimes are counted.
  kernels.forEach((k) => k.args.forEach((a) => a.kind === "value" && plan.of(a.value)));
  const lifetimes = new Lifetimes(plan.arenaBytes);
  const places = kernels.map((k, step) => k.args.map((arg) => placeOf(arg, step, plan, lifetimes, weights)));
  const alive = lifetimes.buffers.map((b) => (b.last < 0 ? { bytes: 0, first: 0, last: 0 } : b));
  const arena = planArena(alive);
  return {
    graph,
    calls: kernels.map((kernel, i) => ({ func: kernel.func, kernel, pointers: (places[i] ?? []).map((p) => pointerOf(p, arena.offsets)) })),
    arenaBytes: arena.bytes,
    arenaLowerBound: arena.lowerBound,
    inputs: graph.inputs.map((v) => v.shape.map(Number)),
    outputs: graph.outputs.map((v) => v.shape.map(Number)),
  };
}
