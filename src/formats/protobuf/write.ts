import Pbf from "pbf";
import { invariant } from "../../util/errors.ts";
import { fieldsOf, isRepeated, type Field, type Schema } from "./field.ts";

/** Writes one message, its fields in the order of the table; what is absent, empty or a `default` field's zero is left out. */
export function encode<T extends object>(schema: Schema<T>, value: T): Uint8Array {
  const pbf = new Pbf();
  writeMessage(schema, value, pbf);
  return pbf.finish();
}

function writeMessage(schema: Schema<object>, value: object, pbf: Pbf): void {
  const values = new Map<string, unknown>(Object.entries(value));
  for (const [name, field] of fieldsOf(schema)) {
    const v = values.get(name);
    if (v === undefined || (field.rule === "default" && isZero(v))) continue;
    if (!isRepeated(field)) writeOne(field, v, pbf);
    else if (field.rule === "packed") writePacked(field, elements(v), pbf);
    else for (const item of elements(v)) writeOne(field, item, pbf);
  }
}

const isZero = (v: unknown): boolean => v === 0 || v === 0n || v === "";

function elements(v: unknown): readonly unknown[] | (ArrayLike<unknown> & Iterable<unknown>) {
  invariant(Array.isArray(v) || (ArrayBuffer.isView(v) && !(v instanceof DataView)), "a repeated field holds a list");
  return v as ArrayLike<unknown> & Iterable<unknown>;
}

function writePacked(field: Field<unknown>, items: ArrayLike<unknown> & Iterable<unknown>, pbf: Pbf): void {
  if (items.length === 0) return;
  pbf.writeTag(field.number, 2);
  pbf.writeRawMessage((list, out) => {
    for (const item of list) writeNumber(field, item, out);
  }, items);
}

function writeOne(field: Field<unknown>, v: unknown, pbf: Pbf): void {
  if (field.message !== undefined) {
    invariant(typeof v === "object" && v !== null, "a message field holds an object");
    const schema = field.message();
    pbf.writeTag(field.number, 2);
    pbf.writeRawMessage((value, out) => writeMessage(schema, value, out), v);
  } else if (field.type === "bytes") {
    invariant(v instanceof Uint8Array, "a bytes field holds a Uint8Array");
    pbf.writeTag(field.number, 2);
    pbf.writeBytes(v);
  } else if (field.type === "string") {
    invariant(typeof v === "string", "a string field holds a string");
    pbf.writeTag(field.number, 2);
    pbf.writeBytes(utf8.encode(v));
  } else {
    pbf.writeTag(field.number, field.type === "float" ? 5 : field.type === "double" ? 1 : 0);
    writeNumber(field, v, pbf);
  }
}

const utf8 = new TextEncoder();

function writeNumber(field: Field<unknown>, v: unknown, pbf: Pbf): void {
  invariant(typeof v === "number" || typeof v === "bigint", "a number field holds a number");
  if (field.type === "float") pbf.writeFloat(Number(v));
  else if (field.type === "double") pbf.writeDouble(Number(v));
  else writeVarint(BigInt(v), pbf);
}

/** 64-bit exact, which the library's own writer of numbers is not. Negative values take ten bytes, as the format says. */
function writeVarint(value: bigint, pbf: Pbf): void {
  let rest = BigInt.asUintN(64, value);
  pbf.realloc(10);
  while (rest >= 128n) {
    pbf.buf[pbf.pos++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  pbf.buf[pbf.pos++] = Number(rest);
}
