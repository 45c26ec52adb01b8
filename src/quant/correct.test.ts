import { expect, test } from "vitest";
import { evaluateOp } from "../ops/evaluate.ts";
import { tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { meanShift } from "./correct.ts";
import { boundedBias, quantizeWeights } from "./scale.ts";

const wave = (n: number, by: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * by) + 0.3);

/** The mean of each channel of a convolution without padding whose input is the same everywhere in a channel. */
function means(w: Float32Array, dims: readonly number[], input: readonly number[], group: number): readonly number[] {
  const size = 4;
  const x = Float32Array.from({ length: input.length * size * size }, (_, i) => input[Math.floor(i / (size * size))] ?? 0);
  const operands = [tensor("float32", [1, input.length, size, size], x), tensor("float32", dims, w)];
  const y = must(evaluateOp("conv", operands, { group })[0], "a result");
  const plane = y.data.length / (dims[0] ?? 1);
  return Array.from(
    { length: dims[0] ?? 1 },
    (_, o) => (y.data as Float32Array).slice(o * plane, (o + 1) * plane).reduce((a, b) => a + b, 0) / plane,
  );
}

test.for([
  ["dense", [5, 3, 3, 3], 1],
  ["depthwise", [3, 1, 3, 3], 3],
] as const)("the shift is by how much the means of a %s convolution move", ([, dims, group]) => {
  const w = wave(
    dims.reduce<number>((a, b) => a * b, 1),
    1.7,
  );
  const input = [0.5, -1.25, 2];
  const q = quantizeWeights(tensor("float32", dims, w), undefined, { input: 0.1, output: 1 });
  const each = w.length / dims[0];
  const rounded = w.map((_, i) => (q.data[i] ?? 0) * (q.scales[Math.floor(i / each)] ?? 0));
  const [exact, moved] = [means(w, dims, input, group), means(rounded, dims, input, group)];
  const shift = meanShift(w, dims[1], q, input);
  expect(Math.max(...shift.map(Math.abs))).toBeGreaterThan(1e-3);
  shift.forEach((s, o) => {
    expect(s).toBeCloseTo((moved[o] ?? 0) - (exact[o] ?? 0), 5);
  });
});

test("a bias leaves room for the products in int32, however large it is", () => {
  expect([1e300, -1e300, 2.5].map(boundedBias)).toEqual([2 ** 30, -(2 ** 30), 2]);
});
