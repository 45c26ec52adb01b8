/**
 * A message of the protocol buffers wire format, described as a typed table: the compiler holds the table against the interface it fills.
 * `size` is an int64 that must be a non-negative safe integer and becomes a number; `int64` and `uint64` become BigInt.
 * Repeated numbers become typed arrays (`size`: a plain array), so that a hostile file cannot blow up into boxed values.
 */
export type FieldType = "int32" | "int64" | "uint64" | "size" | "float" | "double" | "string" | "bytes" | "message";

/** `default`: absent means the type's zero. `optional`: absent stays absent. `packed` only says how a writer writes; readers take both. */
export type FieldRule = "default" | "optional" | "repeated" | "packed";

export interface Field<T> {
  readonly number: number;
  readonly type: FieldType;
  readonly rule: FieldRule;
  readonly message?: () => Schema<object>;
  /** Never set: carries the type of the value. */
  readonly value?: T;
}

export interface Schema<T> {
  readonly name: string;
  readonly fields: { readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>> };
}

type Scalar<T> = (number: number) => Field<T>;
const scalar =
  <T>(type: FieldType, rule: FieldRule) =>
  (number: number): Field<T> => ({ number, type, rule });

export const int32: Scalar<number> = scalar("int32", "default");
export const size: Scalar<number> = scalar("size", "default");
export const int64: Scalar<bigint> = scalar("int64", "default");
export const text: Scalar<string> = scalar("string", "default");

export const maybeInt64: Scalar<bigint> = scalar("int64", "optional");
export const maybeFloat: Scalar<number> = scalar("float", "optional");
export const maybeText: Scalar<string> = scalar("string", "optional");
export const maybeBytes: Scalar<Uint8Array> = scalar("bytes", "optional");

export const sizes: Scalar<readonly number[]> = scalar("size", "repeated");
export const floats: Scalar<Float32Array> = scalar("float", "repeated");
export const int64s: Scalar<BigInt64Array> = scalar("int64", "repeated");
export const texts: Scalar<readonly string[]> = scalar("string", "repeated");
export const byteStrings: Scalar<readonly Uint8Array[]> = scalar("bytes", "repeated");

export const packedFloats: Scalar<Float32Array> = scalar("float", "packed");
export const packedDoubles: Scalar<Float64Array> = scalar("double", "packed");
export const packedInt32s: Scalar<Int32Array> = scalar("int32", "packed");
export const packedInt64s: Scalar<BigInt64Array> = scalar("int64", "packed");
export const packedUint64s: Scalar<BigUint64Array> = scalar("uint64", "packed");

export function message<T extends object>(number: number, of: () => Schema<T>): Field<T> {
  return { number, type: "message", rule: "optional", message: of };
}

export function messages<T extends object>(number: number, of: () => Schema<T>): Field<readonly T[]> {
  return { number, type: "message", rule: "repeated", message: of };
}

/** The fields of a schema with their names, as data. */
export function fieldsOf(schema: Schema<object>): [string, Field<unknown>][] {
  const fields: Readonly<Record<string, Field<unknown>>> = { ...schema.fields };
  return Object.entries(fields);
}

export const isRepeated = (field: Field<unknown>): boolean => field.rule === "repeated" || field.rule === "packed";
