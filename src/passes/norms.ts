/** LayerNorm and RMSNorm, which exporters write in pieces, are one op again: one kernel that goes over each row while it is near. */
import { input, output, type Attrs, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { dimEquals } from "../tensor/dim.ts";
import { uniform } from "./constants.ts";
import { eitherWay, madeFor, raisedBy } from "./factors.ts";
import { rulePass, type Pass } from "./pass.ts";

/** Whether the axes are the last one alone. */
function isLast(axes: Attrs[string] | undefined, rank: number): boolean {
  return Array.isArray(axes) && axes.length === 1 && (axes[0] === -1 || axes[0] === rank - 1);
}

/** Whether the node is the mean of each row along the last axis. */
function isRowMean(node: Node | undefined): node is Node {
  if (node?.op !== "reduceMean" || node.attrs.keepDims === false) return false;
  return isLast(node.attrs.axes, node.inputs[0]?.shape.length ?? 0);
}

/** x² in either spelling: x. */
function squared(node: Node | undefined): Value | undefined {
  const [x, y] = node?.inputs ?? [];
  if (node?.op === "mul" && x === y) return x;
  return node?.op === "pow" && uniform(y) === 2 ? x : undefined;
}

interface Root {
  readonly x: Value;
  readonly epsilon: number;
  readonly nodes: readonly Node[];
}

/** √(mean of x² + ε) for each row, of which nothing else reads a part. */
function rootOf(value: Value | undefined, context: RewriteContext): Root | undefined {
  const root = madeFor(value, context);
  const sum = root?.op === "sqrt" ? madeFor(root.inputs[0], context) : undefined;
  const raised = raisedBy(sum);
  const mean = madeFor(raised?.x, context);
  const square = isRowMean(mean) ? madeFor(mean.inputs[0], context) : undefined;
  const x = squared(square);
  return root && sum && raised && mean && square && x && x.dtype === "float32"
    ? { x, epsilon: raised.summand, nodes: [root, sum, mean, square] }
    : undefined;
}

/** The value whose reciprocal the node gives, as an op of its own or as 1 / x. */
function inverted(node: Node | undefined): Value | undefined {
  const [x, y] = node?.inputs ?? [];
  if (node?.op === "reciprocal") return x;
  return node?.op === "div" && x?.data && uniform(x) === 1 && x.shape.every((d) => d === 1) ? y : undefined;
}

/** x over its root, or times the reciprocal of it. */
function overRoot(node: Node, context: RewriteContext): Root | undefined {
  const [x, y] = node.inputs;
  if (node.op === "div") {
    const root = rootOf(y, context);
    return root?.x === x ? root : undefined;
  }
  if (node.op !== "mul") return undefined;
  for (const [value, factor] of eitherWay(node)) {
    const inverse = madeFor(factor, context);
    const root = rootOf(inverted(inverse), context);
    if (inverse && root && root.x === value) return { ...root, nodes: [inverse, ...root.nodes] };
  }
  return undefined;
}

const rootMeanSquare: Rule = {
  name: "rms-norm",
  match: (node, context) => {
    const root = overRoot(node, context);
    if (!root) return undefined;
    const patch = context.patch(node, ...root.nodes);
    patch.op("rmsNorm", [root.x], { axis: -1, epsilon: root.epsilon }, { replaces: node.outputs });
    return patch;
  },
};

/** The x of x − mean(x), the mean of each row. */
function centred(node: Node | undefined, { producer }: RewriteContext): { readonly x: Value; readonly mean: Node } | undefined {
  const [x, m] = node?.inputs ?? [];
  const mean = node?.op === "sub" ? producer(m) : undefined;
  return x && isRowMean(mean) && mean.inputs[0] === x ? { x, mean } : undefined;
}

const layerNorm: Rule = {
  name: "layer-norm",
  match: (node, context) => {
    const difference = node.op === "rmsNorm" && !node.inputs[1] ? madeFor(node.inputs[0], context) : undefined;
    const found = centred(difference, context);
    if (!difference || !found) return undefined;
    const patch = context.patch(node, difference, found.mean);
    patch.op("layerNorm", [found.x], node.attrs, { replaces: node.outputs });
    return patch;
  },
};

/** Whether the value is a number or has one for each element of a row. */
function ofRows(value: Value, y: Value): boolean {
  if (value.dtype !== y.dtype || value.shape.length > y.shape.length) return false;
  return value.shape.every((d, i) => d === 1 || (i === value.shape.length - 1 && dimEquals(d, y.shape.at(-1) ?? 1)));
}

/** The norm before the node, and the node's other operand where that is the same for every row. */
function afterNorm(node: Node, context: RewriteContext): { readonly norm: Node; readonly by: Value } | undefined {
  for (const [value, by] of eitherWay(node)) {
    const norm = madeFor(value, context);
    if (norm && (norm.op === "layerNorm" || norm.op === "rmsNorm") && ofRows(by, output(norm))) return { norm, by };
  }
  return undefined;
}

const scale: Rule = {
  name: "scale-of-norm",
  match: (node, context) => {
    const found = node.op === "mul" ? afterNorm(node, context) : undefined;
    if (!found || found.norm.inputs[1] || found.norm.inputs[2]) return undefined;
    const patch = context.patch(node, found.norm);
    patch.op(found.norm.op, [found.norm.inputs[0], found.by], found.norm.attrs, { replaces: node.outputs });
    return patch;
  },
};

const bias: Rule = {
  name: "bias-of-norm",
  match: (node, context) => {
    const found = node.op === "add" ? afterNorm(node, context) : undefined;
    if (found?.norm.op !== "layerNorm" || found.norm.inputs[2]) return undefined;
    const [x, factor] = found.norm.inputs;
    const patch = context.patch(node, found.norm);
    patch.op("layerNorm", [x, factor, found.by], found.norm.attrs, { replaces: node.outputs });
    return patch;
  },
};

interface Folded {
  readonly x: Value;
  readonly gamma: Value;
  readonly beta: Value;
  readonly attrs: Attrs;
  readonly nodes: readonly Node[];
}

/** γ / √(variance + ε), the variance that of the rows of x. */
function gainOf(x: Value, gain: Node, context: RewriteContext): Pick<Folded, "gamma" | "attrs" | "nodes"> | undefined {
  for (const [value, gamma] of eitherWay(gain)) {
    const inverse = madeFor(value, context);
    const root = rootOf(inverted(inverse), context);
    if (!inverse || !root || !ofRows(gamma, x) || centred(context.producer(root.x), context)?.x !== x) continue;
    return { gamma, attrs: { axis: -1, epsilon: root.epsilon }, nodes: [gain, inverse, ...root.nodes] };
  }
  return undefined;
}

interface Shifted {
  readonly x: Value;
  readonly beta: Value;
  readonly gain: Node;
  readonly nodes: readonly Node[];
}

/** The factors x and g of a product and mean·g that is taken away, where nothing else reads g. */
function sharedGain(product: Node, taken: Node, context: RewriteContext): Pick<Shifted, "x" | "gain" | "nodes"> | undefined {
  for (const [x, g] of eitherWay(product)) {
    const gain = context.producer(g);
    const mean = context.producer(taken.inputs.find((v) => v !== g));
    if (gain?.op !== "mul" || !taken.inputs.includes(g) || !isReadTwice(g, context)) continue;
    if (isRowMean(mean) && mean.inputs[0] === x) return { x, gain, nodes: [product, taken, mean] };
  }
  return undefined;
}

/** x·g + (β − mean·g) */
function shiftedRows(node: Node, context: RewriteContext): Shifted | undefined {
  for (const [left, right] of eitherWay(node)) {
    const [product, shift] = [madeFor(left, context), madeFor(right, context)];
    const taken = shift?.op === "sub" ? madeFor(shift.inputs[1], context) : undefined;
    if (!shift || product?.op !== "mul" || taken?.op !== "mul") continue;
    const shared = sharedGain(product, taken, context);
    if (shared) return { ...shared, beta: input(shift, 0), nodes: [shift, ...shared.nodes] };
  }
  return undefined;
}

const isReadTwice = (value: Value, { isOutput, consumers }: RewriteContext): boolean => !isOutput(value) && consumers(value).length === 2;

/** As TensorFlow's batch_normalization has it. */
function foldedNorm(node: Node, context: RewriteContext): Folded | undefined {
  const shifted = node.op === "add" ? shiftedRows(node, context) : undefined;
  const gain = shifted && gainOf(shifted.x, shifted.gain, context);
  if (!shifted || !gain || !ofRows(shifted.beta, shifted.x)) return undefined;
  return { ...gain, x: shifted.x, beta: shifted.beta, nodes: [...shifted.nodes, ...gain.nodes] };
}

const folded: Rule = {
  name: "folded-layer-norm",
  match: (node, context) => {
    const found = foldedNorm(node, context);
    if (!found) return undefined;
    const patch = context.patch(node, ...found.nodes);
    patch.op("layerNorm", [found.x, found.gamma, found.beta], found.attrs, { replaces: node.outputs });
    return patch;
  },
};

export const norms: Pass = rulePass(
  "norms",
  "five kernels less for each LayerNorm that an exporter wrote in pieces; after equal nodes are one, since some have the difference twice",
  [rootMeanSquare, layerNorm, scale, bias, folded],
);
