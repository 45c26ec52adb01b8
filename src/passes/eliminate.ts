/** Nodes that do nothing, or whose work the node before does as well. */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import type { Patch } from "../ir/patch.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { findOp } from "../ops/index.ts";
import { isStatic } from "../tensor/dim.ts";
import { int64Tensor, integers, sameShape, uniform } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** Whether the node gives its first input back unchanged, by op. */
const DOES_NOTHING: Readonly<Record<string, (node: Node, x: Value, y: Value) => boolean>> = {
  identity: () => true,
  cast: (_, x, y) => x.dtype === y.dtype,
  transpose: (node) => Array.isArray(node.attrs.perm) && node.attrs.perm.length > 0 && node.attrs.perm.every((axis, i) => axis === i),
  reshape: (_, x, y) => sameShape(x.shape, y.shape),
  flatten: (_, x, y) => sameShape(x.shape, y.shape),
  squeeze: (_, x, y) => sameShape(x.shape, y.shape),
  expand: (_, x, y) => sameShape(x.shape, y.shape),
  tile: (node) => uniform(node.inputs[1]) === 1,
  pad: (node) => uniform(node.inputs[1]) === 0,
  slice: (node, x, y) => sameShape(x.shape, y.shape) && (node.inputs[4] === undefined || uniform(node.inputs[4]) === 1),
  concat: (node) => node.inputs.length === 1,
  split: (node) => node.outputs.length === 1,
  resize: (node, x, y) => sameShape(x.shape, y.shape) && (node.inputs[1] === undefined || uniform(node.inputs[1]) === 1),
  mul: (node, x, y) => uniform(node.inputs[1]) === 1 && sameShape(x.shape, y.shape),
  div: (node, x, y) => uniform(node.inputs[1]) === 1 && sameShape(x.shape, y.shape),
  add: (node, x, y) => uniform(node.inputs[1]) === 0 && sameShape(x.shape, y.shape),
  sub: (node, x, y) => uniform(node.inputs[1]) === 0 && sameShape(x.shape, y.shape),
  pow: (node, x, y) => uniform(node.inputs[1]) === 1 && sameShape(x.shape, y.shape),
};

/** An output of the graph must be made by a node of its own, so an identity may have to stay. */
const mustStay = (x: Value, y: Value, { isOutput, producer }: RewriteContext): boolean => isOutput(y) && (isOutput(x) || !producer(x));

const doesNothing: Rule = {
  name: "does-nothing",
  match: (node, context) => {
    const test = DOES_NOTHING[node.op];
    if (!test) return undefined;
    const x = input(node, 0);
    const y = output(node);
    if (!test(node, x, y) || (node.op === "identity" && mustStay(x, y, context))) return undefined;
    return context.patch(node).replace(y, x);
  },
};

const COMMUTES = new Set(["add", "mul", "min", "max", "and", "or", "equal"]);

/** Constants stand to the right, so that other rules look there only. */
const constantRight: Rule = {
  name: "constant-right",
  match: (node, context) => {
    const [a, b] = node.inputs;
    if (!COMMUTES.has(node.op) || !a?.data || !b || b.data) return undefined;
    const patch = context.patch(node);
    patch.op(node.op, [b, a], node.attrs, { replaces: node.outputs });
    return patch;
  },
};

const isView = (node: Node | undefined): node is Node => node !== undefined && findOp(node.op)?.traits.view === true;

/** A view of a view is one reshape. */
const viewOfView: Rule = {
  name: "view-of-view",
  match: (node, context) => {
    const y = output(node);
    const inner = context.producer(node.inputs[0]);
    if (!isView(node) || !isView(inner) || inner.op === "identity" || node.op === "identity" || !isStatic(y.shape)) return undefined;
    const patch = context.patch(node, inner);
    const shape = patch.constant(`${y.name}.shape`, int64Tensor(y.shape));
    patch.op("reshape", [input(inner, 0), shape], { allowZero: true }, { replaces: [y] });
    return patch;
  },
};

/** The range to which an op limits its input: relu, or clip. */
function limits(node: Node | undefined): { readonly min: number; readonly max: number } | undefined {
  if (node?.op === "relu") return { min: 0, max: Infinity };
  if (node?.op !== "clip") return undefined;
  return { min: Number(node.attrs.min ?? -Infinity), max: Number(node.attrs.max ?? Infinity) };
}

/** relu and clip one after the other are one of them. */
const limitOfLimit: Rule = {
  name: "limit-of-limit",
  match: (node, context): Patch | undefined => {
    const inner = context.producer(node.inputs[0]);
    const outside = limits(node);
    const inside = limits(inner);
    if (!outside || !inside || !inner) return undefined;
    const clamp = (x: number): number => Math.min(Math.max(x, outside.min), outside.max);
    const [min, max] = [clamp(inside.min), clamp(inside.max)];
    const patch = context.patch(node, inner);
    if (min === 0 && max === Infinity) patch.op("relu", [inner.inputs[0]], {}, { replaces: node.outputs });
    else patch.op("clip", [inner.inputs[0]], { min, max }, { replaces: node.outputs });
    return patch;
  },
};

/** A dimension given by a constant shape needs no computing at run time; -1 and 0 are spelled out. */
const literalReshape: Rule = {
  name: "literal-reshape",
  match: (node, context) => {
    const y = output(node);
    if (node.op !== "reshape" || !isStatic(y.shape)) return undefined;
    const given = integers(node.inputs[1]);
    if (given && given.length === y.shape.length && given.every((d, i) => d === y.shape[i])) return undefined;
    const patch = context.patch(node);
    patch.op("reshape", [node.inputs[0], patch.constant(`${y.name}.shape`, int64Tensor(y.shape))], { allowZero: true }, { replaces: [y] });
    return patch;
  },
};

export const ELIMINATION: readonly Rule[] = [doesNothing, constantRight, viewOfView, limitOfLimit, literalReshape];

export const eliminate: Pass = rulePass("eliminate", "drops nodes that do nothing, so that patterns are next to each other", ELIMINATION);
