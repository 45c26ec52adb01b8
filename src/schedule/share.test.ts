import { expect, test } from "vitest";
import { compileGraph } from "../compiler/compile.ts";
import { interpret } from "../loop/interpret/interpret.ts";
import type { Value } from "../ir/graph.ts";
import { add, constant, indexVar, int, load } from "../loop/expr.ts";
import { forLoop, letVar, store } from "../loop/stmt.ts";
import type { Buffer, Func } from "../loop/types.ts";
import { opBuilder } from "../ops/index.ts";
import { AMONG_THREADS, SHARE, shareLoops } from "./share.ts";

/** How often each of `length` elements is visited when `parts` threads share a loop over them. */
function visits(length: number, parts: number, from = 0, step = 1): number[] {
  const counts: Buffer = { name: "counts", dtype: "float32", length, access: "readwrite" };
  const i = indexVar("i");
  const visit = store(counts, i, add(load(counts, i), constant(1, "float32")));
  const loop = shareLoops([forLoop(i, length, [visit], { from: int(from), step })], AMONG_THREADS);
  const memory = new Float32Array(length);
  for (let part = 0; part < parts; part++) {
    const f: Func = { name: "f", params: [counts], body: [letVar(SHARE.part, int(part)), letVar(SHARE.parts, int(parts)), ...loop] };
    interpret(f, [memory]);
  }
  return [...memory];
}

test.each([
  [1, 1],
  [7, 2],
  [64, 3],
  [5, 8],
])("%i turns shared by %i threads are each done once", (length, parts) => {
  expect(visits(length, parts)).toEqual(new Array(length).fill(1));
});

test("steps and a beginning stay", () => {
  expect(visits(11, 3, 2, 3)).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
});

function sharedKernels(size: number, threads: boolean): number {
  const b = opBuilder("convs");
  const w = (dims: readonly number[]): Value =>
    b.constant({ type: "float32", dims, data: new Float32Array(dims.reduce((x, y) => x * y, 1)) });
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  const x = b.op("conv", [b.input("x", "float32", [1, 16, size, size]), w([32, 16, 3, 3])], attrs);
  b.output(
    b.op("softmax", [b.op("reshape", [x, b.constant({ type: "int64", dims: [2], data: new BigInt64Array([1n, -1n]) })])], { axis: 1 }),
  );
  const [program] = compileGraph(b.finish(), { machine: { lanes: 8, registers: 16 }, threads }).programs;
  return program?.calls.filter((c) => c.func.share).length ?? 0;
}

test("long kernels are shared, short ones and those whose nests wait for each other are not", () => {
  expect(sharedKernels(32, true)).toBe(1);
  expect(sharedKernels(4, true)).toBe(0);
  expect(sharedKernels(32, false)).toBe(0);
});
