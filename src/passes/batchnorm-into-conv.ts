/** Batch normalisation at inference is a scale and a shift of each channel, which the convolution before it can do. */
import { input, output, type Value } from "../ir/graph.ts";
import type { Rule } from "../ir/rewrite.ts";
import { channelDims, floats, floatTensor, perChannel } from "./constants.ts";
import { addIntoBias, affineBefore, biasOf, type Affine } from "./fold-bias.ts";
import { rulePass, type Pass } from "./pass.ts";

/** Into x·s + t, with s = scale / √(variance + ε) and t = bias - mean·s. */
const asScaleAndShift: Rule = {
  name: "batchnorm-as-scale-and-shift",
  match: (node, context) => {
    if (node.op !== "batchNorm") return undefined;
    const [scale, bias, mean, variance] = node.inputs.slice(1).map(floats);
    if (!scale || !bias || !mean || !variance) return undefined;
    const x = input(node, 0);
    const rank = x.shape.length;
    if (rank < 2) return undefined;
    const epsilon = Number(node.attrs.epsilon ?? 1e-5);
    const factor = Array.from(scale, (s, i) => s / Math.sqrt((variance[i] ?? 0) + epsilon));
    const shift = factor.map((s, i) => (bias[i] ?? 0) - (mean[i] ?? 0) * s);
    const patch = context.patch(node);
    const constant = (name: string, numbers: readonly number[]): Value =>
      patch.constant(`${node.name}.${name}`, floatTensor(channelDims(rank, numbers.length), numbers));
    const scaled = patch.op("mul", [x, constant("scale", factor)]);
    patch.op("add", [scaled, constant("shift", shift)], {}, { replaces: [output(node)] });
    return patch;
  },
};

/** The weights with each output channel scaled. */
function scaledWeights({ node, weights, channels, w }: Affine, factor: ArrayLike<number>): Float32Array {
  // Output channels are the outermost axis of a convolution's weights and of Bᵀ, the innermost of B.
  const outer = node.op === "conv" || node.attrs.transB === true;
  const inner = w.data && outer ? weights.length / channels : 1;
  return weights.map((v, i) => v * (factor[outer ? Math.floor(i / inner) : i % channels] ?? 1));
}

const scaleIntoWeights: Rule = {
  name: "scale-into-weights",
  match: (node, context) => {
    if (node.op !== "mul" && node.op !== "div") return undefined;
    const affine = affineBefore(node.inputs[0], context);
    const given = affine && perChannel(node.inputs[1], affine.rank, affine.channels);
    if (!affine || !given || output(node).shape.length !== affine.rank) return undefined;
    const factor = Array.from(given, (s) => (node.op === "mul" ? s : 1 / s));
    if (!factor.every(Number.isFinite)) return undefined;
    const patch = context.patch(node, affine.node);
    const weights = patch.constant(affine.w.name, floatTensor(affine.w.data?.dims ?? [], scaledWeights(affine, factor)));
    const bias =
      affine.bias &&
      patch.constant(
        affine.bias.name,
        floatTensor(
          [affine.channels],
          biasOf(affine).map((b, i) => b * (factor[i] ?? 1)),
        ),
      );
    patch.op(affine.node.op, [affine.x, weights, bias], affine.node.attrs, { name: affine.node.name, replaces: node.outputs });
    return patch;
  },
};

export const batchNormIntoConv: Pass = rulePass(
  "batchnorm-into-conv",
  "normalisation costs nothing when it is in the weights; after padding is folded, so that convolutions stand next to it",
  [asScaleAndShift, scaleIntoWeights, addIntoBias],
);
