/** Padding before a window op is part of its window. */
import { input, type Attrs, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { integers, uniform } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** A pad by a constant on spatial axes only, none of them negative. */
interface SpatialPad {
  readonly node: Node;
  readonly x: Value;
  /** [begin…, end…] of the spatial axes. */
  readonly amounts: readonly number[];
  readonly value: number;
}

function spatialPad(value: Value | undefined, { producer }: RewriteContext): SpatialPad | undefined {
  const node = producer(value);
  if (node?.op !== "pad" || (node.attrs.mode ?? "constant") !== "constant") return undefined;
  const all = integers(node.inputs[1]);
  const fill = node.inputs[2] ? uniform(node.inputs[2]) : 0;
  const rank = input(node, 0).shape.length;
  if (!all || fill === undefined || all.length !== 2 * rank || all.some((n) => n < 0)) return undefined;
  if (all.some((n, i) => i % rank < 2 && n !== 0)) return undefined;
  return { node, x: input(node, 0), amounts: [...all.slice(2, rank), ...all.slice(rank + 2)], value: fill };
}

/** Whether no element is negative, seen from the op that makes the value. */
function isNonNegative(value: Value, context: RewriteContext): boolean {
  const node = context.producer(value);
  if (!node) return false;
  if (node.op === "clip") return Number(node.attrs.min ?? -Infinity) >= 0;
  if (node.op === "maxPool" || node.op === "averagePool" || node.op === "resize")
    return node.attrs.mode !== "cubic" && isNonNegative(input(node, 0), context);
  return node.op === "relu" || node.op === "sigmoid" || node.op === "abs" || node.op === "softmax";
}

const list = (attr: Attrs[string] | undefined): readonly number[] => (Array.isArray(attr) ? (attr as readonly number[]) : []);

/** Whether each window has an element that is not padding: else the pool would see its own neutral value instead. */
function windowsReach(node: Node, pads: readonly number[]): boolean {
  const kernel = list(node.attrs.kernel);
  const dilations = list(node.attrs.dilations);
  return pads.every((n, i) => n <= ((kernel[i % kernel.length] ?? 1) - 1) * (dilations[i % kernel.length] ?? 1));
}

/** Attributes of the window op with the padding in them, when the meaning stays. */
const WITH_PADS: Readonly<
  Record<string, (node: Node, pad: SpatialPad, pads: readonly number[], context: RewriteContext) => Attrs | undefined>
> = {
  conv: (_node, pad) => (pad.value === 0 ? {} : undefined),
  averagePool: (node, pad) => {
    const counts = node.attrs.countIncludePad === true || list(node.attrs.pads).every((n) => n === 0);
    return pad.value === 0 && counts && node.attrs.ceilMode !== true ? { countIncludePad: true } : undefined;
  },
  maxPool: (node, pad, pads, context) => {
    const neutral = pad.value === -Infinity || (pad.value === 0 && isNonNegative(pad.x, context));
    return neutral && windowsReach(node, pads) && node.attrs.ceilMode !== true ? {} : undefined;
  },
};

const padIntoWindow: Rule = {
  name: "pad-into-window",
  match: (node, context) => {
    const withPads = WITH_PADS[node.op];
    const pad = withPads && spatialPad(node.inputs[0], context);
    if (!withPads || !pad) return undefined;
    const own = list(node.attrs.pads);
    const pads = pad.amounts.map((n, i) => n + (own[i] ?? 0));
    const changed = withPads(node, pad, pads, context);
    if (!changed) return undefined;
    const patch = context.patch(node, pad.node);
    patch.op(node.op, [pad.x, ...node.inputs.slice(1)], { ...node.attrs, ...changed, pads }, { replaces: node.outputs });
    return patch;
  },
};

export const padFolding: Pass = rulePass("pad-folding", "spares a copy of the feature map; before normalisation looks for convolutions", [
  padIntoWindow,
]);
