import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../../tensor/half.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import type { Buffer } from "../types.ts";
import type { Scalar } from "./scalar.ts";

/** Element access to a buffer's memory; out-of-bounds access is an error. */
export interface Memory {
  readonly get: (i: number) => Scalar;
  readonly set: (i: number, value: Scalar) => void;
}

function bounds(buffer: Buffer, i: number): never {
  throw new HoneError("internal", `index ${i} is outside buffer ${buffer.name} of ${buffer.length} elements`);
}

export function memoryOf(buffer: Buffer, data: TypedArray): Memory {
  const n = Math.min(buffer.length, data.length);
  const inside = (i: number): boolean => i >= 0 && i < n;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return {
      get: (i) => (inside(i) ? (data[i] ?? 0n) : bounds(buffer, i)),
      set: (i, v) => (inside(i) ? (data[i] = BigInt(v)) : bounds(buffer, i)),
    };
  }
  const [decode, encode] =
    buffer.dtype === "float16"
      ? [fromFloat16, toFloat16]
      : buffer.dtype === "bfloat16"
        ? [fromBFloat16, toBFloat16]
        : [undefined, undefined];
  if (decode && encode) {
    return {
      get: (i) => (inside(i) ? decode(data[i] ?? 0) : bounds(buffer, i)),
      set: (i, v) => (inside(i) ? (data[i] = encode(Number(v))) : bounds(buffer, i)),
    };
  }
  return {
    get: (i) => (inside(i) ? (data[i] ?? 0) : bounds(buffer, i)),
    set: (i, v) => (inside(i) ? (data[i] = Number(v)) : bounds(buffer, i)),
  };
}
