/**
 * Activations that exporters write in pieces are one op again: the kernel then reads x once, and the op follows the product before it.
 * Formulas: GELU and its tanh form (Hendrycks, Gimpel, 2016), SiLU (Elfwing and others, 2017), hard swish (Howard and others, 2019).
 */
import type { Attrs, Node, Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { uniform } from "./constants.ts";
import { about, eitherWay, madeFor, productAt, raisedBy, scaledBy, type Product } from "./factors.ts";
import { rulePass, type Pass } from "./pass.ts";

interface Found {
  readonly op: string;
  readonly attrs: Attrs;
  /** The nodes that the gate was made of. */
  readonly nodes: readonly Node[];
}

/** The factor that x is multiplied by, and what it must be made of for the product to be an activation of x. */
type Gate = (x: Value, gate: Node, constant: number, context: RewriteContext) => Found | undefined;

/** Φ(x) doubled: erf(x / √2) + 1. */
const erfGate: Gate = (x, gate, constant, context) => {
  const sum = raisedBy(gate);
  const erf = madeFor(sum?.x, context);
  const inner = erf?.op === "erf" ? madeFor(erf.inputs[0], context) : undefined;
  const scaled = scaledBy(inner);
  if (!sum || !erf || !inner || scaled?.x !== x) return undefined;
  if (!about(sum.summand, 1) || !about(constant, 0.5) || !about(scaled.factor, Math.SQRT1_2)) return undefined;
  return { op: "gelu", attrs: {}, nodes: [gate, erf, inner] };
};

const CUBIC = 0.044715;

/** x multiplied by itself `times` times, and by a constant. */
function powerOf(x: Value, times: number, value: Value, context: RewriteContext): { factor: number; nodes: readonly Node[] } | undefined {
  const node = madeFor(value, context);
  const product = node && productAt(node, context);
  const { constant, factors, nodes } = product ?? { constant: 1, factors: [value], nodes: [] };
  if (factors.length === times && factors.every((f) => f === x)) return { factor: constant, nodes };
  const [only, ...more] = factors;
  const pow = more.length === 0 ? madeFor(only, context) : undefined;
  if (pow?.op !== "pow" || pow.inputs[0] !== x || uniform(pow.inputs[1]) !== times) return undefined;
  return { factor: constant, nodes: [...nodes, pow] };
}

/** x + 0.044715·x³: what is in the brackets. */
function cubicSum(x: Value, sum: Node | undefined, context: RewriteContext): readonly Node[] | undefined {
  for (const [one, rest] of sum?.op === "add" ? eitherWay(sum) : []) {
    const power = one === x ? powerOf(x, 3, rest, context) : undefined;
    if (sum && power && about(power.factor, CUBIC)) return [sum, ...power.nodes];
  }
  return undefined;
}

/** 1 + 0.044715·x²: what is in the brackets when x is outside. */
function squareSum(x: Value, sum: Node | undefined, context: RewriteContext): readonly Node[] | undefined {
  const raised = raisedBy(sum);
  const power = raised && about(raised.summand, 1) ? powerOf(x, 2, raised.x, context) : undefined;
  return sum && power && about(power.factor, CUBIC) ? [sum, ...power.nodes] : undefined;
}

/** The argument of tanh as √(2/π)·(x + 0.044715·x³), or with x outside of the brackets. */
function cubicOf(x: Value, node: Node, context: RewriteContext): readonly Node[] | undefined {
  const product = productAt(node, context);
  if (!product || !about(product.constant, Math.sqrt(2 / Math.PI))) return undefined;
  const { factors, nodes } = product;
  const [bracket] = factors.length === 1 ? factors : factors.filter((f) => f !== x);
  const sum = madeFor(bracket, context);
  const inside = factors.length === 1 ? cubicSum(x, sum, context) : undefined;
  const beside = factors.length === 2 && factors.includes(x) ? squareSum(x, sum, context) : undefined;
  const found = inside ?? beside;
  return found && [...nodes, ...found];
}

const tanhGate: Gate = (x, gate, constant, context) => {
  const sum = raisedBy(gate);
  const tanh = madeFor(sum?.x, context);
  const inner = tanh?.op === "tanh" ? madeFor(tanh.inputs[0], context) : undefined;
  if (!sum || !tanh || !inner || !about(sum.summand, 1) || !about(constant, 0.5)) return undefined;
  const nodes = cubicOf(x, inner, context);
  return nodes && { op: "gelu", attrs: { approximate: "tanh" }, nodes: [gate, tanh, ...nodes] };
};

const sigmoidGate: Gate = (x, gate, constant) =>
  gate.op === "sigmoid" && gate.inputs[0] === x && constant === 1 ? { op: "silu", attrs: {}, nodes: [gate] } : undefined;

/** clip(x / 6 + ½, 0, 1) */
const hardSigmoidGate: Gate = (x, gate, constant) => {
  if (gate.op !== "hardSigmoid" || gate.inputs[0] !== x || constant !== 1) return undefined;
  const { alpha = 0.2, beta = 0.5 } = gate.attrs;
  return about(Number(alpha), 1 / 6) && about(Number(beta), 0.5) ? { op: "hardSwish", attrs: {}, nodes: [gate] } : undefined;
};

/** The same as clip(x + 3, 0, 6), divided by 6. */
const clipGate: Gate = (x, gate, constant, context) => {
  const { min = -Infinity, max = Infinity } = gate.attrs;
  if (gate.op !== "clip" || min !== 0 || max !== 6 || !about(constant, 1 / 6)) return undefined;
  const sum = madeFor(gate.inputs[0], context);
  const raised = raisedBy(sum);
  return sum && raised?.x === x && about(raised.summand, 3) ? { op: "hardSwish", attrs: {}, nodes: [gate, sum] } : undefined;
};

const GATES: readonly Gate[] = [erfGate, tanhGate, sigmoidGate, hardSigmoidGate, clipGate];

function gated({ factors, constant }: Product, context: RewriteContext): (Found & { readonly x: Value }) | undefined {
  const [a, b] = factors;
  if (!a || !b || factors.length !== 2) return undefined;
  for (const [x, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const gate = madeFor(other, context);
    for (const match of gate ? GATES : []) {
      const found = gate && match(x, gate, constant, context);
      if (found) return { ...found, x };
    }
  }
  return undefined;
}

const inPieces: Rule = {
  name: "activation-in-pieces",
  match: (node, context) => {
    const product = productAt(node, context);
    const found = product && gated(product, context);
    if (!product || !found || found.x.dtype !== "float32") return undefined;
    const patch = context.patch(...product.nodes, ...found.nodes);
    patch.op(found.op, [found.x], found.attrs, { replaces: node.outputs });
    return patch;
  },
};

export const activations: Pass = rulePass(
  "activations",
  "x·Φ(x) and its kin, which exporters write in pieces, follow the product before them as one op; before transposes move between the pieces",
  [inPieces],
);
