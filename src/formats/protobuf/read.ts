import { HoneError, must } from "../../util/errors.ts";
import { fieldsOf, isRepeated, type Field, type Schema } from "./field.ts";
import { growing, isNumeric, noNumbers, type Growing, type NumericType } from "./numbers.ts";

/** Deeper than any model nests; protobuf's own readers stop at 100 too. */
const MAX_DEPTH = 100;
/** An empty message costs two bytes in a file and some hundred in memory: this bounds what a hostile file can make of that. */
const MAX_MESSAGES = 2_000_000;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const WIRE: Record<NumericType, number> = { float: FIXED32, double: FIXED64, int32: VARINT, int64: VARINT, uint64: VARINT, size: VARINT };
const NONE: readonly never[] = Object.freeze([]);

/**
 * Reads one message. Not pbf's reader, which checks no bounds, rounds 64-bit integers and misreads floats of a view into a larger buffer. Byte fields are views into `bytes`; unknown fields are skipped; of a singular field the last one counts.
 * Throws `model.damaged` with the file and the byte offset.
 */
export function decode<T extends object>(schema: Schema<T>, bytes: Uint8Array, file: string): T {
  return new Reader(bytes, file).message(schema, bytes.length, 0);
}

interface Slot {
  readonly name: string;
  readonly field: Field<unknown>;
}

const slotTables = new WeakMap<Schema<object>, Map<number, Slot>>();

function slotsOf(schema: Schema<object>): Map<number, Slot> {
  const known = slotTables.get(schema);
  if (known !== undefined) return known;
  const made = new Map(fieldsOf(schema).map(([name, field]) => [field.number, { name, field }]));
  slotTables.set(schema, made);
  return made;
}

class Reader {
  private readonly view: DataView;
  private pos = 0;
  private readonly bytes: Uint8Array;
  private readonly file: string;
  private messages = 0;
  /** The two halves of the varint read last. */
  private low = 0;
  private high = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.file = file;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  message<T extends object>(schema: Schema<T>, end: number, depth: number): T {
    if (depth > MAX_DEPTH) throw this.damaged(`messages are nested deeper than ${MAX_DEPTH}`);
    if (++this.messages > MAX_MESSAGES) throw this.damaged(`more than ${MAX_MESSAGES} messages`);
    const out: Record<string, unknown> = {};
    const numbers = new Map<string, Growing>();
    const slots = slotsOf(schema);
    while (this.pos < end) {
      const wire = this.tag(end);
      const slot = slots.get(this.low >>> 3);
      if (slot === undefined) this.skip(wire, end);
      else this.field(schema.name, slot, wire, { out, numbers, end, depth });
    }
    for (const [name, list] of numbers) out[name] = list.done();
    return withDefaults<T>(schema, out);
  }

  private field(owner: string, { name, field }: Slot, wire: number, at: Target): void {
    const where = `${owner}.${name}`;
    if (isNumeric(field.type)) {
      this.number(where, name, field.type, isRepeated(field), wire, at);
      return;
    }
    if (wire !== BYTES) throw this.damaged(`${where} has wire type ${wire}`);
    const stop = this.length(where, at.end);
    const value = this.delimited(field, stop, at.depth);
    this.pos = stop;
    if (!isRepeated(field)) {
      at.out[name] = value;
      return;
    }
    const list = at.out[name];
    if (Array.isArray(list)) list.push(value);
    else at.out[name] = [value];
  }

  private delimited(field: Field<unknown>, stop: number, depth: number): unknown {
    if (field.message !== undefined) return this.message(field.message(), stop, depth + 1);
    const view = this.bytes.subarray(this.pos, stop);
    return field.type === "string" ? utf8.decode(view) : view;
  }

