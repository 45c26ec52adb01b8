/**
 * Cuts a graph into groups, each of which becomes one kernel: an anchor and the elementwise nodes that follow it, computed in
 * its epilogue while the element is still in a register.
 */
import { output, type Graph, type Group, type GroupedGraph, type Node, type Value } from "../ir/graph.ts";
import { computeNode, operandUses } from "../ops/compute.ts";
import { getOp } from "../ops/index.ts";
import { dimEquals, type Shape } from "../tensor/dim.ts";
import { layoutEquals } from "../tensor/layout.ts";

const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => dimEquals(d, b[i] ?? 1));

/** Whether the node writes its only result element by element in one last nest, so that an epilogue can follow. */
function canLead(node: Node): boolean {
  if (node.outputs.length !== 1 || getOp(node.op).traits.view || node.regions) return false;
  const { nests } = computeNode(node);
  const last = nests.at(-1);
  const out = nests.filter((n) => n.result.name === output(node).name);
  return last !== undefined && last.kind !== "serial" && out.length === 1 && !last.region;
}

/** Whether `next` only maps the elements of `value`, one to one. */
function canFollow(next: Node, value: Value): boolean {
  const { traits } = getOp(next.op);
  const out = output(next);
  return (
    traits.elementwise === true &&
    traits.view !== true &&
    sameShape(out.shape, value.shape) &&
    layoutEquals(out.layout, value.layout) &&
    next.inputs.filter((v) => v === value).length >= 1
  );
}

interface Uses {
  readonly consumers: ReadonlyMap<Value, readonly Node[]>;
  readonly outputs: ReadonlySet<Value>;
}

function usesOf(graph: Graph): Uses {
  const consumers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const v of new Set(node.inputs)) {
      if (!v) continue;
      const known = consumers.get(v);
      if (known) known.push(node);
      else consumers.set(v, [node]);
    }
  }
  return { consumers, outputs: new Set(graph.outputs) };
}

/** The follower of a chain that ends in `value`, if the value is needed nowhere else. */
function follower(value: Value, uses: Uses, taken: ReadonlySet<Node>): Node | undefined {
  const [next, ...more] = uses.consumers.get(value) ?? [];
  if (!next || more.length > 0 || uses.outputs.has(value) || taken.has(next)) return undefined;
  return canFollow(next, value) ? next : undefined;
}

/** Channels that a convolution reads as they lie beside each other in a photo. */
const PHOTO_CHANNELS = 4;

/** Whether the group does no more than turn a photo's bytes into planes of numbers. */
function readsPhoto({ anchor, outputs }: Group): boolean {
  const [x] = anchor.inputs;
  const result = outputs[0];
  return (
    anchor.op === "transpose" &&
    x?.dtype === "uint8" &&
    x.shape.length === 4 &&
    Number(x.shape[3]) <= PHOTO_CHANNELS &&
    String(anchor.attrs["perm"]) === "0,3,1,2" &&
    result?.dtype === "float32"
  );
}

/** Photos are read by the convolution that they are for, if it is the only one. */
function withPrologues(groups: readonly Group[], uses: Uses): readonly Group[] {
  const photos = new Map(groups.filter(readsPhoto).map((g) => [g.outputs[0], g] as const));
  const inside = new Set<Group>();
  const joined = groups.map((g): Group => {
    const [x] = g.anchor.inputs;
    const prologue = g.anchor.op === "conv" && Number(g.anchor.attrs["group"] ?? 1) === 1 ? photos.get(x) : undefined;
    if (!x || !prologue || uses.outputs.has(x) || uses.consumers.get(x)?.length !== 1) return g;
    inside.add(prologue);
    return { ...groupOf([...prologue.nodes, ...g.nodes], g.anchor), prologue };
  });
  return joined.filter((g) => !inside.has(g));
}

function groupOf(nodes: readonly Node[], anchor: Node): Group {
  const inside = new Set(nodes.flatMap((n) => n.outputs));
  const inputs = [...new Set(nodes.flatMap((n) => n.inputs))].filter((v): v is Value => v !== undefined && !inside.has(v));
  const last = nodes.at(-1) ?? anchor;
  return { anchor, nodes, inputs, outputs: last.outputs };
}

/** Nodes of one group: deeper expressions would exhaust the stack of what walks them. */
const MAX_NODES = 8;

/**
 * Copies of the anchor's element in the expression of one group. A body that uses its operand several times, as x + x or a
 * sigmoid do, multiplies them, and a chain of such bodies would fill memory.
 */
const MAX_COPIES = 64;

/** A gather of floats that ends in bytes has no vectors to gather: quantising is left to a kernel of its own. */
function keepsVectors(anchor: Node, next: Node): boolean {
  const gathers = computeNode(anchor).nests.at(-1)?.kind === "gather";
  return !gathers || output(anchor).dtype !== "float32" || output(next).dtype === "float32";
}

const isHalf = ({ dtype }: Value): boolean => dtype === "float16" || dtype === "bfloat16";

/**
 * Registers hold halves as float32, which rounds them only on their way to memory. What becomes a half, or stops being one, is
 * what was rounded; between operations on halves the precision is kept.
 */
function staysRounded(last: Node, next: Node): boolean {
  return !isHalf(output(last)) || (last.op !== "cast" && isHalf(output(next)));
}

/** The nodes that follow the anchor, within the bounds; they become taken. */
function followersOf(anchor: Node, uses: Uses, taken: Set<Node>): readonly Node[] {
  const nodes: Node[] = [];
  let last = anchor;
  let value = output(anchor);
  let copies = 1;
  while (nodes.length + 1 < MAX_NODES) {
    const next = follower(value, uses, taken);
    copies *= next ? operandUses(next, value) : Infinity;
    if (!next || copies > MAX_COPIES || !keepsVectors(anchor, next) || !staysRounded(last, next)) break;
    nodes.push(next);
    taken.add(next);
    value = output(next);
    last = next;
  }
  return nodes;
}

/**
 * Chains start at contractions first, so that a residual add joins the convolution that is computed last: the other operand
 * of the add must exist when the group runs, which holds because a group runs where its last node stands.
 */
export function fuse(graph: Graph): GroupedGraph {
  const uses = usesOf(graph);
  const taken = new Set<Node>();
  const groupAt = new Map<Node, Group>();
  const isContraction = (node: Node): boolean => !node.regions && computeNode(node).nests.some((n) => n.kind === "contraction");
  const contractions = graph.nodes.filter(isContraction).reverse();
  for (const anchor of [...contractions, ...graph.nodes]) {
    if (taken.has(anchor)) continue;
    taken.add(anchor);
    const nodes = [anchor, ...(canLead(anchor) ? followersOf(anchor, uses, taken) : [])];
    groupAt.set(nodes.at(-1) ?? anchor, groupOf(nodes, anchor));
  }
  const groups = graph.nodes.flatMap((n) => groupAt.get(n) ?? []);
  return { graph, groups: withPrologues(groups, uses) };
}
