/** Where every value of a program lies: in the caller's buffers, the weights, or the arena. */
import { input, output, type Graph, type Node, type Value } from "../ir/graph.ts";
import { getOp } from "../ops/index.ts";
import { byteSize } from "../tensor/dtype.ts";
import { layoutEquals } from "../tensor/layout.ts";
import { storedLength } from "./lower.ts";

export type Storage =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "output"; readonly index: number }
  | { readonly kind: "constant"; readonly value: Value }
  /** From `offset` bytes on, for a part of a buffer. */
  | { readonly kind: "arena"; readonly id: number; readonly offset?: number };

/** Whether the node only renames its input: the elements and their order in memory stay. */
function isRename(node: Node): boolean {
  const [x] = node.inputs;
  const [y] = node.outputs;
  if (!x || !y || !getOp(node.op).traits.view) return false;
  return layoutEquals(x.layout, y.layout) && (x.layout.kind === "plain" || node.op === "identity");
}

export interface StoragePlan {
  readonly of: (value: Value) => Storage;
  /** Nodes for which nothing has to run. */
  readonly renames: ReadonlySet<Node>;
  /** Lets `to` lie where `from` lies, if both have a piece of the arena for themselves; says whether it does. */
  readonly replace: (from: Value, to: Value) => boolean;
}

/** The values that lie one behind the other in the result of a join, if they do: then nothing has to be copied. */
function joined(node: Node): readonly Value[] {
  const { traits } = getOp(node.op);
  const out = node.outputs[0];
  if (traits.channels !== "join" || !out) return [];
  const axis = Number(node.attrs["axis"] ?? 0);
  const before = out.shape.slice(0, axis < 0 ? axis + out.shape.length : axis);
  const inputs = node.inputs.flatMap((v) => v ?? []);
  const alike = inputs.every((v) => layoutEquals(v.layout, out.layout) && v.data === undefined);
  const length = inputs.reduce((sum, v) => sum + storedLength(v), 0);
  // Blocks that a part does not fill would leave a gap before the next.
  return alike && before.every((d) => d === 1) && new Set(inputs).size === inputs.length && length === storedLength(out) ? inputs : [];
}

/** Gives out places, and notes what nothing has to run for. */
class Places {
  readonly storage: Map<Value, Storage>;
  readonly renames = new Set<Node>();
  readonly #final: Set<Value>;
  /** Values that kernels compute. */
  readonly #computed: ReadonlySet<Value>;
  readonly #arenaBytes: number[];
  /** Values whose memory only those have that they replaced, or that replaced them. */
  readonly #alone = new Set<Value>();

  constructor(graph: Graph, given: ReadonlyMap<Value, Storage>, arenaBytes: number[]) {
    this.storage = new Map(given);
    this.#final = new Set(graph.outputs);
    this.#computed = new Set(graph.nodes.filter((n) => !n.regions).flatMap((n) => n.outputs));
    this.#arenaBytes = arenaBytes;
  }

  of(value: Value): Storage {
    const known = this.storage.get(value);
    if (known) return known;
    const fresh: Storage = value.data
      ? { kind: "constant", value }
      : { kind: "arena", id: this.#arenaBytes.push(storedLength(value) * byteSize(value.dtype)) - 1 };
    this.storage.set(value, fresh);
    return fresh;
  }

  /** An output of the graph that renames a computed value: the value is computed in the output's place. */
  backFromOutput(node: Node): void {
    const to = output(node);
    const from = input(node, 0);
    const place = this.#final.has(to) ? this.storage.get(to) : undefined;
    if (!place || !this.#isFree(from)) return;
    this.storage.set(from, place);
    this.#final.add(from);
    this.renames.add(node);
  }

  /** What becomes a part of a join, by itself or under another name, is computed there. */
  backFromJoin(node: Node): void {
    const [to] = node.outputs;
    if (!to || node.regions || this.#final.has(to)) return;
    if (isRename(node) && this.storage.has(to) && this.#isFree(input(node, 0))) {
      this.storage.set(input(node, 0), this.of(to));
      this.renames.add(node);
    } else {
      this.#placeParts(node, to);
    }
  }

  #placeParts(node: Node, to: Value): void {
    const parts = joined(node);
    const whole = parts.length > 0 && parts.every((v) => this.#isFree(v)) ? this.of(to) : undefined;
    if (whole?.kind !== "arena") return;
    let offset = whole.offset ?? 0;
    for (const v of parts) {
      this.storage.set(v, { ...whole, offset });
      offset += storedLength(v) * byteSize(v.dtype);
    }
    this.renames.add(node);
  }

  replace(from: Value, to: Value): boolean {
    if (!this.#isFree(to) || !(this.#isFree(from) || this.#alone.has(from))) return false;
    this.storage.set(to, this.of(from));
    this.#alone.add(from).add(to);
    return true;
  }

  #isFree(v: Value): boolean {
    return this.#computed.has(v) && !this.storage.has(v);
  }
}

/**
 * Joins values that can be one piece of memory. The parts of a concatenation are computed straight into their places. A view of
 * a computed value shares its memory; when the view is an output of the graph, the value is computed straight into the output's
 * place. A view of an input or a constant that must reach an output, or a value that is two outputs, is copied. `given` is where
 * the graph's inputs and outputs lie; buffers are added to `arenaBytes`, which has the bytes of each by its id.
 */
export function planStorage(graph: Graph, given: ReadonlyMap<Value, Storage>, arenaBytes: number[]): StoragePlan {
  const places = new Places(graph, given, arenaBytes);
  const backwards = graph.nodes.slice().reverse();
  backwards.filter(isRename).forEach((node) => {
    places.backFromOutput(node);
  });
  backwards.forEach((node) => {
    places.backFromJoin(node);
  });
  for (const node of graph.nodes.filter(isRename)) {
    if (places.storage.has(output(node))) continue;
    places.storage.set(output(node), places.of(input(node, 0)));
    places.renames.add(node);
  }
  return { of: (value) => places.of(value), renames: places.renames, replace: (from, to) => places.replace(from, to) };
}
