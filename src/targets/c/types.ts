/** How the types of the loop IR are spelled in C with GNU vector extensions. */
import { DTYPES, type DType } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import type { LoopType, ScalarType } from "../../loop/types.ts";

/** Memory types; float16 and bfloat16 lie in memory as their bits and are float in registers. */
const MEMORY: Record<DType, string> = {
  float16: "uint16_t",
  bfloat16: "uint16_t",
  float32: "float",
  float64: "double",
  int8: "int8_t",
  int16: "int16_t",
  int32: "int32_t",
  int64: "int64_t",
  uint8: "uint8_t",
  uint16: "uint16_t",
  uint32: "uint32_t",
  uint64: "uint64_t",
  bool: "uint8_t",
};

export const memoryType = (dtype: DType): string => MEMORY[dtype];

export const isHalf = (dtype: ScalarType): dtype is "float16" | "bfloat16" => dtype === "float16" || dtype === "bfloat16";

/** The C type of a scalar in a register. */
export function scalarType(dtype: ScalarType): string {
  if (dtype === "index") return "idx";
  return isHalf(dtype) ? "float" : MEMORY[dtype];
}

const VECTOR_PREFIX: Partial<Record<ScalarType, string>> = {
  float16: "f32",
  bfloat16: "f32",
  float32: "f32",
  float64: "f64",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
};

/** The C type of a value; bool with lanes is the int32 mask that comparing 32-bit lanes gives. */
export function typeName(t: LoopType): string {
  if (t.lanes === 1) return scalarType(t.dtype);
  const prefix = t.dtype === "bool" ? "i32" : VECTOR_PREFIX[t.dtype];
  if (!prefix) throw new HoneError("internal", `C has no vector of ${t.dtype}`);
  return `${prefix}x${t.lanes}`;
}

/** The typedefs of a vector type: the register type, and one for memory that is aligned like its elements. */
export function vectorTypedefs(t: LoopType): string {
  const name = typeName(t);
  const dtype: DType = t.dtype === "bool" ? "int32" : isHalf(t.dtype) ? "float32" : (t.dtype as DType);
  const { bytes } = DTYPES[dtype];
  const size = bytes * t.lanes;
  return (
    `typedef ${MEMORY[dtype]} ${name} __attribute__((vector_size(${size})));\n` +
    `typedef ${MEMORY[dtype]} ${name}_u __attribute__((vector_size(${size}), aligned(${bytes}), may_alias));\n`
  );
}
