import { is64 } from "../../tensor/dtype.ts";
import type { ScalarType } from "../../loop/types.ts";
import { float32Bytes, float64Bytes } from "./bytes.ts";
import { bytesOf } from "./emitter.ts";

/** The bytes of a constant in memory order. */
export function literalBytes(dtype: ScalarType, value: number | bigint): readonly number[] {
  if (dtype === "float32") return float32Bytes(Number(value));
  if (dtype === "float64") return float64Bytes(Number(value));
  const whole = BigInt.asUintN(64, dtype !== "index" && is64(dtype) ? BigInt(value) : BigInt(Math.trunc(Number(value))));
  return Array.from({ length: bytesOf(dtype) }, (_, i) => Number((whole >> BigInt(8 * i)) & 0xffn));
}
