import { expect, test } from "vitest";
import { makeConstant, makeValue, type Graph, type Value } from "../ir/graph.ts";
import { tensor } from "../tensor/tensor.ts";
import { nanWeights } from "./nan-weights.ts";

const graphOf = (constants: readonly Value[], regions: readonly Graph[] = []): Graph => {
  const y = makeValue("y", { dtype: "float32", shape: [1] });
  return {
    name: "g",
    inputs: [],
    outputs: [y],
    nodes: [{ op: "concat", name: "n", inputs: constants, outputs: [y], attrs: {}, origin: [], regions }],
  };
};

test("weights with NaN are found, of each float type and in regions; infinity is none", () => {
  const floats = makeConstant("floats", tensor("float32", [3], new Float32Array([NaN, Infinity, 1])));
  const whole = makeConstant("whole", tensor("float32", [2], new Float32Array([-Infinity, 0])));
  const half = makeConstant("half", tensor("float16", [4], new Uint16Array([0x7c00, 0xfc00, 0x7c01, 0xfe00])));
  const brain = makeConstant("brain", tensor("bfloat16", [2], new Uint16Array([0xff80, 0xffc0])));
  const integers = makeConstant("integers", tensor("uint16", [1], new Uint16Array([0xfe00])));
  expect(nanWeights(graphOf([floats, whole, half, integers, floats], [graphOf([brain])]))).toEqual([
    { name: "floats", nan: 1, of: 3 },
    { name: "half", nan: 2, of: 4 },
    { name: "brain", nan: 1, of: 2 },
  ]);
});
