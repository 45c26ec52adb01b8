import { ByteBuffer } from "flatbuffers";
import { HoneError, must } from "../../util/errors.ts";
import { slotsOf, type Slot, type SlotType, type TableSchema } from "./table.ts";

/** Offsets may point anywhere, also many at one place: these bound what a small hostile file can unfold into. */
const MAX_TABLES = 1_000_000;
const MAX_ELEMENTS = 50_000_000;

const SCALAR_BYTES = { bool: 1, int8: 1, uint8: 1, int32: 4, uint32: 4, uint64: 8, float32: 4 } as const;
type ScalarType = keyof typeof SCALAR_BYTES;

const isScalar = (type: SlotType): type is ScalarType => Object.hasOwn(SCALAR_BYTES, type);

/**
 * Reads tables through the flatbuffers library's ByteBuffer, which checks nothing: here every offset, vtable and vector is held against the
 * file's length first. Throws `model.damaged` with the byte offset.
 */
export class TableReader {
  private readonly buffer: ByteBuffer;
  readonly bytes: Uint8Array;
  private readonly file: string;
  private tables = 0;
  private elements = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.file = file;
    this.buffer = new ByteBuffer(bytes);
  }

  root<T extends object>(schema: TableSchema<T>): T {
    return this.table(schema, this.follow(0), 0);
  }

  /** The table at `at`, which a union's value or an offset leads to. */
  table<T extends object>(schema: TableSchema<T>, at: number, depth: number): T {
    if (depth > 32) throw this.damaged("tables are nested too deeply", at);
    if (++this.tables > MAX_TABLES) throw this.damaged(`more than ${MAX_TABLES} tables`, at);
    const fields = this.fields(at);
    const out: Record<string, unknown> = {};
    for (const [name, slot] of slotsOf(schema)) {
      const place = fields(slot.slot);
      const value = place === 0 ? absent(slot) : this.value(slot, place, depth);
      if (value !== undefined) out[name] = value;
    }
    return out as T;
  }

  /** Checks a table's vtable and returns where a slot's value lies, 0 when it is absent. */
  private fields(at: number): (slot: number) => number {
    this.need(at, 4);
    const vtable = at - this.buffer.readInt32(at);
    this.need(vtable, 4);
    const vtableBytes = this.buffer.readUint16(vtable);
    const tableBytes = this.buffer.readUint16(vtable + 2);
    if (vtableBytes < 4 || vtableBytes % 2 !== 0 || tableBytes < 4) throw this.damaged("a vtable is malformed", vtable);
    this.need(vtable, vtableBytes);
    this.need(at, tableBytes);
    return (slot) => {
      const entry = 4 + slot * 2;
      if (entry + 2 > vtableBytes) return 0;
      const offset = this.buffer.readUint16(vtable + entry);
      if (offset >= tableBytes) throw this.damaged("a field lies outside of its table", vtable + entry);
      return offset === 0 ? 0 : at + offset;
    };
  }

  private value(slot: Slot<unknown>, at: number, depth: number): unknown {
    if (isScalar(slot.type)) {
      this.need(at, SCALAR_BYTES[slot.type]);
      return this.scalar(slot.type, at);
    }
    const to = this.follow(at);
    switch (slot.type) {
      case "string": {
        const length = this.vector(to, 1);
        this.spend(length, to);
        return utf8.decode(this.bytes.subarray(to + 4, to + 4 + length));
      }
      case "bytes":
        return this.bytes.subarray(to + 4, to + 4 + this.vector(to, 1));
      case "int32s":
        return this.list(to, 4, (p) => this.buffer.readInt32(p));
      case "float32s":
        return this.list(to, 4, (p) => this.buffer.readFloat32(p));
      case "int64s":
        return this.list(to, 8, (p) => this.buffer.readInt64(p));
      case "offset":
        return to;
      case "table":
        return this.table(must(slot.table, "schema")(), to, depth + 1);
      case "tables": {
        const schema = must(slot.table, "schema")();
        return this.list(to, 4, (p) => this.table(schema, this.follow(p), depth + 1));
      }
    }
  }

  private scalar(type: ScalarType, at: number): number | bigint | boolean {
    switch (type) {
      case "bool":
        return this.buffer.readUint8(at) !== 0;
      case "int8":
        return this.buffer.readInt8(at);
      case "uint8":
        return this.buffer.readUint8(at);
      case "int32":
        return this.buffer.readInt32(at);
      case "uint32":
        return this.buffer.readUint32(at);
      case "uint64":
        return this.buffer.readUint64(at);
      case "float32":
        return this.buffer.readFloat32(at);
    }
  }

  private list<T>(to: number, width: number, read: (at: number) => T): T[] {
    const length = this.vector(to, width);
    this.spend(length, to);
    return Array.from({ length }, (_, i) => read(to + 4 + i * width));
  }

  /** The length of the vector at `to`, all of which lies in the file. */
  private vector(to: number, width: number): number {
    this.need(to, 4);
    const length = this.buffer.readUint32(to);
    this.need(to + 4, length * width);
    return length;
  }

  /** Where the offset at `at` points. */
  follow(at: number): number {
    this.need(at, 4);
    const to = at + this.buffer.readUint32(at);
    this.need(to, 4);
    return to;
  }

  private spend(elements: number, at: number): void {
    this.elements += elements;
    if (this.elements > MAX_ELEMENTS) throw this.damaged(`more than ${MAX_ELEMENTS} elements`, at);
  }

  private need(at: number, count: number): void {
    if (at < 0 || at + count > this.bytes.length) throw this.damaged("an offset points outside of the file", at);
  }

  damaged(what: string, at: number): HoneError {
    return new HoneError("model.damaged", `${what} (byte ${at} of ${this.bytes.length})`, {
      at: { file: this.file },
      hint: "The file is truncated or was altered. Get it again and compare its size or checksum.",
    });
  }
}

const utf8 = new TextDecoder();
const NO_BYTES = new Uint8Array();
const NONE: readonly never[] = Object.freeze([]);

function absent(slot: Slot<unknown>): unknown {
  if (isScalar(slot.type) || slot.type === "offset") return slot.absent;
  if (slot.type === "table") return undefined;
  return slot.type === "string" ? "" : slot.type === "bytes" ? NO_BYTES : NONE;
}

/** A table with nothing in it: every field at its default. */
export function defaultsOf<T extends object>(schema: TableSchema<T>): T {
  const out: Record<string, unknown> = {};
  for (const [name, slot] of slotsOf(schema)) {
    const value = absent(slot);
    if (value !== undefined) out[name] = value;
  }
  return out as T;
}
