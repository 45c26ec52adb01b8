/** Instructions as data: one list is encoded to bytes and printed as text. */
import { float32Bytes, float64Bytes, signed, unsigned } from "./bytes.ts";
import { opcode } from "./opcodes.ts";

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

const VALUE_TYPES: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
export const valueTypeByte = (t: ValueType): number => VALUE_TYPES[t];

/** What follows the opcode. */
export type Immediate =
  | { readonly kind: "none" }
  /** The result of a block, loop or if. */
  | { readonly kind: "result"; readonly type?: ValueType }
  /** A local, global or label. */
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "const"; readonly type: ValueType; readonly value: number | bigint }
  /** Sixteen bytes: a v128 constant or the indices of a shuffle. */
  | { readonly kind: "bytes"; readonly bytes: readonly number[] }
  /** Alignment as a power of two, offset in bytes, and a lane where the instruction has one. */
  | { readonly kind: "memory"; readonly align: number; readonly offset: number; readonly lane?: number };

export interface Instruction {
  readonly op: string;
  readonly imm: Immediate;
}

function constBytes(type: ValueType, value: number | bigint): number[] {
  if (type === "f32") return float32Bytes(Number(value));
  if (type === "f64") return float64Bytes(Number(value));
  return signed(type === "i32" ? BigInt.asIntN(32, BigInt(value)) : BigInt.asIntN(64, BigInt(value)));
}

function immediateBytes(imm: Immediate): readonly number[] {
  switch (imm.kind) {
    case "none":
      return [];
    case "result":
      return [imm.type ? VALUE_TYPES[imm.type] : 0x40];
    case "number":
      return unsigned(imm.value);
    case "const":
      return constBytes(imm.type, imm.value);
    case "bytes":
      return imm.bytes;
    case "memory":
      return [...unsigned(imm.align), ...unsigned(imm.offset), ...(imm.lane === undefined ? [] : [imm.lane])];
  }
}

export const encode = (i: Instruction): number[] => [...opcode(i.op), ...immediateBytes(i.imm)];

function immediateText(imm: Immediate): string {
  switch (imm.kind) {
    case "none":
      return "";
    case "result":
      return imm.type ? ` (result ${imm.type})` : "";
    case "number":
      return ` ${imm.value}`;
    case "const":
      return ` ${Object.is(imm.value, -0) ? "-0" : String(imm.value)}`;
    case "bytes":
      return ` ${imm.bytes.join(" ")}`;
    case "memory":
      return `${imm.offset > 0 ? ` offset=${imm.offset}` : ""} align=${2 ** imm.align}${imm.lane === undefined ? "" : ` ${imm.lane}`}`;
  }
}

/** The text format's line of an instruction; a v128 constant is told apart from shuffle indices by its shape. */
export const instructionText = (i: Instruction): string => `${i.op}${i.op === "v128.const" ? " i8x16" : ""}${immediateText(i.imm)}`;
