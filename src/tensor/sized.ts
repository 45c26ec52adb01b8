/** Results whose size depends on data: a tensor with room for the most, and beside it an int64 vector `NAME.shape`, its true dims. */
import { elementCount, stridesOf, tensor, zeros, type Tensor } from "./tensor.ts";

/** The dims that `NAME.shape` tells for a tensor; undefined when there is none, or it tells no part of it. */
function trueDims(t: Tensor, shape: Tensor | undefined): readonly number[] | undefined {
  if (shape?.type !== "int64" || shape.dims.length !== 1 || shape.data.length !== t.dims.length) return undefined;
  const dims = Array.from(shape.data, Number);
  return dims.every((d, i) => d >= 0 && d <= (t.dims[i] ?? 0)) ? dims : undefined;
}

/** The elements of a tensor that lie in the box of `dims` at its front. */
function front(t: Tensor, dims: readonly number[]): Tensor {
  const [from, to] = [stridesOf(t.dims), stridesOf(dims)];
  const count = elementCount(dims);
  // Along the first axis the elements lie together.
  if (dims.every((d, i) => i === 0 || d === t.dims[i])) return tensor(t.type, dims, t.data.slice(0, count));
  const out = zeros(t.type, dims);
  for (let i = 0; i < count; i++) {
    const at = dims.reduce((sum, d, axis) => sum + (Math.floor(i / (to[axis] ?? 1)) % d) * (from[axis] ?? 1), 0);
    out.data[i] = t.data[at] ?? 0;
  }
  return out;
}

/** The results with those of a told shape cut to it. */
export function sized(results: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(results).map(([name, t]) => {
      const dims = trueDims(t, results[`${name}.shape`]);
      return [name, dims && dims.some((d, i) => d !== t.dims[i]) ? front(t, dims) : t];
    }),
  );
}
