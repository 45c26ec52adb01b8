/** Arrays in files as numpy keeps them (NEP 1: A Simple File Format for NumPy Arrays, versions 1 to 3). */
import { viewOf, elementCount, bytesOf, tensor, type Tensor } from "../tensor/tensor.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import { HoneError } from "../util/errors.ts";

const MAGIC = "\x93NUMPY";
const MAX_HEADER = 65_536;
const MAX_RANK = 32;

/** numpy's letters; bfloat16 has none. */
const DESCR: Readonly<Record<string, DType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

/** Reads a .npy file's bytes. Throws `feeds.invalid` for what is no such file, Fortran order, big-endian and structured types. */
export function readNpy(bytes: Uint8Array, file: string): Tensor {
  const parsed = parseNpy(bytes);
  if (typeof parsed !== "string") return parsed;
  throw new HoneError("feeds.invalid", `not an array that hone reads: ${parsed}`, {
    at: { file },
    hint: "Save it with numpy.save of a C-ordered array of numbers.",
  });
}

/** The array, or what is wrong. */
function parseNpy(bytes: Uint8Array): Tensor | string {
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) return "it does not begin as a .npy file";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const prefix = view.getUint8(6) >= 2 ? 12 : 10;
  const length = prefix === 12 ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = prefix + length;
  if (length > MAX_HEADER || start > bytes.length) return "its header is longer than the file";
  const header = parseHeader(new TextDecoder("latin1").decode(bytes.subarray(prefix, start)));
  if (typeof header === "string") return header;
  const { type, dims } = header;
  const count = elementCount(dims);
  const fits = dims.length <= MAX_RANK && Number.isSafeInteger(count) && start + count * DTYPES[type].bytes === bytes.length;
  if (!fits) return `${type}[${dims.join(",")}] does not fill the file`;
  return tensor(type, dims, viewOf(type, bytes.buffer, bytes.byteOffset + start, count));
}

function parseHeader(header: string): { readonly type: DType; readonly dims: readonly number[] } | string {
  const [, order = "", descr = ""] = /'descr'\s*:\s*'([<>|=])(\w+)'/.exec(header) ?? [];
  const type = DESCR[descr];
  if (type === undefined || order === ">") return `its type is ${order}${descr || "structured"}`;
  if (!/'fortran_order'\s*:\s*False/.test(header)) return "it is in Fortran order";
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (shape === undefined) return "its header has no shape";
  const dims = shape.split(",").filter((d) => d.trim() !== "");
  return { type, dims: dims.map(Number) };
}

/** The bytes of a .npy file, version 1. bfloat16 goes as its raw bits in uint16. */
export function writeNpy(t: Tensor): Uint8Array {
  const letters = Object.keys(DESCR).find((k) => DESCR[k] === t.type) ?? "u2";
  const order = DTYPES[t.type].bytes === 1 ? "|" : "<";
  const shape = t.dims.length === 1 ? `(${t.dims[0] ?? 0},)` : `(${t.dims.join(", ")})`;
  const text = `{'descr': '${order}${letters}', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const data = bytesOf(t);
  const out = new Uint8Array(10 + padded.length + data.length);
  out.set(Uint8Array.from(MAGIC, (c) => c.charCodeAt(0)));
  out.set([1, 0, padded.length & 255, padded.length >> 8], 6);
  out.set(new TextEncoder().encode(padded), 10);
  out.set(data, 10 + padded.length);
  return out;
}
