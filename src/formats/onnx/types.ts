import { must } from "../../util/errors.ts";
import type { DType } from "../../tensor/dtype.ts";
import { NARROW_TYPES } from "./narrow.ts";

/** TensorProto.DataType by number: the name in ONNX, and ours where there is one. Those of 8 bits and fewer are in narrow.ts. */
export const TENSOR_TYPES: Readonly<Record<number, { readonly name: string; readonly dtype?: DType }>> = {
  1: { name: "FLOAT", dtype: "float32" },
  2: { name: "UINT8", dtype: "uint8" },
  3: { name: "INT8", dtype: "int8" },
  4: { name: "UINT16", dtype: "uint16" },
  5: { name: "INT16", dtype: "int16" },
  6: { name: "INT32", dtype: "int32" },
  7: { name: "INT64", dtype: "int64" },
  8: { name: "STRING" },
  9: { name: "BOOL", dtype: "bool" },
  10: { name: "FLOAT16", dtype: "float16" },
  11: { name: "DOUBLE", dtype: "float64" },
  12: { name: "UINT32", dtype: "uint32" },
  13: { name: "UINT64", dtype: "uint64" },
  14: { name: "COMPLEX64" },
  15: { name: "COMPLEX128" },
  16: { name: "BFLOAT16", dtype: "bfloat16" },
  17: { name: "FLOAT8E4M3FN" },
  18: { name: "FLOAT8E4M3FNUZ" },
  19: { name: "FLOAT8E5M2" },
  20: { name: "FLOAT8E5M2FNUZ" },
  21: { name: "UINT4" },
  22: { name: "INT4" },
  23: { name: "FLOAT4E2M1" },
  24: { name: "FLOAT8E8M0" },
  25: { name: "UINT2" },
  26: { name: "INT2" },
};

/** The dtype in which hone keeps elements of an ONNX type. */
export const storageOf = (dataType: number): DType | undefined => TENSOR_TYPES[dataType]?.dtype ?? NARROW_TYPES[dataType]?.dtype;

const BY_DTYPE = new Map(Object.entries(TENSOR_TYPES).map(([number, { dtype }]) => [dtype, Number(number)]));

export function onnxTypeOf(dtype: DType): number {
  return must(BY_DTYPE.get(dtype), `ONNX type of ${dtype}`);
}

/** The name of a data type for people, known or not. */
export function onnxTypeName(dataType: number): string {
  return TENSOR_TYPES[dataType]?.name ?? `data type ${dataType}`;
}
