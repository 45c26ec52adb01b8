import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../../tensor/half.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import type { Buffer } from "../types.ts";
import type { Scalar } from "./scalar.ts";

export type NumberArray = Exclude<TypedArray, BigInt64Array | BigUint64Array>;

/**
 * A buffer's memory. Both views have exactly as many elements as the buffer may use, so that an element that is not there is
 * an access out of bounds.
 */
export type Memory =
  | { readonly buffer: Buffer; readonly wide: false; readonly data: NumberArray }
  | { readonly buffer: Buffer; readonly wide: true; readonly data: BigInt64Array | BigUint64Array };

/** Throws `internal`: a kernel that reads or writes outside its buffers is a fault of ours. */
export function outside(buffer: Buffer, i?: number): never {
  throw new HoneError(
    "internal",
    `${i === undefined ? "an index" : `index ${i}`} is outside buffer ${buffer.name} of ${buffer.length} elements`,
  );
}

export function memoryOf(buffer: Buffer, data: TypedArray): Memory {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return { buffer, wide: true, data: data.subarray(0, buffer.length) };
  return { buffer, wide: false, data: data.subarray(0, buffer.length) };
}

/** Between the numbers of memory and values, where they differ. */
export function halfCodec(buffer: Buffer): { decode: (bits: number) => number; encode: (x: number) => number } | undefined {
  if (buffer.dtype === "float16") return { decode: fromFloat16, encode: toFloat16 };
  return buffer.dtype === "bfloat16" ? { decode: fromBFloat16, encode: toBFloat16 } : undefined;
}

/** Reads any element. */
export function getter(memory: Memory): (i: number) => Scalar {
  const { buffer } = memory;
  if (memory.wide) {
    const { data } = memory;
    return (i) => data[i] ?? outside(buffer, i);
  }
  const { data } = memory;
  const codec = halfCodec(buffer);
  if (!codec) return (i) => data[i] ?? outside(buffer, i);
  const { decode } = codec;
  return (i) => decode(data[i] ?? outside(buffer, i));
}

/** Writes any element. */
export function setter(memory: Memory): (i: number, value: Scalar) => void {
  const { buffer } = memory;
  if (memory.wide) {
    const { data } = memory;
    return (i, x) => {
      if (!(i >= 0 && i < data.length)) outside(buffer, i);
      data[i] = BigInt(x);
    };
  }
  const { data } = memory;
  const encode = halfCodec(buffer)?.encode ?? Number;
  return (i, x) => {
    if (!(i >= 0 && i < data.length)) outside(buffer, i);
    data[i] = encode(Number(x));
  };
}
