import type { ScalarType } from "../../loop/types.ts";
import { isHalf } from "./types.ts";

function floatLiteral(value: number, suffix: string, builtin: string): string {
  if (Number.isNaN(value)) return `__builtin_nan${builtin}("")`;
  if (!Number.isFinite(value)) return `${value < 0 ? "-" : ""}__builtin_inf${builtin}()`;
  if (Object.is(value, -0)) return `-0.0${suffix}`;
  const digits = suffix === "f" ? Number(value.toPrecision(9)).toString() : String(value);
  return `${/[.e]/.test(digits) ? digits : `${digits}.0`}${suffix}`;
}

/** A scalar constant as a C literal that reads back as exactly that value. */
export function literal(value: number | bigint, dtype: ScalarType): string {
  if (dtype === "float32" || isHalf(dtype)) return floatLiteral(Number(value), "f", "f");
  if (dtype === "float64") return floatLiteral(Number(value), "", "");
  if (dtype === "int64") return BigInt(value) === -(2n ** 63n) ? "INT64_MIN" : `INT64_C(${value})`;
  if (dtype === "uint64") return `UINT64_C(${value})`;
  if (dtype === "int32" && Number(value) === -2147483648) return "INT32_MIN";
  if (dtype === "uint32") return `${value}u`;
  return String(value);
}
