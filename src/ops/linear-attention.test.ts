import { expect, test } from "vitest";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { evaluateOp } from "./evaluate.ts";

const f32 = (dims: readonly number[], ...data: number[]): Tensor => tensor("float32", dims, Float32Array.from(data));
const run = (inputs: readonly (Tensor | undefined)[], attrs = {}): number[][] =>
  evaluateOp("linearAttention", inputs, attrs, 2).map((t) => Array.from(t.data as Float32Array, (x) => Number(x.toFixed(4))));

/** Two steps of one head, with keys of two and values of three elements. */
const q = f32([1, 2, 2], 1, 2, 3, 4);
const k = f32([1, 2, 2], 1, 0, 1, 1);
const v = f32([1, 2, 3], 1, 2, 3, 4, 5, 6);

test("the past is summed in one matrix", () => {
  expect(run([q, k, v], { scale: 0.5 })).toEqual([
    [0.5, 1, 1.5, 15.5, 20.5, 25.5],
    [5, 7, 9, 4, 5, 6],
  ]);
});

test("it goes on from a state, decays, and is corrected", () => {
  const state = f32([1, 1, 2, 3], 0, 1, 0, 1, 0, 1);
  const half = Math.log(0.5);
  // The second row alone decays, to a half each step.
  const decay = f32([1, 2, 2], 0, half, 0, half);
  expect(run([q, k, v, state, decay])[1]).toEqual([5, 8, 9, 4.25, 5, 6.25]);
  // S = [0 1 0; 1 0 1] and k = [1 0] give [0 1 0]: 0.5·([1 2 3] − [0 1 0]) is added to the first row, and so on.
  expect(run([q, k, v, state, undefined, f32([1, 2, 1], 0.5, 1)])[1]).toEqual([3, 5, 5, 3.5, 3.5, 4.5]);
});

test("heads of queries share those of keys", () => {
  const two = f32([1, 1, 4], 1, 0, 0, 1);
  const [y] = run([two, f32([1, 1, 2], 2, 3), f32([1, 1, 1], 10)], { heads: 2 });
  expect(y).toEqual([20, 30]);
});

test("what does not fit is refused", () => {
  const refused = (inputs: readonly (Tensor | undefined)[], attrs: object): void => {
    expect(() => run(inputs, attrs)).toThrow(/linearAttention:/);
  };
  refused([q, k, v], { groups: 0 });
  refused([q, k, v], { heads: 3, groups: 2 });
  refused([q, k, v], { heads: 2 });
  refused([q, k, v, f32([1, 1, 2, 2], 1, 2, 3, 4)], {});
  refused([q, k, v, undefined, f32([1, 2, 3], 1, 2, 3, 4, 5, 6)], {});
  refused([q, k, v, undefined, undefined, f32([1, 1, 1], 1)], {});
});
