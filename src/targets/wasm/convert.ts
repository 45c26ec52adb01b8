/** Value conversions of scalars on the stack. */
import { is64, isFloat, type DType } from "../../tensor/dtype.ts";
import type { ScalarType } from "../../loop/types.ts";
import { isSigned, plainDType, valueType, type Emitter } from "./emitter.ts";

/** Brings an i32 back into the range of a small integer. */
export function normalise(m: Emitter, dtype: ScalarType): void {
  if (dtype === "int8") m.op("i32.extend8_s");
  else if (dtype === "int16") m.op("i32.extend16_s");
  else if (dtype === "uint8" || dtype === "uint16") {
    m.constant("i32", dtype === "uint8" ? 0xff : 0xffff);
    m.op("i32.and");
  }
}

function toBool(m: Emitter, from: DType): void {
  const type = valueType({ dtype: from, lanes: 1 });
  if (isFloat(from)) {
    m.op(`${type}.abs`);
    m.constant(type, 0);
    m.op(`${type}.gt`);
  } else {
    m.constant(type, 0);
    m.op(`${type}.ne`);
  }
}

/** Truncates towards zero. Values outside the target's range are clamped to 64 (or 32) bits first. */
function fromFloat(m: Emitter, from: DType, to: DType): void {
  const source = valueType({ dtype: from, lanes: 1 });
  if (is64(to)) m.op(`i64.trunc_sat_${source}_${to === "uint64" ? "u" : "s"}`);
  else if (to === "uint32") {
    m.op(`i64.trunc_sat_${source}_s`);
    m.op("i32.wrap_i64");
  } else {
    m.op(`i32.trunc_sat_${source}_s`);
    normalise(m, to);
  }
}

function toFloat(m: Emitter, from: DType, to: DType): void {
  const target = valueType({ dtype: to, lanes: 1 });
  if (isFloat(from)) m.op(to === "float64" ? "f64.promote_f32" : "f32.demote_f64");
  else m.op(`${target}.convert_${is64(from) ? "i64" : "i32"}_${isSigned(from) ? "s" : "u"}`);
}

function betweenIntegers(m: Emitter, from: DType, to: DType): void {
  if (is64(from) && !is64(to)) m.op("i32.wrap_i64");
  if (!is64(from) && is64(to)) m.op(`i64.extend_i32_${isSigned(from) ? "s" : "u"}`);
  normalise(m, to);
}

/** Converts the value on the stack. */
export function convert(m: Emitter, source: ScalarType, target: ScalarType): void {
  const [from, to] = [plainDType(source), plainDType(target)];
  if (from === to) return;
  if (to === "bool") toBool(m, from);
  else if (isFloat(to)) toFloat(m, from, to);
  else if (isFloat(from)) fromFloat(m, from, to);
  else betweenIntegers(m, from, to);
}
