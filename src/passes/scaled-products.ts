/** softmax(q·kᵀ·scale + mask)·v, which exporters write in pieces, is one op: no matrix of all scores is kept. */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import type { Patch } from "../ir/patch.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { dimEquals } from "../tensor/dim.ts";
import { tensor } from "../tensor/tensor.ts";
import { uniform } from "./constants.ts";
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
  readonly mask?: Mask;
  readonly nodes: readonly Node[];
}

/** What is added to the scores: a value, or `below` where they are not kept. */
type Mask = { readonly value: Value } | { readonly kept: Value; readonly where: boolean; readonly below: number };

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
    if (scores && sameShape(product, value)) return { ...scores, mask: { value: mask }, nodes: [sum, ...scores.nodes] };
  }
  return undefined;
}

/** Numbers so low that a score is lost in the sum: to replace one by them, and to add them to it, are the same. */
const LOST = -1e30;

/** Scores of which some are replaced by a number so low that nothing is left of them. */
function replacedScores(value: Value, context: RewriteContext): Scores | undefined {
  const node = madeFor(value, context);
  if (node?.op !== "where") return undefined;
  const [kept, yes, no] = [input(node, 0), input(node, 1), input(node, 2)];
  for (const [product, other, where] of [[yes, no, true] as const, [no, yes, false] as const]) {
    const below = uniform(other);
    if (below === undefined || below > LOST || !sameShape(product, value)) continue;
    const scores = productOf(product, context);
    if (scores) return { ...scores, mask: { kept, where, below }, nodes: [node, ...scores.nodes] };
  }
  return undefined;
}

/** The mask as a value to add. */
function maskOf(patch: Patch, mask: Mask | undefined, name: string): Value | undefined {
  if (!mask || "value" in mask) return mask?.value;
  const numbers = [0, mask.below].map((x) =>
    patch.constant(`${name}/${x === 0 ? "kept" : "below"}`, tensor("float32", [], Float32Array.of(x))),
  );
  return patch.op("where", [mask.kept, ...(mask.where ? numbers : numbers.reverse())], {}, { name: `${name}/mask` });
}

interface Shares {
  readonly softmax: Node;
  readonly nodes: readonly Node[];
  /** What is -∞ all along a row whose shares are zeros. */
  readonly guard?: Value;
}

const isAlongRows = ({ attrs: { axes, keepDims } }: Node, { shape }: Value): boolean =>
  Array.isArray(axes) && axes.length === 1 && [-1, shape.length - 1].includes(Number(axes[0])) && keepDims !== false;

/** What is -∞ all along a row where the condition holds: the largest of it is. */
function guardOf(condition: Value, context: RewriteContext): Value | undefined {
  const equal = context.producer(condition);
  if (equal?.op !== "equal" || uniform(equal.inputs[1]) !== -Infinity) return undefined;
  const largest = context.producer(equal.inputs[0]);
  const mask = largest?.op === "reduceMax" ? largest.inputs[0] : undefined;
  return largest && mask && isAlongRows(largest, mask) ? mask : undefined;
}

/** The softmax whose result is multiplied, perhaps with zeros for rows that are masked as a whole. */
function sharesOf(value: Value | undefined, context: RewriteContext): Shares | undefined {
  const node = madeFor(value, context);
  if (!node || isRowSoftmax(node)) return node && { softmax: node, nodes: [node] };
  const [condition, zero, shares] = node.op === "where" ? node.inputs : [];
  const softmax = madeFor(shares, context);
  if (!condition || uniform(zero) !== 0 || !softmax || !isRowSoftmax(softmax) || !sameShape(output(softmax), output(node)))
    return undefined;
  const nodes = [node, softmax];
  // A mask that is known says by itself that no row is empty.
  if (uniform(condition) === 0) return { softmax, nodes };
  const guard = guardOf(condition, context);
  return guard && { softmax, nodes, guard };
}

const isRowSoftmax = (node: Node): boolean => {
  const { axis = -1 } = node.attrs;
  return node.op === "softmax" && (axis === -1 || axis === (node.inputs[0]?.shape.length ?? 0) - 1);
};

/** The permutation with its last two axes exchanged. */
const exchanged = (perm: readonly number[]): readonly number[] => [...perm.slice(0, -2), perm.at(-1) ?? 0, perm.at(-2) ?? 0];

/** Whether the operands have batches of matrices, all of one rank. */
function areHeads({ q, turned }: Scores, v: Value): boolean {
  const rank = q.shape.length;
  return v.dtype === "float32" && rank >= 3 && v.shape.length === rank && output(turned).shape.length === rank;
}

/** Rows are zeros when all of what is added to their scores is -∞, and nothing else is asked for. */
const guards = ({ guard }: Shares, { mask }: Scores): boolean =>
  guard === undefined || (mask !== undefined && "value" in mask && mask.value === guard);

const product: Rule = {
  name: "scaled-dot-product",
  match: (node, context) => {
    const shares = node.op === "matMul" ? sharesOf(node.inputs[0], context) : undefined;
    if (!shares) return undefined;
    const given = input(shares.softmax, 0);
    const scores = scoresOf(given, context) ?? replacedScores(given, context);
    if (!scores || !areHeads(scores, input(node, 1)) || !guards(shares, scores)) return undefined;
    const { q, turned, scale, mask, nodes } = scores;
    const patch = context.patch(node, ...shares.nodes, ...nodes);
    const k = patch.op("transpose", [input(turned, 0)], { perm: exchanged(permutationOf(turned)) }, { name: `${turned.name}/keys` });
    const inputs = [q, k, input(node, 1), maskOf(patch, mask, node.name)];
    const attrs = { scale, ...(shares.guard ? { emptyRows: true } : {}) };
    patch.op("attention", inputs, attrs, { replaces: node.outputs });
    return patch;
  },
};

/** The node with other operands, and the factor in its scale. */
function scaleInto(node: Node, factor: number, inputs: readonly (Value | undefined)[], patch: Patch): Patch {
  patch.op("attention", inputs, { ...node.attrs, scale: Number(node.attrs["scale"] ?? 1) * factor }, { replaces: node.outputs });
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
