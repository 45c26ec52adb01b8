/** softmax(q·kᵀ·scale + mask)·v, which exporters write in pieces, is one op: no matrix of all scores is kept. */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import type { Patch } from "../ir/patch.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { dimEquals } from "../tensor/dim.ts";
import { eitherWay, madeFor, scaledBy } from "./factors.ts";
import { rulePass, type Pass } from "./pass.ts";
import { permutationOf } from "./permutation.ts";

const sameShape = (a: Value, b: Value): boolean =>
  a.shape.length === b.shape.length && a.shape.every((d, i) => dimEquals(d, b.shape[i] ?? 1));

interface Scores {
  readonly q: Value;
  /** What makes the right-hand side of the product. */
  readonly turned: Node;
  readonly scale: number;
  readonly mask?: Value;
  readonly nodes: readonly Node[];
}

interface Scaled {
  readonly value: Value;
  readonly factor: number;
  readonly nodes: readonly Node[];
}

/** The value without the numbers that it is multiplied by. */
function unscaled(value: Value, context: RewriteContext): Scaled {
  const node = madeFor(value, context);
  const scaled = scaledBy(node);
  if (!node || !scaled) return { value, factor: 1, nodes: [] };
  const inner = unscaled(scaled.x, context);
  return { value: inner.value, factor: scaled.factor * inner.factor, nodes: [node, ...inner.nodes] };
}

/** q·kᵀ with factors, if that is what the value is. */
function productOf(value: Value, context: RewriteContext): Scores | undefined {
  const scores = unscaled(value, context);
  const product = madeFor(scores.value, context);
  if (product?.op !== "matMul") return undefined;
  const keys = unscaled(input(product, 1), context);
  const turned = context.producer(keys.value);
  if (turned?.op !== "transpose") return undefined;
  const nodes = [...scores.nodes, product, ...keys.nodes];
  return { q: input(product, 0), turned, scale: scores.factor * keys.factor, nodes };
}

/** The same, perhaps with one thing added that has no more elements than the scores. */
function scoresOf(value: Value, context: RewriteContext): Scores | undefined {
  const sum = madeFor(value, context);
  if (sum?.op !== "add") return productOf(value, context);
  for (const [product, mask] of eitherWay(sum)) {
    const scores = productOf(product, context);
    if (scores && sameShape(product, value)) return { ...scores, mask, nodes: [sum, ...scores.nodes] };
  }
  return undefined;
}

const isRowSoftmax = (node: Node | undefined): node is Node => {
  const { axis = -1 } = node?.attrs ?? {};
  return node?.op === "softmax" && (axis === -1 || axis === (node.inputs[0]?.shape.length ?? 0) - 1);
};

/** The permutation with its last two axes exchanged. */
const exchanged = (perm: readonly number[]): readonly number[] => [...perm.slice(0, -2), perm.at(-1) ?? 0, perm.at(-2) ?? 0];

/** Whether the operands have batches of matrices, all of one rank. */
function areHeads({ q, turned }: Scores, v: Value): boolean {
  const rank = q.shape.length;
  return v.dtype === "float32" && rank >= 3 && v.shape.length === rank && output(turned).shape.length === rank;
}

const product: Rule = {
  name: "scaled-dot-product",
  match: (node, context) => {
    const softmax = node.op === "matMul" ? madeFor(node.inputs[0], context) : undefined;
    const scores = isRowSoftmax(softmax) ? scoresOf(input(softmax, 0), context) : undefined;
    if (!softmax || !scores || !areHeads(scores, input(node, 1))) return undefined;
    const { q, turned, scale, mask, nodes } = scores;
    const patch = context.patch(node, softmax, ...nodes);
    const k = patch.op("transpose", [input(turned, 0)], { perm: exchanged(permutationOf(turned)) }, { name: `${turned.name}/keys` });
    patch.op("attention", [q, k, input(node, 1), mask], { scale }, { replaces: node.outputs });
    return patch;
  },
};

/** The node with other operands, and the factor in its scale. */
function scaleInto(node: Node, factor: number, inputs: readonly (Value | undefined)[], patch: Patch): Patch {
  patch.op("attention", inputs, { scale: Number(node.attrs["scale"] ?? 1) * factor }, { replaces: node.outputs });
  return patch;
}

/** Numbers that q is multiplied by are parts of the scale. */
const scaleOfQueries: Rule = {
  name: "scale-of-queries",
  match: (node, context) => {
    const q = node.op === "attention" ? unscaled(input(node, 0), context) : undefined;
    if (!q || q.nodes.length === 0) return undefined;
    return scaleInto(node, q.factor, [q.value, ...node.inputs.slice(1)], context.patch(node, ...q.nodes));
  },
};

/** So are those of k before it is transposed. */
const scaleOfKeys: Rule = {
  name: "scale-of-keys",
  match: (node, context) => {
    const turned = node.op === "attention" ? madeFor(node.inputs[1], context) : undefined;
    const k = turned?.op === "transpose" ? unscaled(input(turned, 0), context) : undefined;
    if (!turned || !k || k.nodes.length === 0) return undefined;
    const patch = context.patch(node, turned, ...k.nodes);
    const keys = patch.op("transpose", [k.value], turned.attrs, { name: turned.name });
    return scaleInto(node, k.factor, [node.inputs[0], keys, ...node.inputs.slice(2)], patch);
  },
};

export const scaledProducts: Pass = rulePass(
  "scaled-products",
  "the scores of all queries need not be in memory at once; before transposes move, so that the keys' is found where exporters put it",
  [product, scaleOfQueries, scaleOfKeys],
);
