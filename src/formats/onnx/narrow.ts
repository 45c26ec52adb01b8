/**
 * ONNX's types of 8 bits and fewer that hone has no dtype for. Their elements are kept in bytes: integers as their values in
 * int8 or uint8, floating point as its bits in uint8. What a value means is remembered here while a model is imported; casts
 * and (de)quantisation turn it into arithmetic, and nothing else may touch it but ops that move elements.
 */
import type { Value } from "../../ir/graph.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A small floating-point type: sign, exponent, mantissa, from the highest bit down. */
export interface NarrowFloat {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** Codes of the largest finite number, of what overflows when nothing saturates, and of what is no number. */
  readonly largest: number;
  readonly overflow: number;
  readonly nan: number;
  readonly negativeZero: boolean;
}

export interface NarrowType {
  readonly name: string;
  readonly bits: 2 | 4 | 8;
  readonly dtype: "int8" | "uint8";
  /** Absent for integers; `exponent` for powers of two without sign or mantissa (OCP Microscaling formats, E8M0). */
  readonly float?: NarrowFloat | "exponent";
}

const float = (name: string, bits: 4 | 8, format: NarrowFloat): NarrowType => ({ name, bits, dtype: "uint8", float: format });
const E4 = { exponent: 4, mantissa: 3, bias: 7, largest: 0x7e, overflow: 0x7f, nan: 0x7f, negativeZero: true };
const E5 = { exponent: 5, mantissa: 2, bias: 15, largest: 0x7b, overflow: 0x7c, nan: 0x7e, negativeZero: true };
const UZ = { largest: 0x7f, overflow: 0x80, nan: 0x80, negativeZero: false };

/** By the numbers of TensorProto.DataType. */
export const NARROW_TYPES: Readonly<Record<number, NarrowType>> = {
  17: float("FLOAT8E4M3FN", 8, E4),
  18: float("FLOAT8E4M3FNUZ", 8, { ...E4, bias: 8, ...UZ }),
  19: float("FLOAT8E5M2", 8, E5),
  20: float("FLOAT8E5M2FNUZ", 8, { ...E5, bias: 16, ...UZ }),
  21: { name: "UINT4", bits: 4, dtype: "uint8" },
  22: { name: "INT4", bits: 4, dtype: "int8" },
  23: float("FLOAT4E2M1", 4, { exponent: 2, mantissa: 1, bias: 1, largest: 7, overflow: 7, nan: 8, negativeZero: true }),
  24: { name: "FLOAT8E8M0", bits: 8, dtype: "uint8", float: "exponent" },
  25: { name: "UINT2", bits: 2, dtype: "uint8" },
  26: { name: "INT2", bits: 2, dtype: "int8" },
};

const marks = new WeakMap<Value | Tensor, NarrowType>();

/** The type of a value's elements, if they are of such a type. */
export const narrowOf = (value: Value | undefined): NarrowType | undefined =>
  value && (marks.get(value) ?? (value.data && marks.get(value.data)));

/** Remembers what the elements mean; gives the value. */
export function mark<T extends Value | Tensor>(value: T, type: NarrowType | undefined): T {
  if (type) marks.set(value, type);
  return value;
}

/** The bytes that `count` packed elements take. */
export const packedBytes = (type: NarrowType, count: number): number => Math.ceil((count * type.bits) / 8);

/** Elements one to a byte, from packed ones: the first in the lowest bits. */
export function unpacked(type: NarrowType, packed: Uint8Array, count: number): Uint8Array | Int8Array {
  const { bits, dtype } = type;
  const shift = 32 - bits;
  const data = dtype === "int8" ? new Int8Array(count) : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const raw = (packed[(i * bits) >> 3] ?? 0) >> ((i * bits) & 7);
    data[i] = dtype === "int8" ? (raw << shift) >> shift : (raw << shift) >>> shift;
  }
  return data;
}

/** The number that a code stands for. */
export function decoded({ float: format }: NarrowType, code: number): number {
  if (format === undefined) return code;
  if (format === "exponent") return code === 0xff ? NaN : 2 ** (code - 127);
  const { exponent, mantissa, bias } = format;
  const magnitude = code & ((1 << (exponent + mantissa)) - 1);
  const negative = code !== magnitude;
  if (code === format.nan && !format.negativeZero) return NaN;
  if (magnitude > format.largest)
    return magnitude === format.overflow && format.overflow !== format.nan ? (negative ? -Infinity : Infinity) : NaN;
  const e = magnitude >> mantissa;
  const m = magnitude & ((1 << mantissa) - 1);
  const value = e === 0 ? m * 2 ** (1 - bias - mantissa) : (1 + m / 2 ** mantissa) * 2 ** (e - bias);
  return negative ? -value : value;
}
