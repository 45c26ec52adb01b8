/** Bet 1: the convolutions that C is printed from, through WebAssembly, equal the interpreter's textbook nests. */
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../src/compiler/compile.ts";
import type { Call } from "../../src/compiler/program.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import { interpret } from "../../src/loop/interpret/interpret.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { loadWasm } from "../../src/targets/testing/wasm.ts";
import { DTYPES, type TypedArray } from "../../src/tensor/dtype.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { noise } from "../../scripts/bench/cases.ts";

type Builder = ReturnType<typeof opBuilder>;
const weights = (b: Builder, dims: readonly number[], seed: number): Value =>
  b.constant(
    tensor(
      "float32",
      dims,
      noise(
        dims.reduce((n, d) => n * d, 1),
        seed,
      ),
    ),
    `w${seed}`,
  );

function graphOf(make: (b: Builder, x: Value) => Value): Graph {
  const b = opBuilder("conv");
  b.output(make(b, b.input("x", "float32", [1, 10, 7, 9])), "y");
  return b.finish();
}

const CASES: readonly [string, Graph][] = [
  [
    "3x3 with bias, residual and relu",
    graphOf((b, x) => {
      const residual = b.op("conv", [x, weights(b, [12, 10, 1, 1], 1)], {});
      const y = b.op("conv", [x, weights(b, [12, 10, 3, 3], 2), weights(b, [12], 3)], { pads: [1, 1, 1, 1] });
      return b.op("relu", [b.op("add", [y, residual])]);
    }),
  ],
  ["3x3 with stride and tanh", graphOf((b, x) => b.op("tanh", [b.op("conv", [x, weights(b, [9, 10, 3, 3], 4)], { strides: [2, 2] })]))],
  [
    "depthwise and pointwise",
    graphOf((b, x) => {
      const d = b.op("conv", [x, weights(b, [10, 1, 3, 3], 5)], { pads: [1, 1, 1, 1], group: 10 });
      return b.op("sigmoid", [b.op("conv", [b.op("relu", [d]), weights(b, [17, 10, 1, 1], 6)], {})]);
    }),
  ],
];

/** Runs a program's calls in one arena by `call`; gives the output. */
function outputOf(graph: Graph, schedule: "auto" | "naive", call: (c: Call, args: readonly TypedArray[]) => void): Float32Array {
  const { programs, weights: packed } = compileGraph(graph, { machine: { lanes: 4, registers: 12 }, schedule });
  const [program] = programs;
  if (!program) throw new Error("a program");
  const input = new Float32Array(noise(10 * 7 * 9, 8));
  const output = new Float32Array(program.graph.outputs[0]?.shape.reduce<number>((n, d) => n * Number(d), 1) ?? 0);
  const memory = { weights: packed.slice().buffer, arena: new ArrayBuffer(program.arenaBytes), input: input.buffer, output: output.buffer };
  for (const c of program.calls) {
    const args = c.func.params.map((p, i) => {
      const at = c.pointers[i];
      if (!at) throw new Error("a pointer for every parameter");
      return new DTYPES[p.dtype].array(memory[at.from], "offset" in at ? at.offset : 0, p.length);
    });
    call(c, args);
  }
  return output;
}

describe("bet 1 in WebAssembly", () => {
  test.each(CASES)("%s", (_name, graph) => {
    const want = outputOf(graph, "naive", (c, args) => interpret(c.func, args));
    const got = outputOf(graph, "auto", (c, args) => loadWasm([c.func]).call(c.func.name, args));
    const error = Math.hypot(...got.map((v, i) => v - (want[i] ?? 0))) / Math.hypot(...want);
    expect(Math.hypot(...want)).toBeGreaterThan(0);
    expect(error).toBeLessThan(1e-6);
  });
});
