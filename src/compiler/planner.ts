/** Lowers a graph and its regions: which kernels there are, when they run, and where each of their arguments lies. */
import { makeValue, type Graph, type Group, type Node, type Value } from "../ir/graph.ts";
import type { Step } from "../loop/program.ts";
import { LOOP_LIMIT } from "../ops/control.ts";
import { fuse } from "../passes/fuse.ts";
import { chooseLayouts } from "../passes/layout.ts";
import { copyKernel, sliceKernel } from "../schedule/copy.ts";
import { inPlace, replaceable } from "../schedule/in-place.ts";
import { lowerGroup, storedLength, type Argument, type Kernel, type LowerOptions } from "../schedule/lower.ts";
import { planStorage, type Storage, type StoragePlan } from "../schedule/storage.ts";
import { byteSize } from "../tensor/dtype.ts";
import { must } from "../util/errors.ts";
import { Lifetimes } from "./lifetimes.ts";
import type { Weights } from "./weights.ts";

/** Where a pointer leads, before the arena has its offsets. */
export type Place =
  | { readonly kind: "input" | "output"; readonly index: number }
  | { readonly kind: "arena"; readonly id: number; readonly offset?: number }
  /** Of each thread, behind everything else. */
  | { readonly kind: "scratch"; readonly offset: number }
  | { readonly kind: "weights"; readonly offset: number };

export interface PlacedCall {
  readonly kernel: Kernel;
  readonly places: readonly Place[];
}

export interface Planned {
  /** The graph with the layouts that were chosen. */
  readonly graph: Graph;
  readonly steps: readonly Step<Place>[];
}

interface PlanOptions extends LowerOptions {
  readonly onKernel?: (kernel: Kernel) => void;
}

export class ProgramPlanner {
  readonly calls: PlacedCall[] = [];
  readonly lifetimes: Lifetimes = new Lifetimes();
  /** Bytes that each thread needs for itself. */
  scratchBytes = 0;
  readonly #weights: Weights;
  readonly #options: PlanOptions;
  #names = 0;

  constructor(weights: Weights, options: PlanOptions) {
    this.#weights = weights;
    this.#options = options;
  }

  /** The steps of a graph whose inputs and outputs lie where `given` says. */
  plan(optimised: Graph, given: ReadonlyMap<Value, Storage>): Planned {
    const { machine, schedule } = this.#options;
    const graph = schedule === "naive" ? optimised : chooseLayouts(optimised, machine.lanes);
    const storage = planStorage(graph, given, this.lifetimes.bytes);
    const groups = fuse(graph).groups.filter((g) => !g.nodes.every((n) => storage.renames.has(n)));
    const lastReader = new Map(groups.flatMap((g, i) => g.inputs.map((v) => [v, i] as const)));
    const work = groups.map((group, i) => {
      if (group.anchor.regions) return group;
      const kernel = this.#lower(group);
      return schedule === "naive" ? kernel : overwriting(kernel, storage, (v) => lastReader.get(v) === i);
    });
    // Storage is given out as values are first seen: before the temporaries of kernels.
    for (const w of work) ("args" in w ? w.args.flatMap((a) => (a.kind === "value" ? a.value : [])) : valuesOf(w)).forEach(storage.of);
    return { graph, steps: work.flatMap((w) => ("args" in w ? this.#call(w, storage) : this.#control(w.anchor, storage))) };
  }

  #lower(group: Group): Kernel {
    const kernel = lowerGroup(group, this.#name(), this.#options);
    this.#options.onKernel?.(kernel);
    return kernel;
  }

  #name(): string {
    return `k${this.#names++}`;
  }

  #call(kernel: Kernel, storage: StoragePlan): Step<Place> {
    let scratch = 0;
    const places = kernel.args.map((arg): Place => {
      if (arg.kind !== "scratch" || !kernel.func.share) return this.#placeOf(arg, storage);
      const offset = scratch;
      scratch += alignUp(arg.bytes);
      this.scratchBytes = Math.max(this.scratchBytes, scratch);
      return { kind: "scratch", offset };
    });
    return this.#add(kernel, places);
  }

  #add(kernel: Kernel, places: readonly Place[]): Step<Place> {
    places.forEach((p) => this.#use(p));
    this.lifetimes.next();
    return { kind: "call", call: this.calls.push({ kernel, places }) - 1 };
  }

  #use(place: Place): Place {
    if (place.kind === "arena") this.lifetimes.use(place.id);
    return place;
  }

  #placeOf(arg: Argument, storage: StoragePlan): Place {
    if (arg.kind === "constant") return { kind: "weights", offset: this.#weights.place(arg.tensor) };
    return arg.kind === "temp" || arg.kind === "scratch" ? this.#buffer(arg.bytes) : this.#valuePlace(arg.value, storage);
  }

