import { expect, test } from "vitest";
import { parseGraph } from "../ir/parse.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { inferOp } from "./pass.ts";
import { scaledProducts } from "./scaled-products.ts";

const QUERIES = 3;
const KEYS = 4;
const f32 = (dims: readonly number[], of: (i: number) => number): Tensor =>
  tensor(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => of(i)),
  );

const feeds = {
  q: f32([1, 2, QUERIES, 2], (i) => Math.sin(i)),
  k: f32([1, 2, KEYS, 2], (i) => Math.cos(3 * i)),
  // The second query may look at nothing.
  kept: tensor("bool", [QUERIES, KEYS], Uint8Array.of(1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0)),
};

/** softmax over what the lines make `%masked` of, from `%s`, the products, and `%bias`, 0 or -∞. */
const graph = (lines: string): string => `
graph "masked"(%q: float32[1,2,3,2], %k: float32[1,2,4,2], %kept: bool[3,4]) -> (%y) {
  %zero = const float32[] = [0]
  %none = const float32[] = [-Infinity]
  %lost = const float32[] = [-3.4028234663852886e38]
  %low = const float32[] = [-10000]
  %t = transpose(%k) {perm=[0, 1, 3, 2]}
  %s = matMul(%q, %t)
  %bias = where(%kept, %zero, %none)
${lines}
}`;

const GUARDED = `
  %masked = add(%s, %bias)
  %p = softmax(%masked) {axis=-1}
  %largest = reduceMax(%bias) {axes=[-1], keepDims=true}
  %empty = equal(%largest, %none)
  %shares = where(%empty, %zero, %p)
  %y = matMul(%shares, %k)`;
const replaced = (operands: string): string => `
  %masked = where(${operands})
  %p = softmax(%masked) {axis=-1}
  %y = matMul(%p, %k)`;

test.each<[string, string, boolean]>([
  ["rows that are masked as a whole give zeros", GUARDED, true],
  ["scores that are replaced by what is lost", replaced("%kept, %s, %lost"), true],
  ["the other way around", replaced("%kept, %lost, %s"), true],
  ["scores that are replaced by -∞: such a row has no answer", replaced("%kept, %s, %none"), true],
  ["not by a number that would only lower them", replaced("%kept, %s, %low"), false],
  ["not a guard over another mask", GUARDED.replace("reduceMax(%bias)", "reduceMax(%masked)"), false],
])("%s", (_, lines, found) => {
  const before = parseGraph(graph(lines), { infer: inferOp });
  const after = scaledProducts.run(before);
  expect(after.nodes.some((n) => n.op === "attention")).toBe(found);
  const [want, got] = [before, after].map((g) => Array.from((evaluateGraph(g, feeds)["y"]?.data ?? []) as Float32Array));
  expect(got).toHaveLength(2 * QUERIES * 2);
  got?.forEach((x, i) => {
    if (Number.isNaN(want?.[i])) expect(x).toBeNaN();
    else expect(x).toBeCloseTo(want?.[i] ?? NaN, 6);
  });
});