  private number(where: string, name: string, type: NumericType, repeated: boolean, wire: number, { out, numbers, end }: Target): void {
    if (!repeated) {
      if (wire !== WIRE[type]) throw this.damaged(`${where} has wire type ${wire}`);
      out[name] = this.value(where, type, end);
      return;
    }
    let list = numbers.get(name);
    if (list === undefined) numbers.set(name, (list = growing(type)));
    if (wire === WIRE[type]) {
      list.reserve(1);
      list.push(this.value(where, type, end));
    } else if (wire === BYTES) {
      const stop = this.length(where, end);
      list.reserve(this.count(where, type, stop));
      while (this.pos < stop) list.push(this.value(where, type, stop));
    } else {
      throw this.damaged(`${where} has wire type ${wire}`);
    }
  }

  /** How many elements a packed piece holds: a varint ends at each byte below 128. */
  private count(where: string, type: NumericType, stop: number): number {
    const length = stop - this.pos;
    const width = WIRE[type] === FIXED32 ? 4 : WIRE[type] === FIXED64 ? 8 : 1;
    if (length % width !== 0) throw this.damaged(`${where} has ${length} bytes, not a multiple of ${width}`);
    if (width > 1) return length / width;
    let count = 0;
    for (let i = this.pos; i < stop; i++) if (must(this.bytes[i], "byte") < 128) count++;
    return count;
  }

  private value(where: string, type: NumericType, end: number): number | bigint {
    if (type === "float" || type === "double") {
      const width = type === "float" ? 4 : 8;
      this.need(width, end);
      this.pos += width;
      return width === 4 ? this.view.getFloat32(this.pos - 4, true) : this.view.getFloat64(this.pos - 8, true);
    }
    this.varint(end);
    if (type === "int32") return this.low | 0;
    if (type === "size") {
      if (this.high >= 0x200000) throw this.damaged(`${where} is negative or absurdly large`);
      return this.high * 0x100000000 + this.low;
    }
    const bits = (BigInt(this.high) << 32n) | BigInt(this.low);
    return type === "int64" ? BigInt.asIntN(64, bits) : bits;
  }

  private tag(end: number): number {
    this.varint(end);
    if (this.high !== 0 || this.low >>> 3 === 0) throw this.damaged("a field number is out of range");
    return this.low & 7;
  }

  /** Reads a length and returns where what it measures stops. */
  private length(where: string, end: number): number {
    this.varint(end);
    const stop = this.pos + this.high * 0x100000000 + this.low;
    if (stop > end) throw this.damaged(`${where} is ${stop - end} bytes longer than what holds it`);
    return stop;
  }

  private varint(end: number): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      this.need(1, end);
      const byte = must(this.bytes[this.pos++], "byte");
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 128) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.damaged("a varint is longer than ten bytes");
  }

  private skip(wire: number, end: number): void {
    if (wire === VARINT) this.varint(end);
    else if (wire === BYTES) this.pos = this.length("an unknown field", end);
    else if (wire === FIXED32 || wire === FIXED64) {
      const width = wire === FIXED32 ? 4 : 8;
      this.need(width, end);
      this.pos += width;
    } else throw this.damaged(`wire type ${wire} is not used by this format`);
  }

  private need(count: number, end: number): void {
    if (this.pos + count > end) throw this.damaged("a value ends outside of what holds it");
  }

  private damaged(what: string): HoneError {
    return new HoneError("model.damaged", `${what} (byte ${this.pos} of ${this.bytes.length})`, {
      at: { file: this.file },
      hint: "The file is truncated or was altered. Get it again and compare its size or checksum.",
    });
  }
}

interface Target {
  readonly out: Record<string, unknown>;
  readonly numbers: Map<string, Growing>;
  readonly end: number;
  readonly depth: number;
}

const utf8 = new TextDecoder();

function withDefaults<T extends object>(schema: Schema<T>, out: Record<string, unknown>): T {
  for (const [name, field] of fieldsOf(schema)) {
    if (Object.hasOwn(out, name) || field.rule === "optional") continue;
    out[name] = absent(field);
  }
  return out as T;
}

function absent(field: Field<unknown>): unknown {
  if (isNumeric(field.type)) return isRepeated(field) ? noNumbers(field.type) : field.type === "int64" || field.type === "uint64" ? 0n : 0;
  return isRepeated(field) ? NONE : "";
}