  #valuePlace(value: Value, storage: StoragePlan): Place {
    return this.#place(storage.of(value));
  }

  #place(storage: Storage): Place {
    return storage.kind === "constant"
      ? { kind: "weights", offset: this.#weights.place(must(storage.value.data, `data of ${storage.value.name}`)) }
      : storage;
  }

  #buffer(bytes: number): { readonly kind: "arena"; readonly id: number } {
    return { kind: "arena", id: this.lifetimes.add(bytes) };
  }

  #control(node: Node, storage: StoragePlan): readonly Step<Place>[] {
    return node.op === "if" ? [this.#branch(node, storage)] : this.#loop(node, storage);
  }

  /** Both branches write straight to where the node's outputs lie. */
  #branch(node: Node, storage: StoragePlan): Step<Place> {
    const cond = this.#use(this.#valuePlace(must(node.inputs[0], "condition"), storage));
    this.lifetimes.next();
    const [then, otherwise] = (node.regions ?? []).map((region) => {
      const apart = withOwnOutputs(region);
      const given = new Map<Value, Storage>();
      apart.inputs.forEach((v, i) => given.set(v, storage.of(must(node.inputs[1 + i], v.name))));
      apart.outputs.forEach((v, i) => given.set(v, storage.of(must(node.outputs[i], v.name))));
      return this.plan(apart, given).steps;
    });
    return { kind: "if", cond, then: must(then, "then"), otherwise: must(otherwise, "else") };
  }

  /**
   * The carried values lie where the node's outputs lie, from before the first iteration on. An iteration writes the next ones
   * beside them, and they are copied when it ends; slices are copied to their place in the output.
   */
  #loop(node: Node, storage: StoragePlan): readonly Step<Place>[] {
    const [trips, cond, ...values] = node.inputs;
    const body = withOwnOutputs(must(node.regions?.[0], "body"));
    const carried = Number(node.attrs["carried"] ?? 0);
    const exits = node.attrs["exits"] === true;
    const outputs = node.outputs.map((v) => this.#valuePlace(v, storage));
    const begin = values.slice(0, carried).map((given, i) => {
      const v = must(given, "value");
      return this.#copy(node, v, this.#valuePlace(v, storage), outputs[i]);
    });
    const counter = this.#buffer(byteSize("int64"));
    const scalar = (v: Value | undefined): Place | undefined => v && this.#use(this.#valuePlace(v, storage));
    const known = trips?.data?.data[0];
    const control = {
      ...(known === undefined ? { trips: undefined, tripsAt: scalar(trips) } : { trips: Number(known), tripsAt: undefined }),
      cond: scalar(cond),
    };
    const from = this.lifetimes.step;
    [counter, ...outputs].forEach((p) => this.#use(p));
    this.lifetimes.next();

    const given = new Map<Value, Storage>();
    const bind = (v: Value, i: number): Storage => {
      if (i === 0) return counter;
      return i <= carried ? storage.of(must(node.outputs[i - 1], v.name)) : storage.of(must(values[i - 1], v.name));
    };
    body.inputs.forEach((v, i) => given.set(v, bind(v, i)));
    const results = body.outputs.map((v) => this.#buffer(storedLength(v) * byteSize(v.dtype)));
    body.outputs.forEach((v, i) => given.set(v, must(results[i], v.name)));
    const { steps } = this.plan(body, given);
    const next = exits ? this.#use(must(results[0], "condition")) : undefined;
    const made = results.slice(exits ? 1 : 0);
    const types = body.outputs.slice(exits ? 1 : 0);
    const end = made.map((place, i) => {
      const type = must(types[i], "output");
      const to = must(outputs[i], "output");
      return i < carried ? this.#copy(node, type, place, to) : this.#slice(node, type, place, counter, to, must(node.outputs[i], "output"));
    });
    // The condition is read when all is copied.
    if (next) this.#use(next);
    this.lifetimes.holdSince(from);
    this.lifetimes.next();
    const step: Step<Place> = { kind: "loop", ...control, counter, body: [...steps, ...end], next, limit: LOOP_LIMIT };
    return [...begin, step];
  }

  #copy(node: Node, type: Value, from: Place, to: Place | undefined): Step<Place> {
    return this.#add(copyKernel(this.#name(), node, type.dtype, storedLength(type)), [from, must(to, "output")]);
  }

  #slice(node: Node, type: Value, from: Place, counter: Place, to: Place, whole: Value): Step<Place> {
    const kernel = sliceKernel(this.#name(), node, type.dtype, storedLength(type), storedLength(whole));
    return this.#add(kernel, [from, counter, to]);
  }
}

/** The kernel with its result over an operand that nothing needs afterwards, where that can be. */
function overwriting(kernel: Kernel, storage: StoragePlan, isLast: (v: Value) => boolean): Kernel {
  const result = kernel.nodes.at(-1)?.outputs[0];
  const over = result && replaceable(kernel).find((v) => isLast(v) && storage.replace(v, result));
  return over ? inPlace(kernel, over) : kernel;
}

const ALIGNMENT = 64;
const alignUp = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

const valuesOf = (group: Group): readonly Value[] => [...group.inputs, ...group.outputs].filter((v) => !v.data);

/** A region whose outputs are values of their own, none of them an input, so that each can be given a place. */
function withOwnOutputs(region: Graph): Graph {
  const taken = new Set<Value>(region.inputs);
  const copies: Node[] = [];
  const outputs = region.outputs.map((v) => {
    if (!taken.has(v)) {
      taken.add(v);
      return v;
    }
    const copy = makeValue(`${v.name}:out`, v);
    copies.push({ op: "identity", name: copy.name, inputs: [v], outputs: [copy], attrs: {}, origin: [] });
    return copy;
  });
  return copies.length === 0 ? region : { ...region, outputs, nodes: [...region.nodes, ...copies] };
}
