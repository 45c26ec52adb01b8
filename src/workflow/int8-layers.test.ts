import { expect, test } from "vitest";
import { opBuilder } from "../ops/index.ts";
import { tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { int8From } from "./int8.ts";

test.for([
  ["avx2", "faster", "float16", "fp16"],
  ["avx2", "all", "float32", "fp32"],
  ["wasm", "faster", "float32", "fp32"],
] as const)("a float layer of an int8 build for %s, %s: weights in %s", ([machine, layers, kept, precision]) => {
  const b = opBuilder("net");
  const x = b.input("x", "float32", [1, 64, 16, 16]);
  const w = (): ReturnType<typeof b.constant> => b.constant(tensor("float32", [64, 64, 1, 1], new Float32Array(4096).fill(0.1)));
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], group: 1 };
  const first = b.op("relu", [b.op("conv", [x, w()], attrs, { name: "first" })]);
  b.output(b.op("conv", [first, w()], attrs, { name: "last" }));
  const graph = b.finish();
  const names = graph.nodes.flatMap((n) => n.outputs.map((v) => v.name));
  const table = {
    ...{ model: "", method: "minmax", samples: [], float: new Map([["last", "it is asked to"]]) },
    ranges: new Map(["x", ...names].map((name) => [name, { min: 0, max: 8 }])),
  };
  const made = int8From({ table, photos: 0, skipped: [] }, "table.json", layers);
  const written = made.rewrite(graph, machine);
  const last = must(
    written.nodes.find((n) => n.name === "last"),
    "the last layer",
  );
  expect([last.op, last.inputs[1]?.dtype, last.inputs[1]?.data?.type]).toEqual(["conv", "float32", kept]);
  expect(made.layers()).toEqual({ int8: 1, float: [{ layer: "last", precision, why: "it is asked to" }] });
  // Multipliers are kept in two bytes everywhere.
  const first8 = must(
    written.nodes.find((n) => n.op === "quantizedConv"),
    "the first layer",
  );
  expect([first8.inputs[4]?.dtype, first8.inputs[4]?.data?.type]).toEqual(["float32", "bfloat16"]);
});
