import { expect, test } from "vitest";
import { parseGraph } from "../ir/parse.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { getOp } from "../ops/index.ts";
import { tensor } from "../tensor/tensor.ts";
import { applyInt8 } from "./apply.ts";
import { planInt8 } from "./plan.ts";
import { applyQdq } from "./qdq.ts";

test.each([
  ["int8", applyInt8],
  ["between pairs", applyQdq],
] as const)("%s: branches that stay float keep their bodies", (_, apply) => {
  const graph = parseGraph(
    `graph "g"(%x: float32[2], %flag: bool[]) -> (%y) {
      %y = if(%flag, %x) regions [
        graph "then"(%a: float32[2]) -> (%b) { %b = exp(%a) },
        graph "else"(%a: float32[2]) -> (%b) { %b = neg(%a) }
      ]
    }`,
    { infer: (op, inputs, attrs, outputs, regions) => getOp(op).infer(inputs, attrs, outputs, regions) },
  );
  const rewritten = apply(planInt8(graph), new Map());
  const x = tensor("float32", [2], Float32Array.of(1, -2));
  for (const flag of [0, 1]) {
    const feeds = { x, flag: tensor("bool", [], Uint8Array.of(flag)) };
    expect(evaluateGraph(rewritten, feeds)).toEqual(evaluateGraph(graph, feeds));
  }
});
