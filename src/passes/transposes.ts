/**
 * Transposes meet and cancel. Models from TFLite come with one before and one after each convolution; moved towards the
 * outputs through what does not care about the order of axes, all but the first and last of them vanish.
 */
import { input, output, type Graph, type Node, type Value } from "../ir/graph.ts";
import { everywhere } from "../ir/regions.ts";
import { rewrite, type RewriteContext, type Rule } from "../ir/rewrite.ts";
import { isStatic } from "../tensor/dim.ts";
import { findOp } from "../ops/index.ts";
import { int64Tensor } from "./constants.ts";
import { ELIMINATION } from "./eliminate.ts";
import { inferOp, type Pass } from "./pass.ts";
import { composed, inverse, permutationOf, samePermutation, type Permutation } from "./permutation.ts";
import { sinkOf, untransposedConstant } from "./sink.ts";

const isTranspose = (node: Node | undefined): node is Node => node?.op === "transpose";

const merge: Rule = {
  name: "transpose-of-transpose",
  match: (node, context) => {
    const inner = isTranspose(node) ? context.producer(node.inputs[0]) : undefined;
    if (!isTranspose(inner)) return undefined;
    const patch = context.patch(node, inner);
    patch.op("transpose", [input(inner, 0)], { perm: composed(permutationOf(inner), permutationOf(node)) }, { replaces: node.outputs });
    return patch;
  },
};

/** The permutation by which every data input that is no constant is transposed. */
function commonPermutation(node: Node, { producer }: RewriteContext): Permutation | undefined {
  const transposes = node.inputs.map((v) => producer(v)).filter(isTranspose);
  const [first] = transposes;
  if (!first) return undefined;
  const perm = permutationOf(first);
  return transposes.every((t) => samePermutation(permutationOf(t), perm)) ? perm : undefined;
}

const sink: Rule = {
  name: "sink-transpose",
  match: (node, context) => {
    const rule = sinkOf(node);
    const perm = rule && commonPermutation(node, context);
    if (!rule || !perm || (findOp(node.op)?.traits.elementwise && output(node).shape.length !== perm.length)) return undefined;
    const before = node.inputs.flatMap((v) => context.producer(v) ?? []).filter(isTranspose);
    const patch = context.patch(node, ...before);
    const untransposed = (value: Value | undefined): Value | undefined => {
      const made = context.producer(value);
      if (isTranspose(made)) return input(made, 0);
      return value && untransposedConstant(value, perm, patch);
    };
    const sunk = rule(node, { perm, patch, untransposed });
    if (!sunk) return undefined;
    const results = patch.ops(node.op, sunk.inputs, sunk.attrs, { name: node.name, outputs: node.outputs.length });
    node.outputs.forEach((y, i) => {
      patch.op("transpose", [results[i]], { perm: sunk.perm }, { name: `${node.name}/transpose`, replaces: [y] });
    });
    return patch;
  },
};

/** A transpose that moves axes of size 1 only leaves all elements where they are. */
const asReshape: Rule = {
  name: "transpose-as-reshape",
  match: (node, context) => {
    if (!isTranspose(node)) return undefined;
    const x = input(node, 0);
    const y = output(node);
    const moving = permutationOf(node).filter((axis) => x.shape[axis] !== 1);
    if (!isStatic(y.shape) || moving.some((axis, i) => i > 0 && axis < (moving[i - 1] ?? 0))) return undefined;
    const patch = context.patch(node);
    patch.op("reshape", [x, patch.constant(`${y.name}.shape`, int64Tensor(y.shape))], { allowZero: true }, { replaces: [y] });
    return patch;
  },
};

/** Whether the value is a graph input, or made of one by ops of one operand that hoisting passes. */
function fromInput(value: Value | undefined, context: RewriteContext): boolean {
  let at = value;
  for (let node = context.producer(at); node; node = context.producer(at)) {
    if (!passes(node, context)) return false;
    at = node.inputs[0];
  }
  return at !== undefined && !at.data;
}

/** Elementwise with constants, or a pad, read by nothing else. */
const passes = (node: Node, { usedOnce }: RewriteContext): boolean =>
  (findOp(node.op)?.traits.elementwise === true || node.op === "pad") &&
  usedOnce(output(node)) &&
  output(node).shape.length === node.inputs[0]?.shape.length &&
  node.inputs.slice(1).every((v) => v?.data !== undefined || v === undefined);

/** Next to the graph's inputs transposes go the other way, so that what comes before the first convolution meets it. */
const hoist: Rule = {
  name: "hoist-transpose",
  match: (node, context) => {
    const above = isTranspose(node) ? context.producer(node.inputs[0]) : undefined;
    const rule = above && sinkOf(above);
    if (!above || !rule || !fromInput(node.inputs[0], context)) return undefined;
    const perm = permutationOf(node);
    const patch = context.patch(node, above);
    const first = patch.op("transpose", [input(above, 0)], { perm });
    // above = its sunk form transposed by the inverse; node transposes it back.
    const back = inverse(perm);
    const sunk = rule(above, {
      perm: back,
      patch,
      untransposed: (value) => (value === above.inputs[0] ? first : value && untransposedConstant(value, back, patch)),
    });
    if (!sunk) return undefined;
    patch.op(above.op, sunk.inputs, sunk.attrs, { name: above.name, replaces: node.outputs });
    return patch;
  },
};

export const transposes: Pass = {
  name: "transposes",
  reason: "models with channels last bring a pair of transposes for each convolution, which cancel",
  run: (graph) => everywhere(graph, moved),
};

function moved(graph: Graph): Graph {
  const sunk = rewrite(graph, [...ELIMINATION, merge, sink], inferOp);
  const hoisted = rewrite(sunk, [...ELIMINATION, merge, hoist], inferOp);
  return rewrite(hoisted, [...ELIMINATION, asReshape], inferOp);
}
