import { expect, test } from "vitest";
import { sized } from "./sized.ts";
import { tensor, type Tensor } from "./tensor.ts";

const floats = (dims: readonly number[]): Tensor =>
  tensor(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => i),
  );
const shape = (...dims: number[]): Tensor => tensor("int64", [dims.length], BigInt64Array.from(dims, BigInt));

test("a result is cut to the shape that is told for it", () => {
  const { a, b, c } = sized({
    a: floats([4, 2]),
    "a.shape": shape(3, 2),
    b: floats([2, 3]),
    "b.shape": shape(2, 1),
    c: floats([5]),
    "c.shape": shape(0),
  });
  expect(a).toEqual(tensor("float32", [3, 2], Float32Array.of(0, 1, 2, 3, 4, 5)));
  expect(b).toEqual(tensor("float32", [2, 1], Float32Array.of(0, 3)));
  expect(c).toEqual(tensor("float32", [0], new Float32Array(0)));
});

test("what tells no part of it changes nothing", () => {
  const results = {
    a: floats([4]),
    "a.shape": shape(5),
    b: floats([4]),
    "b.shape": shape(-1),
    c: floats([4]),
    "c.shape": floats([1]),
    d: floats([4]),
    "d.shape": shape(1, 1),
  };
  expect(sized(results)).toEqual(results);
});
