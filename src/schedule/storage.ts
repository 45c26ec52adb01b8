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
  | { readonly kind: "arena"; readonly id: number };

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
}

/** Nodes that rename, with the value they read and the one they give. */
function renaming(nodes: readonly Node[]): readonly { readonly node: Node; readonly from: Value; readonly to: Value }[] {
  return nodes.filter(isRename).map((node) => ({ node, from: input(node, 0), to: output(node) }));
}

/**
 * Joins values that can be one piece of memory. A view of a computed value shares its memory; when the view is an output of
 * the graph, the value is computed straight into the output's place. A view of an input or a constant that must reach an
 * output, or a value that is two outputs, is copied. `given` is where the graph's inputs and outputs lie; buffers are added to
 * `arenaBytes`, which has the bytes of each by its id.
 */
export function planStorage(graph: Graph, given: ReadonlyMap<Value, Storage>, arenaBytes: number[]): StoragePlan {
  const storage = new Map(given);
  const renames = new Set<Node>();
  const final = new Set(graph.outputs);
  const computed = new Set(graph.nodes.flatMap((n) => n.outputs));
  for (const { node, from, to } of renaming(graph.nodes).slice().reverse()) {
    const place = final.has(to) ? storage.get(to) : undefined;
    if (!place || storage.has(from) || !computed.has(from)) continue;
    storage.set(from, place);
    final.add(from);
    renames.add(node);
  }
  const of = (value: Value): Storage => {
    const known = storage.get(value);
    if (known) return known;
    const fresh: Storage = value.data
      ? { kind: "constant", value }
      : { kind: "arena", id: arenaBytes.push(storedLength(value) * byteSize(value.dtype)) - 1 };
    storage.set(value, fresh);
    return fresh;
  };
  for (const { node, from, to } of renaming(graph.nodes)) {
    if (storage.has(to)) continue;
    storage.set(to, of(from));
    renames.add(node);
  }
  return { of, renames };
}
