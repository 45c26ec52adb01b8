/**
 * A table of the FlatBuffers encoding, described as a typed table of slots (the place in the vtable, counted from 0). The compiler holds it
 * against the interface it fills. An absent scalar has its default; absent vectors are empty; absent strings are ""; absent tables stay absent.
 */
export type SlotType =
  | "bool"
  | "int8"
  | "uint8"
  | "int32"
  | "uint32"
  | "uint64"
  | "float32"
  | "string"
  | "int32s"
  | "int64s"
  | "float32s"
  | "bytes"
  | "offset"
  | "table"
  | "tables";

export interface Slot<T> {
  readonly slot: number;
  readonly type: SlotType;
  /** For scalars. */
  readonly absent?: T;
  readonly table?: () => TableSchema<object>;
}

export interface TableSchema<T> {
  readonly name: string;
  readonly slots: { readonly [K in keyof T]-?: Slot<Exclude<T[K], undefined>> };
}

export const bool = (slot: number, absent = false): Slot<boolean> => ({ slot, type: "bool", absent });
export const int8 = (slot: number, absent = 0): Slot<number> => ({ slot, type: "int8", absent });
export const uint8 = (slot: number, absent = 0): Slot<number> => ({ slot, type: "uint8", absent });
export const int32 = (slot: number, absent = 0): Slot<number> => ({ slot, type: "int32", absent });
export const uint32 = (slot: number, absent = 0): Slot<number> => ({ slot, type: "uint32", absent });
export const uint64 = (slot: number, absent = 0n): Slot<bigint> => ({ slot, type: "uint64", absent });
export const float32 = (slot: number, absent = 0): Slot<number> => ({ slot, type: "float32", absent });
export const text = (slot: number): Slot<string> => ({ slot, type: "string" });
export const int32s = (slot: number): Slot<readonly number[]> => ({ slot, type: "int32s" });
export const int64s = (slot: number): Slot<readonly bigint[]> => ({ slot, type: "int64s" });
export const float32s = (slot: number): Slot<readonly number[]> => ({ slot, type: "float32s" });
export const bytes = (slot: number): Slot<Uint8Array> => ({ slot, type: "bytes" });

/** Where a union's value lies in the file; absent: 0. Its type is in another slot. */
export const offset = (slot: number): Slot<number> => ({ slot, type: "offset", absent: 0 });

export function table<T extends object>(slot: number, of: () => TableSchema<T>): Slot<T> {
  return { slot, type: "table", table: of };
}

export function tables<T extends object>(slot: number, of: () => TableSchema<T>): Slot<readonly T[]> {
  return { slot, type: "tables", table: of };
}

/** The slots of a schema with their names, as data. */
export function slotsOf(schema: TableSchema<object>): [string, Slot<unknown>][] {
  const slots: Readonly<Record<string, Slot<unknown>>> = { ...schema.slots };
  return Object.entries(slots);
}
