import { expect, test } from "vitest";
import { evaluateGraph } from "../../ops/evaluate.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import { importOnnx } from "./import.ts";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo, type AttributeValue } from "./write.ts";

const ints = (...list: number[]): readonly bigint[] => list.map(BigInt);
const f32 = (...list: number[]): Tensor => tensor("float32", [list.length], Float32Array.from(list));

function answer(op: string, attributes: Readonly<Record<string, AttributeValue>>, rows: readonly (readonly number[])[]): number[] {
  const dims = [rows.length, rows[0]?.length ?? 0];
  const model = onnxModel({
    opsetImport: [
      { domain: "", version: 21 },
      { domain: "ai.onnx.ml", version: 5 },
    ],
    graph: onnxGraph({
      node: [{ ...onnxNode(op, ["x"], ["y"], attributes), domain: "ai.onnx.ml" }],
      input: [onnxValueInfo("x", "float32", dims)],
      output: [onnxValueInfo("y", "float32", [])],
    }),
  });
  const y = evaluateGraph(importOnnx(model, { file: "test" }), { x: tensor("float32", dims, Float32Array.from(rows.flat())) })["y"];
  return Array.from((y?.data ?? []) as Float32Array);
}

/** x0 ≤ 1 ? (x1 in {2, 3} ? 10 : 20) : 30, and what is no number goes right at the root, and into the set. */
const TREE = {
  tree_roots: ints(0),
  nodes_featureids: ints(0, 1),
  nodes_modes: tensor("uint8", [2], Uint8Array.of(0, 6)),
  nodes_splits: f32(1, 0),
  nodes_truenodeids: ints(1, 0),
  nodes_trueleafs: ints(0, 1),
  nodes_falsenodeids: ints(2, 1),
  nodes_falseleafs: ints(1, 1),
  nodes_missing_value_tracks_true: ints(0, 1),
  membership_values: f32(2, 3, NaN),
  leaf_targetids: ints(0, 0, 0),
  leaf_weights: f32(10, 20, 30),
  n_targets: 1n,
};

const ROWS = [
  [1, 2],
  [0, 3],
  [0, 2.5],
  [2, 2],
  [NaN, 2],
  [0, NaN],
];

test("a row is led to a leaf", () => {
  expect(answer("TreeEnsemble", TREE, ROWS)).toEqual([10, 10, 20, 30, 30, 10]);
});

test("the votes of trees are combined", () => {
  const three = { ...TREE, tree_roots: ints(0, 1, 1) };
  const combined = (how: number): number[] => answer("TreeEnsemble", { ...three, aggregate_function: BigInt(how) }, ROWS.slice(2, 4));
  expect([0, 1, 2, 3].map(combined)).toEqual([[20, 50 / 3].map(Math.fround), [60, 50], [20, 10], [20, 30]]);
  expect(answer("TreeEnsemble", { ...TREE, leaf_weights: f32(0, 0, 0), post_transform: 2n }, ROWS.slice(0, 1))).toEqual([0.5]);
});

/** The older way: x0 < 0 ? (1 for both) : (2 for the second). */
const REGRESSOR = {
  nodes_treeids: ints(7, 7, 7),
  nodes_nodeids: ints(0, 1, 2),
  nodes_featureids: ints(0, 0, 0),
  nodes_modes: ["BRANCH_LT", "LEAF", "LEAF"],
  nodes_values: [0, 0, 0],
  nodes_truenodeids: ints(1, 0, 0),
  nodes_falsenodeids: ints(2, 0, 0),
  target_treeids: ints(7, 7, 7),
  target_nodeids: ints(1, 1, 2),
  target_ids: ints(0, 1, 1),
  target_weights: [1, 1, 2],
  base_values: [0.5, 0.25],
  n_targets: 2n,
};

test("leaves have several votes, and there is something to begin with", () => {
  expect(answer("TreeEnsembleRegressor", REGRESSOR, [[-1], [1]])).toEqual([1.5, 1.25, 0.5, 2.25]);
});

test("binarizer", () => {
  expect(answer("Binarizer", { threshold: 0.5 }, [[0, 0.5, 0.75]])).toEqual([0, 0, 1]);
});

test.each<[string, string, Readonly<Record<string, AttributeValue>>]>([
  ["back to the root", "leads back", { nodes_truenodeids: ints(1, 0), nodes_trueleafs: ints(0, 0) }],
  ["to itself", "leads back", { nodes_truenodeids: ints(0, 0) }],
  ["to no node", "leads nowhere", { nodes_truenodeids: ints(5, 0) }],
  ["to no leaf", "leads nowhere", { nodes_falsenodeids: ints(9, 1) }],
  ["before the first", "leads nowhere", { nodes_falsenodeids: ints(-1, 1) }],
  ["from no root", "leads nowhere", { tree_roots: ints(3) }],
  ["to a target that there is not", "votes for a target", { leaf_targetids: ints(0, 0, 1) }],
  ["by a feature that there is not", "compares a feature", { nodes_featureids: ints(0, 2) }],
  ["by a set that there is not", "a set of members", { membership_values: f32(1, 2) }],
  ["in a way that there is not", "compares in a way", { nodes_modes: tensor("uint8", [2], Uint8Array.of(0, 9)) }],
  ["by lists of two lengths", "not of one length", { nodes_trueleafs: ints(0) }],
  ["without trees", "there are none", { tree_roots: [] }],
])("a branch %s is refused", (_, message, change) => {
  let problems: readonly string[] = [];
  try {
    answer("TreeEnsemble", { ...TREE, ...change }, ROWS);
  } catch (error) {
    if (error instanceof HoneError) problems = error.problems.map((p) => p.message);
  }
  expect(problems).toEqual([expect.stringContaining(message)]);
});
