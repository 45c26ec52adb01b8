import { expect, test } from "vitest";
import type { Value } from "../ir/graph.ts";
import { parseGraph } from "../ir/parse.ts";
import { printGraph } from "../ir/print.ts";
import { verifyGraph } from "../ir/verify.ts";
import { opBuilder } from "../ops/index.ts";
import { tensor } from "../tensor/tensor.ts";
import { halfWeights } from "./half-weights.ts";
import { inferOp } from "./pass.ts";

/** y = x·w, z = y·w, and w + w. */
function graphOf(numbers: readonly number[], added: boolean): ReturnType<ReturnType<typeof opBuilder>["finish"]> {
  const b = opBuilder("products");
  const x = b.input("x", "float32", [1, 2]);
  const w: Value = b.constant(tensor("float32", [2, 2], Float32Array.from(numbers)), "w");
  const y = b.op("matMul", [x, w], {}, { name: "first" });
  b.output(b.op("gemm", [y, w], {}, { name: "second" }), "z");
  if (added) b.output(b.op("add", [x, w], {}, { name: "sum" }), "s");
  return b.finish();
}

test("weights of several layers are kept once, rounded, in a graph that can be printed and read", () => {
  const { graph, layers, left } = halfWeights(graphOf([1, 0.1, -3, 2 ** -30], false), () => "float16");
  expect({ layers, left }).toEqual({ layers: 2, left: [] });
  verifyGraph(graph, inferOp);
  const [first, second] = graph.nodes.map((n) => n.inputs[1]);
  expect(first).toBe(second);
  expect(printGraph(graph)).toContain("%w = const float32[2,2] in float16 = [1, 0.099975586, -3, 0]");
  expect(printGraph(parseGraph(printGraph(graph), { infer: inferOp }))).toBe(printGraph(graph));
});

test("what is read otherwise too, by layers that differ, or is no float16, stays float32", () => {
  const numbers = [1, 2, 3, 65520];
  const weights = (g: typeof graph): unknown => g.nodes[0]?.inputs[1]?.data?.type;
  const graph = graphOf(numbers, false);
  const large = halfWeights(graph, () => "float16");
  expect(weights(large.graph)).toBe("float32");
  expect(large).toMatchObject({ layers: 0, left: [{ layer: "first", why: "a weight of 65520 is too large for float16" }] });
  expect(weights(halfWeights(graph, () => "bfloat16").graph)).toBe("bfloat16");
  expect(weights(halfWeights(graph, ({ name }) => (name === "first" ? "bfloat16" : undefined)).graph)).toBe("float32");
  expect(weights(halfWeights(graphOf(numbers, true), () => "bfloat16").graph)).toBe("float32");
  expect(halfWeights(graphOf([1, 2, 3, NaN], false), () => "bfloat16").left[0]?.why).toBe("its weights are not finite");
});
