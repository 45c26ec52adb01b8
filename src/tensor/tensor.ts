import { HoneError } from "../util/errors.ts";
import { DTYPES, type DType, type TypedArray } from "./dtype.ts";

/**
 * A dense row-major array. Structurally a tensor of ONNX Runtime's JavaScript API, so either can be handed to the other.
 * float16 and bfloat16 hold raw bits in a Uint16Array, bool holds 0 or 1 in a Uint8Array.
 */
export interface Tensor {
  readonly type: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

/** Product of the dims; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((n, d) => n * d, 1);
}

/** As elementCount; throws `graph.shape` unless every dim is a whole number >= 0 and the product is exact. */
function checkedCount(type: DType, dims: readonly number[]): number {
  const n = elementCount(dims);
  if (dims.some((d) => !Number.isInteger(d) || d < 0) || !Number.isSafeInteger(n * DTYPES[type].bytes)) {
    throw new HoneError("graph.shape", `${type}[${dims.join(",")}] is not a shape that memory can hold`);
  }
  return n;
}

/** Row-major strides in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (dims[i + 1] ?? 1);
  return strides;
}

/** A tensor over existing data. Throws `graph.shape` when type, dims and data do not fit together. */
export function tensor(type: DType, dims: readonly number[], data: TypedArray): Tensor {
  const info = DTYPES[type];
  if (!(data instanceof info.array)) {
    throw new HoneError("graph.shape", `a ${type} tensor needs a ${info.array.name}, got a ${data.constructor.name}`);
  }
  const n = checkedCount(type, dims);
  if (data.length !== n) {
    throw new HoneError("graph.shape", `${type}[${dims.join(",")}] has ${n} elements, the data ${data.length}`);
  }
  return { type, dims, data };
}

/** A tensor of zeros. Throws `graph.shape` when dims are not whole numbers >= 0. */
export function zeros(type: DType, dims: readonly number[]): Tensor {
  const n = checkedCount(type, dims);
  return { type, dims, data: viewOf(type, new ArrayBuffer(n * DTYPES[type].bytes), 0, n) };
}

/** A typed view of `count` elements; copies when `byteOffset` is not aligned for the type. */
export function viewOf(type: DType, buffer: ArrayBufferLike, byteOffset: number, count: number): TypedArray {
  const { bytes, array: View } = DTYPES[type];
  if (byteOffset % bytes === 0) return new View(buffer, byteOffset, count);
  return new View(new Uint8Array(buffer, byteOffset, count * bytes).slice().buffer, 0, count);
}

/** The raw little-endian bytes of a tensor, without a copy. */
export function bytesOf(t: Tensor): Uint8Array {
  return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}
