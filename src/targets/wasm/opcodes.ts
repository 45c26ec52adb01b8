import { invariant } from "../../util/errors.ts";
import { unsigned } from "./bytes.ts";

/** Opcodes by name, in runs of consecutive numbers: prefix byte (0 for none), first number, names. WebAssembly core specification 3.0, section 5.4. */
const RUNS: readonly (readonly [prefix: number, first: number, names: string])[] = [
  [0, 0x0, "unreachable"],
  [0, 0x2, "block loop if else"],
  [0, 0xb, "end br br_if"],
  [0, 0xf, "return call"],
  [0, 0x1a, "drop select"],
  [0, 0x20, "local.get local.set local.tee global.get"],
  [0, 0x28, "i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u"],
  [0, 0x36, "i32.store i64.store f32.store f64.store i32.store8 i32.store16"],
  [
    0,
    0x41,
    "i32.const i64.const f32.const f64.const i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge",
  ],
  [0, 0x6a, "i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u"],
  [0, 0x7c, "i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u"],
  [0, 0x8b, "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt f32.add f32.sub f32.mul f32.div"],
  [
    0,
    0x99,
    "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign",
  ],
  [0, 0xa7, "i32.wrap_i64"],
  [0, 0xac, "i64.extend_i32_s i64.extend_i32_u"],
  [
    0,
    0xb2,
    "f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64 f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32 i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 i32.extend8_s i32.extend16_s",
  ],
  [
    0xfc,
    0x0,
    "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u",
  ],
  [
    0xfd,
    0x0,
    "v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat v128.store v128.const i8x16.shuffle i8x16.swizzle",
  ],
  [
    0xfd,
    0xf,
    "i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat i8x16.extract_lane_s i8x16.extract_lane_u i8x16.replace_lane i16x8.extract_lane_s i16x8.extract_lane_u i16x8.replace_lane i32x4.extract_lane i32x4.replace_lane i64x2.extract_lane i64x2.replace_lane f32x4.extract_lane f32x4.replace_lane f64x2.extract_lane f64x2.replace_lane i8x16.eq i8x16.ne i8x16.lt_s i8x16.lt_u i8x16.gt_s i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u i16x8.eq i16x8.ne i16x8.lt_s i16x8.lt_u i16x8.gt_s i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt f64x2.gt f64x2.le f64x2.ge v128.not v128.and",
  ],
  [0xfd, 0x50, "v128.or v128.xor v128.bitselect"],
  [
    0xfd,
    0x59,
    "v128.store16_lane v128.store32_lane v128.store64_lane v128.load32_zero v128.load64_zero f32x4.demote_f64x2_zero f64x2.promote_low_f32x4 i8x16.abs i8x16.neg",
  ],
  [
    0xfd,
    0x65,
    "i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest i8x16.shl i8x16.shr_s i8x16.shr_u i8x16.add",
  ],
  [0xfd, 0x71, "i8x16.sub"],
  [0xfd, 0x74, "f64x2.ceil f64x2.floor i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u f64x2.trunc"],
  [0xfd, 0x80, "i16x8.abs i16x8.neg"],
  [
    0xfd,
    0x85,
    "i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u i16x8.shl i16x8.shr_s i16x8.shr_u i16x8.add",
  ],
  [0xfd, 0x91, "i16x8.sub"],
  [0xfd, 0x94, "f64x2.nearest i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u"],
  [0xfd, 0xa0, "i32x4.abs i32x4.neg"],
  [0xfd, 0xa7, "i32x4.extend_low_i16x8_s"],
  [0xfd, 0xa9, "i32x4.extend_low_i16x8_u"],
  [0xfd, 0xab, "i32x4.shl i32x4.shr_s i32x4.shr_u i32x4.add"],
  [0xfd, 0xb1, "i32x4.sub"],
  [0xfd, 0xb5, "i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s"],
  [0xfd, 0xc0, "i64x2.abs i64x2.neg"],
  [0xfd, 0xc7, "i64x2.extend_low_i32x4_s"],
  [0xfd, 0xc9, "i64x2.extend_low_i32x4_u"],
  [0xfd, 0xcb, "i64x2.shl i64x2.shr_s i64x2.shr_u i64x2.add"],
  [0xfd, 0xd1, "i64x2.sub"],
  [0xfd, 0xd5, "i64x2.mul i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s i64x2.ge_s"],
  [0xfd, 0xe0, "f32x4.abs f32x4.neg"],
  [0xfd, 0xe3, "f32x4.sqrt f32x4.add f32x4.sub f32x4.mul f32x4.div"],
  [0xfd, 0xea, "f32x4.pmin f32x4.pmax f64x2.abs f64x2.neg"],
  [0xfd, 0xef, "f64x2.sqrt f64x2.add f64x2.sub f64x2.mul f64x2.div"],
  [
    0xfd,
    0xf6,
    "f64x2.pmin f64x2.pmax i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u",
  ],
  // Of the proposal for threads.
  [0xfe, 0x0, "memory.atomic.notify memory.atomic.wait32"],
  [0xfe, 0x10, "i32.atomic.load"],
  [0xfe, 0x17, "i32.atomic.store"],
  [0xfe, 0x1e, "i32.atomic.rmw.add"],
  [0xfd, 0x105, "f32x4.relaxed_madd"],
  [0xfd, 0x107, "f64x2.relaxed_madd"],
];

const OPCODES: ReadonlyMap<string, readonly [prefix: number, code: number]> = new Map(
  RUNS.flatMap(([prefix, first, names]) => names.split(" ").map((n, i) => [n, [prefix, first + i]] as const)),
);

/** The bytes of an instruction's name. */
export function opcode(op: string): number[] {
  const found = OPCODES.get(op);
  invariant(found, `WebAssembly instruction ${op}`);
  const [prefix, code] = found;
  return prefix === 0 ? [code] : [prefix, ...unsigned(code)];
}
