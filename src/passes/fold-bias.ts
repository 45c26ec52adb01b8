/** What is added to a convolution or matrix product by a constant goes into its bias. */
import { input, output, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext, Rule } from "../ir/rewrite.ts";
import { floats, floatTensor, perChannel } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** A convolution or Gemm whose weights are constant, and whose result this node alone reads. */
export interface Affine {
  readonly node: Node;
  readonly x: Value;
  readonly w: Value;
  readonly weights: Float32Array;
  readonly bias: Value | undefined;
  readonly channels: number;
  readonly rank: number;
}

export function affineBefore(value: Value | undefined, context: RewriteContext): Affine | undefined {
  const node = context.producer(value);
  if (!value || !node || !context.usedOnce(value)) return undefined;
  if (node.op !== "conv" && !(node.op === "gemm" && plainGemm(node))) return undefined;
  const w = input(node, 1);
  const weights = floats(w);
  const channels = value.shape[1];
  const bias = node.inputs[2];
  if (!weights || typeof channels !== "number" || (bias && !perChannel(bias, 2, channels))) return undefined;
  return { node, x: input(node, 0), w, weights, bias, channels, rank: value.shape.length };
}

/** A·B or A·Bᵀ with factors 1: the rule for constants of Gemm brings others into this form. */
const plainGemm = ({ attrs }: Node): boolean => (attrs.alpha ?? 1) === 1 && (attrs.beta ?? 1) === 1;

/** The bias of each channel, zeros when there is none. */
export const biasOf = ({ bias, channels }: Affine): Float32Array => perChannel(bias, 2, channels) ?? new Float32Array(channels);

export const addIntoBias: Rule = {
  name: "add-into-bias",
  match: (node, context) => {
    if (node.op !== "add" && node.op !== "sub") return undefined;
    const affine = affineBefore(node.inputs[0], context);
    const added = affine && perChannel(node.inputs[1], affine.rank, affine.channels);
    if (!affine || !added || output(node).shape.length !== affine.rank) return undefined;
    const sign = node.op === "add" ? 1 : -1;
    const patch = context.patch(node, affine.node);
    const bias = biasOf(affine).map((b, i) => b + sign * (added[i] ?? 0));
    const value = patch.constant(`${affine.w.name}.bias`, floatTensor([affine.channels], bias));
    patch.op(affine.node.op, [affine.x, affine.w, value], affine.node.attrs, { name: affine.node.name, replaces: node.outputs });
    return patch;
  },
};

/** A product of matrices with constant weights is a Gemm, which has a bias. */
const matMulAsGemm: Rule = {
  name: "matmul-as-gemm",
  match: (node, context) => {
    const [a, b] = node.inputs;
    if (node.op !== "matMul" || a?.shape.length !== 2 || b?.shape.length !== 2 || !floats(b)) return undefined;
    const patch = context.patch(node);
    patch.op("gemm", [a, b], {}, { replaces: node.outputs });
    return patch;
  },
};

export const foldBias: Pass = rulePass("fold-bias", "an addition less for each convolution and Gemm", [matMulAsGemm, addIntoBias]);
