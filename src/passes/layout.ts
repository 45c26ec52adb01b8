/**
 * Chooses how every value lies in memory: channels in blocks of one vector (NCHWc) from the first convolution on, for as
 * long as ops can keep it, so that no reorder stands between convolutions. Ops read any layout through their index maps, so
 * where a value leaves the blocked world its reader converts in its own loops.
 */
import { input, output, type Graph, type Node, type Value } from "../ir/graph.ts";
import { computeNode } from "../ops/compute.ts";
import { getOp, type Traits } from "../ops/index.ts";
import type { DType } from "../tensor/dtype.ts";
import { PLAIN, type Layout } from "../tensor/layout.ts";

/** Numbers that kernels read and write in vectors along the channels. */
const VECTORS: ReadonlySet<DType> = new Set(["float32", "uint8", "int8"]);

const isBlocked = (v: Value | undefined): boolean => v?.layout.kind === "blocked";

function convBlocks(node: Node): boolean {
  const x = input(node, 0);
  const [, channels] = x.shape;
  const group = Number(node.attrs["group"] ?? 1);
  return VECTORS.has(x.dtype) && x.shape.length === 4 && (group === 1 || (group === channels && output(node).shape[1] === channels));
}

/** Joining along channels keeps blocks whole only when every part but the last fills them. */
function concatBlocks(node: Node, block: number): boolean {
  const axis = Number(node.attrs["axis"] ?? 0);
  const parts = node.inputs;
  return axis === 1
    ? parts.every((v, i) => isBlocked(v) && (i === parts.length - 1 || Number(v?.shape[1]) % block === 0))
    : parts.every(isBlocked);
}

/** Padding may add channels only behind whole blocks. */
function padBlocks(node: Node, block: number): boolean {
  const x = input(node, 0);
  const pads = input(node, 1).data;
  if (!isBlocked(x) || !pads) return false;
  const amounts = Array.from(pads.data as ArrayLike<number | bigint>, Number);
  return amounts[1] === 0 && (amounts[5] === 0 || Number(x.shape[1]) % block === 0) && node.attrs["mode"] !== "wrap";
}

/** Whether the result can be blocked, by the op's relation between channels. */
const BLOCKS: Record<NonNullable<Traits["channels"]>, (node: Node, block: number) => boolean> = {
  conv: convBlocks,
  same: (node) => isBlocked(node.inputs[0]) && input(node, 0).shape[1] === output(node).shape[1],
  join: concatBlocks,
  take: (node) => node.inputs.every(isBlocked),
  pad: padBlocks,
};

/** Whether the node's result should be blocked, given the layouts of its inputs. */
function blocks(node: Node, block: number): boolean {
  const out = output(node);
  if (out.shape.length !== 4 || !VECTORS.has(out.dtype) || node.outputs.length !== 1) return false;
  const { elementwise, channels } = getOp(node.op).traits;
  if (elementwise) return node.inputs.some((v) => isBlocked(v) && v?.shape.length === 4 && v.shape[1] === out.shape[1]);
  return channels !== undefined && BLOCKS[channels](node, block);
}

/**
 * Whether a node with a blocked result reads this plain input in vectors along the channels, or as a convolution that jumps from
 * channel to channel.
 */
function wantsBlocked(node: Node, v: Value, block: number): boolean {
  const out = output(node);
  const { elementwise, channels } = getOp(node.op).traits;
  if (v.shape.length !== 4 || !VECTORS.has(v.dtype) || v.shape[1] === 1) return false;
  if (elementwise) return v.shape.every((d, i) => d === out.shape[i]);
  return channels === "conv" && v === node.inputs[0] && Number(v.shape[1]) >= block;
}

/** Whether a node with a plain result reads better from a plain input: views then cost nothing, and reductions run along rows. */
function wantsPlain(node: Node): boolean {
  // Regions begin and end with plain values.
  const { traits } = getOp(node.op);
  if (node.regions !== undefined || traits.view === true) return true;
  if (traits.unordered === true) return false;
  return computeNode(node).nests.some((n) => n.kind === "reduce" || n.kind === "serial");
}

/** Conversions between layouts, each made once, by identity nodes. */
class Conversions {
  readonly nodes: Node[] = [];
  readonly #made = new Map<Value, Value>();

  convert(v: Value, layout: Layout): Value {
    const known = this.#made.get(v);
    if (known) return known;
    const { data: _data, ...type } = v;
    const value: Value = { ...type, name: `${v.name}:${layout.kind}`, layout };
    this.#made.set(v, value);
    this.add(v, value, []);
    return value;
  }

  add(from: Value, to: Value, origin: readonly string[]): void {
    this.nodes.push({ op: "identity", name: to.name, inputs: [from], outputs: [to], attrs: {}, origin });
  }
}

/** The node with its inputs converted to how it reads them best. */
function convertInputs(node: Node, toBlocked: boolean, blocked: Layout & { kind: "blocked" }, made: Conversions): Node {
  if (!toBlocked && !wantsPlain(node)) return node;
  const inputs = node.inputs.map((v) => {
    if (!v) return v;
    if (toBlocked) return !isBlocked(v) && wantsBlocked(node, v, blocked.block) ? made.convert(v, blocked) : v;
    return isBlocked(v) ? made.convert(v, PLAIN) : v;
  });
  return { ...node, inputs };
}

/** The graph with the layout of every value chosen for vectors of `block` floats; graph inputs and outputs stay plain. */
export function chooseLayouts(graph: Graph, block: number): Graph {
  const blocked = { kind: "blocked", block } as const;
  const renewed = new Map<Value, Value>();
  const final = new Set(graph.outputs);
  const made = new Conversions();
  for (const node of graph.nodes) {
    const current: Node = { ...node, inputs: node.inputs.map((v) => v && (renewed.get(v) ?? v)) };
    const toBlocked = blocks(current, block);
    const converted = convertInputs(current, toBlocked, blocked, made);
    if (!toBlocked) {
      made.nodes.push(converted);
      continue;
    }
    const result = output(node);
    const value: Value = { ...result, name: final.has(result) ? `${result.name}:blocked` : result.name, layout: blocked };
    renewed.set(result, value);
    made.nodes.push({ ...converted, outputs: [value] });
    if (final.has(result)) made.add(value, result, node.origin);
  }
  return { ...graph, nodes: made.nodes };
}
