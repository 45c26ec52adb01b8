import { inflate } from "./inflate.ts";
import { annotationError } from "./records.ts";

/** A value of a MATLAB 5 file. Numbers of every class come as doubles, column by column. */
export type MatValue =
  | { readonly kind: "numeric"; readonly dims: readonly number[]; readonly data: Float64Array; readonly integer: boolean }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "cell"; readonly dims: readonly number[]; readonly items: readonly MatValue[] }
  | { readonly kind: "struct"; readonly dims: readonly number[]; readonly items: readonly Readonly<Record<string, MatValue>>[] };

const HEADER = 128;
const MAX_INFLATED = 512 * 1024 * 1024;
const MAX_DEPTH = 32;
const [MATRIX, COMPRESSED] = [14, 15];
const [CELL, STRUCT, OBJECT, CHAR, SPARSE] = [1, 2, 3, 4, 5];
/** Bytes of one number, by the format's data type. */
const NUMBER_BYTES: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 2,
  5: 4,
  6: 4,
  7: 4,
  9: 8,
  12: 8,
  13: 8,
  16: 1,
  17: 2,
  18: 4,
};

/**
 * The variables of a MATLAB 5 file (MathWorks, "MAT-File Format", level 5), compressed or not, of either byte order. Numbers, text,
 * cells and structs; no sparse matrices, objects or complex parts. Every size is checked against the bytes that are there.
 * @param wanted names of the variables to read; default all
 * @throws HoneError annotations.invalid
 */
export async function readMat5(bytes: Uint8Array, file?: string, wanted?: readonly string[]): Promise<Map<string, MatValue>> {
  if (bytes.length < HEADER) throw damaged("it has no header", file);
  const mark = String.fromCharCode(bytes[126] as number, bytes[127] as number);
  if (mark !== "IM" && mark !== "MI") {
    throw annotationError("this is no MATLAB 5 file", file, "MATLAB's newer -v7.3 files are HDF5: save with -v7.");
  }
  const little = mark === "IM";
  const variables = new Map<string, MatValue>();
  const top = new Reader(bytes, little, file, HEADER);
  let inflated = 0;
  while (top.at < bytes.length) {
    const element = top.element();
    let { type, data } = element;
    if (type === COMPRESSED) {
      data = await inflate(data, MAX_INFLATED - inflated, "MATLAB file", file);
      inflated += data.length;
      const inner = new Reader(data, little, file).element();
      type = inner.type;
      data = inner.data;
    }
    if (type !== MATRIX) continue;
    const reader = new Reader(data, little, file);
    if (wanted && !wanted.includes(nameOf(new Reader(data, little, file)))) continue;
    const { name, value } = readMatrix(reader, 0);
    variables.set(name, value);
  }
  return variables;
}

interface Element {
  readonly type: number;
  readonly data: Uint8Array;
}

class Reader {
  at: number;
  readonly bytes: Uint8Array;
  readonly little: boolean;
  readonly file: string | undefined;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, little: boolean, file: string | undefined, at = 0) {
    this.bytes = bytes;
    this.little = little;
    this.file = file;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** The next element: a tag of 8 bytes, or of 4 with up to 4 bytes of data beside it. */
  element(): Element {
    if (this.left < 8) throw damaged(`it ends inside a tag at byte ${this.at}`, this.file);
    const first = this.#view.getUint32(this.at, this.little);
    const small = first >>> 16;
    const size = small > 0 ? small : this.#view.getUint32(this.at + 4, this.little);
    const start = this.at + (small > 0 ? 4 : 8);
    if (small > 4 || start + size > this.bytes.length) throw damaged(`an element at byte ${this.at} claims ${size} bytes`, this.file);
    const type = first & 0xffff;
    // Compressed elements alone are not padded to 8 bytes.
    const end = small > 0 ? this.at + 8 : type === COMPRESSED ? start + size : start + Math.ceil(size / 8) * 8;
    this.at = Math.min(end, this.bytes.length);
    return { type, data: this.bytes.subarray(start, start + size) };
  }

  numbers(): Float64Array {
    return numbersOf(this.element(), this.little, this.file);
  }

  text(): string {
    return String.fromCharCode(...this.element().data.subarray(0, 256));
  }
}

function nameOf(r: Reader): string {
  r.element();
  r.element();
  return r.text();
}

