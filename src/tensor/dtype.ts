import { HoneError } from "../util/errors.ts";

/** Element types, by the names that ONNX Runtime's JavaScript API uses. */
export type DType =
  "float16" | "bfloat16" | "float32" | "float64" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" | "bool";

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

export type DTypeClass = "float" | "signed" | "unsigned" | "bool";

interface DTypeInfo {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly class: DTypeClass;
  /** The typed array that holds such elements; float16 and bfloat16 are held as raw uint16 bits, bool as uint8. */
  readonly array: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray;
}

export const DTYPES: Record<DType, DTypeInfo> = {
  float16: { bytes: 2, class: "float", array: Uint16Array },
  bfloat16: { bytes: 2, class: "float", array: Uint16Array },
  float32: { bytes: 4, class: "float", array: Float32Array },
  float64: { bytes: 8, class: "float", array: Float64Array },
  int8: { bytes: 1, class: "signed", array: Int8Array },
  int16: { bytes: 2, class: "signed", array: Int16Array },
  int32: { bytes: 4, class: "signed", array: Int32Array },
  int64: { bytes: 8, class: "signed", array: BigInt64Array },
  uint8: { bytes: 1, class: "unsigned", array: Uint8Array },
  uint16: { bytes: 2, class: "unsigned", array: Uint16Array },
  uint32: { bytes: 4, class: "unsigned", array: Uint32Array },
  uint64: { bytes: 8, class: "unsigned", array: BigUint64Array },
  bool: { bytes: 1, class: "bool", array: Uint8Array },
};

export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

export function parseDType(name: string): DType {
  if (isDType(name)) return name;
  throw new HoneError("usage", `unknown dtype "${name}"`, { hint: `Use one of ${Object.keys(DTYPES).join(", ")}.` });
}

export const byteSize = (dtype: DType): number => DTYPES[dtype].bytes;
export const isFloat = (dtype: DType): boolean => DTYPES[dtype].class === "float";
export const isHalf = (dtype: string | undefined): dtype is "float16" | "bfloat16" => dtype === "float16" || dtype === "bfloat16";
export const isInteger = (dtype: DType): boolean => DTYPES[dtype].class === "signed" || DTYPES[dtype].class === "unsigned";
/** Whether elements are BigInt in JavaScript. */
export const is64 = (dtype: DType): boolean => dtype === "int64" || dtype === "uint64";
