/** Reading and making the constants that passes compute with. */
import type { Value } from "../ir/graph.ts";
import { isStatic, type Shape } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { evaluateOp } from "../ops/evaluate.ts";
import { must } from "../util/errors.ts";

/** The elements of a float32 constant; float64 arithmetic on them rounds once, when the new constant is made. */
export function floats(value: Value | undefined): Float32Array | undefined {
  return value?.data?.data instanceof Float32Array ? value.data.data : undefined;
}

/** The elements of an integer constant as numbers. */
export function integers(value: Value | undefined): readonly number[] | undefined {
  if (!value?.data || value.dtype === "bool" || value.dtype.startsWith("float") || value.dtype === "bfloat16") return undefined;
  return Array.from(value.data.data as ArrayLike<number | bigint>, Number);
}

export const floatTensor = (dims: readonly number[], numbers: ArrayLike<number>): Tensor => ({
  type: "float32",
  dims,
  data: Float32Array.from(numbers),
});

export const int64Tensor = (numbers: readonly number[]): Tensor => ({
  type: "int64",
  dims: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});

export const transposed = (t: Tensor, perm: readonly number[]): Tensor => must(evaluateOp("transpose", [t], { perm })[0], "transposed");

/** The one value that all elements have. */
export function uniform(value: Value | undefined): number | undefined {
  const data = value?.data?.data;
  if (!data || value.dtype === "float16" || value.dtype === "bfloat16" || data.length === 0) return undefined;
  const first = data[0];
  return data.every((x: number | bigint) => x === first) ? Number(first) : undefined;
}

/**
 * The factor or summand of each channel when a float32 constant, broadcast to `rank` axes, differs along axis 1 only.
 */
export function perChannel(value: Value | undefined, rank: number, channels: number): Float32Array | undefined {
  const data = floats(value);
  const dims = value?.data?.dims;
  if (!data || !dims || dims.length > rank) return undefined;
  const full = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  if (full.some((d, axis) => d !== 1 && !(axis === 1 && d === channels))) return undefined;
  return data.length === 1 ? new Float32Array(channels).fill(data[0] ?? 0) : data;
}

/** Dims that broadcast a vector along axis 1 of a value of `rank` axes. */
export const channelDims = (rank: number, channels: number): readonly number[] => [channels, ...new Array<number>(rank - 2).fill(1)];

export const sameShape = (a: Shape, b: Shape): boolean =>
  isStatic(a) && isStatic(b) && a.length === b.length && a.every((d, i) => d === b[i]);