function readMatrix(r: Reader, depth: number): { name: string; value: MatValue } {
  if (depth > MAX_DEPTH) throw damaged(`cells are nested more than ${MAX_DEPTH} deep`, r.file);
  if (r.left === 0) return { name: "", value: { kind: "numeric", dims: [0, 0], data: new Float64Array(0), integer: false } };
  const flags = r.numbers()[0] ?? 0;
  const dims = [...r.numbers()];
  const name = r.text();
  const count = countOf(dims, name, r.file);
  const kind = flags & 0xff;
  if (kind === CELL) return { name, value: { kind: "cell", dims, items: readItems(r, count, depth) } };
  if (kind === STRUCT) return { name, value: readStruct(r, dims, count, depth) };
  if (isUnreadable(kind)) throw damaged(`"${name}" is an object, a sparse matrix or something newer, which are not read`, r.file);
  const data = r.numbers();
  if (data.length !== count) throw damaged(`"${name}" has ${data.length} numbers for the size ${dims.join("x")}`, r.file);
  if (kind === CHAR) return { name, value: { kind: "text", text: textOf(data) } };
  return { name, value: { kind: "numeric", dims, data, integer: kind >= 8 } };
}

function isUnreadable(kind: number): boolean {
  return kind === OBJECT || kind === SPARSE || kind > 15;
}

function countOf(dims: readonly number[], name: string, file: string | undefined): number {
  const count = dims.reduce((n, d) => n * d, 1);
  if (dims.length > 32 || dims.some((d) => !(d >= 0)) || !Number.isSafeInteger(count)) {
    throw damaged(`"${name}" has the size ${dims.slice(0, 8).join("x")}`, file);
  }
  return count;
}

function readItems(r: Reader, count: number, depth: number): MatValue[] {
  // A matrix takes at least its tag of 8 bytes, so a count beyond that is a lie.
  if (count > r.left / 8) throw damaged(`a cell or struct claims ${count} entries in ${r.left} bytes`, r.file);
  return Array.from({ length: count }, () => {
    const { type, data } = r.element();
    if (type !== MATRIX) throw damaged(`a cell holds an element of type ${type}`, r.file);
    return readMatrix(new Reader(data, r.little, r.file), depth + 1).value;
  });
}

function readStruct(r: Reader, dims: number[], count: number, depth: number): MatValue {
  const width = r.numbers()[0] ?? 0;
  const names = r.element().data;
  if (!(width >= 1 && width <= 64)) throw damaged(`a struct has field names of ${width} bytes`, r.file);
  const fields = Array.from({ length: Math.floor(names.length / width) }, (_, i) =>
    String.fromCharCode(...names.subarray(i * width, (i + 1) * width)).replace(/\0.*$/s, ""),
  );
  const values = readItems(r, count * fields.length, depth);
  const items = Array.from({ length: fields.length === 0 ? 0 : count }, (_, i) =>
    Object.fromEntries(fields.map((field, f) => [field, values[i * fields.length + f] as MatValue])),
  );
  return { kind: "struct", dims, items };
}

function numbersOf({ type, data }: Element, little: boolean, file: string | undefined): Float64Array {
  const size = NUMBER_BYTES[type];
  if (size === undefined) throw damaged(`an element of type ${type} stands where numbers belong`, file);
  const count = Math.floor(data.length / size);
  const out = new Float64Array(count);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = NUMBER_READERS[type];
  for (let i = 0; i < count; i++) out[i] = read?.(view, i * size, little) ?? NaN;
  return out;
}

const NUMBER_READERS: Readonly<Record<number, (view: DataView, at: number, little: boolean) => number>> = {
  1: (v, at) => v.getInt8(at),
  2: (v, at) => v.getUint8(at),
  3: (v, at, little) => v.getInt16(at, little),
  4: (v, at, little) => v.getUint16(at, little),
  5: (v, at, little) => v.getInt32(at, little),
  6: (v, at, little) => v.getUint32(at, little),
  7: (v, at, little) => v.getFloat32(at, little),
  9: (v, at, little) => v.getFloat64(at, little),
  12: (v, at, little) => Number(v.getBigInt64(at, little)),
  13: (v, at, little) => Number(v.getBigUint64(at, little)),
  16: (v, at) => v.getUint8(at),
  17: (v, at, little) => v.getUint16(at, little),
  18: (v, at, little) => v.getUint32(at, little),
};

function textOf(codes: Float64Array): string {
  let text = "";
  for (const code of codes) text += String.fromCharCode(code);
  return text;
}

function damaged(what: string, file: string | undefined): Error {
  return annotationError(`MATLAB file: ${what}`, file);
}
