import type { DType } from "../../tensor/dtype.ts";

/** TensorType by number: the name in TFLite, and ours where there is one. */
const TFLITE_TYPES: readonly { readonly name: string; readonly dtype?: DType }[] = [
  { name: "FLOAT32", dtype: "float32" },
  { name: "FLOAT16", dtype: "float16" },
  { name: "INT32", dtype: "int32" },
  { name: "UINT8", dtype: "uint8" },
  { name: "INT64", dtype: "int64" },
  { name: "STRING" },
  { name: "BOOL", dtype: "bool" },
  { name: "INT16", dtype: "int16" },
  { name: "COMPLEX64" },
  { name: "INT8", dtype: "int8" },
  { name: "FLOAT64", dtype: "float64" },
  { name: "COMPLEX128" },
  { name: "UINT64", dtype: "uint64" },
  { name: "RESOURCE" },
  { name: "VARIANT" },
  { name: "UINT32", dtype: "uint32" },
  { name: "UINT16", dtype: "uint16" },
  { name: "INT4" },
  { name: "BFLOAT16", dtype: "bfloat16" },
];

export const tfliteDType = (type: number): DType | undefined => TFLITE_TYPES[type]?.dtype;
export const tfliteTypeName = (type: number): string => TFLITE_TYPES[type]?.name ?? `type ${type}`;
