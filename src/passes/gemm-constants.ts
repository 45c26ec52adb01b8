/** What a Gemm does to constants is done once. */
import type { Value } from "../ir/graph.ts";
import type { Rule } from "../ir/rewrite.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { floats, floatTensor, transposed } from "./constants.ts";
import { rulePass, type Pass } from "./pass.ts";

/** The constant with every element multiplied. */
function scaled(value: Value, factor: number): Tensor | undefined {
  const elements = floats(value);
  if (factor === 1 || !elements) return value.data;
  return floatTensor(
    value.data?.dims ?? [],
    elements.map((x) => x * factor),
  );
}

/** alpha goes into B, and a transposed constant B is stored as it is read. */
const plainMatrix: Rule = {
  name: "plain-gemm-matrix",
  match: (node, context) => {
    const { alpha = 1, transB = false, ...others } = node.attrs;
    const b = node.inputs[1];
    if (node.op !== "gemm" || (alpha === 1 && transB === false) || !b || !floats(b)) return undefined;
    const matrix = scaled(b, Number(alpha));
    if (!matrix) return undefined;
    const patch = context.patch(node);
    const plain = patch.constant(b.name, transB === true ? transposed(matrix, [1, 0]) : matrix);
    patch.op("gemm", [node.inputs[0], plain, node.inputs[2]], others, { replaces: node.outputs });
    return patch;
  },
};

/** beta goes into C. */
const plainAddend: Rule = {
  name: "plain-gemm-addend",
  match: (node, context) => {
    const { beta = 1, ...others } = node.attrs;
    const c = node.inputs[2];
    if (node.op !== "gemm" || beta === 1 || (c && !floats(c))) return undefined;
    const addend = c && scaled(c, Number(beta));
    const patch = context.patch(node);
    const inputs = [...node.inputs.slice(0, 2), c && addend && patch.constant(c.name, addend)];
    patch.op("gemm", inputs, others, { replaces: node.outputs });
    return patch;
  },
};

export const gemmConstants: Pass = rulePass("gemm-constants", "one form of Gemm for the schedules: A·B + C with B as it is read", [
  plainMatrix,
  plainAddend,
]);
