import { expect, test } from "vitest";
import type { Graph, Value } from "../ir/graph.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { opBuilder } from "../ops/index.ts";
import { tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { equalisable, equalise, factorsFor } from "./equalise.ts";

const attrs = (group: number): Record<string, number | readonly number[]> => ({
  strides: [1, 1],
  dilations: [1, 1],
  pads: [1, 1, 1, 1],
  group,
});

/** conv, an activation, depthwise conv, depthwise conv, conv. */
function network(activation: string): Graph {
  const b = opBuilder("net");
  const constant = (dims: readonly number[], seed: number): Value =>
    b.constant(
      tensor(
        "float32",
        dims,
        Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 2.3 + seed)),
      ),
    );
  const x = b.input("x", "float32", [1, 2, 5, 6]);
  const first = b.op("conv", [x, constant([3, 2, 3, 3], 1), constant([3], 2)], attrs(1));
  const active = b.op(activation, [first], {}, { name: "active" });
  const deep = b.op("conv", [active, constant([3, 1, 3, 3], 3), constant([3], 4)], attrs(3), { name: "deep" });
  const deeper = b.op("conv", [deep, constant([3, 1, 3, 3], 5)], attrs(3));
  b.output(b.op("conv", [deeper, constant([4, 3, 3, 3], 6), constant([4], 7)], attrs(1), { name: "y" }));
  return b.finish();
}

const x = tensor(
  "float32",
  [1, 2, 5, 6],
  Float32Array.from({ length: 60 }, (_, i) => Math.cos(i * 0.7)),
);
const resultOf = (graph: Graph): readonly number[] => [...(must(evaluateGraph(graph, { x })["y"], "y").data as Float32Array)];
const FACTORS = new Map([
  ["active", [8, 0.3, 2]],
  ["deep", [1, 5, 40]],
]);

test.for(["relu", "leakyRelu"])("scaled channels behind %s leave the result as it was", (activation) => {
  const graph = network(activation);
  expect(equalisable(graph).map((v) => v.name)).toEqual(["active", "deep"]);
  const scaled = equalise(graph, FACTORS);
  const [want, got] = [resultOf(graph), resultOf(scaled)];
  got.forEach((v, i) => {
    expect(v).toBeCloseTo(want[i] ?? NaN, 3);
  });
  const weights = (g: Graph): unknown => g.nodes[0]?.inputs[1]?.data?.data;
  expect(weights(scaled)).not.toEqual(weights(graph));
});

test("what would not let a factor pass is left alone", () => {
  const graph = network("sigmoid");
  expect(equalisable(graph).map((v) => v.name)).toEqual(["deep"]);
  const [want, got] = [resultOf(graph), resultOf(equalise(graph, FACTORS))];
  got.forEach((v, i) => {
    expect(v).toBeCloseTo(want[i] ?? NaN, 3);
  });
});

test("every channel is brought to the greatest, a dead one is left, and none is scaled beyond reason", () => {
  expect(factorsFor([4, 1, 0, 1e-9])).toEqual([1, 4, 1, 256]);
});
