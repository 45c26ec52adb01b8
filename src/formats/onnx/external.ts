import { HoneError } from "../../util/errors.ts";
import type { OnnxModel, OnnxTensor } from "./ast.ts";

/** A file of which parts are read, when it is larger than one array can be. */
export interface ExternalFile {
  readonly size: number;
  /** Bytes `offset` to `offset + length`, which lie within the file. */
  readonly read: (offset: number, length: number) => Uint8Array;
}

/**
 * Hands over a file by its location relative to the model's folder, with `/` between its parts: all its bytes, or how to read some of
 * them; `undefined` when it is not there.
 */
export type ResolveExternal = (location: string) => Uint8Array | ExternalFile | undefined;

interface ExternalOptions {
  readonly file: string;
  readonly resolveExternal?: ResolveExternal;
}

/**
 * The bytes of a tensor that lie in another file. The file must lie within the model's folder: absolute paths, drive letters and `..` are
 * refused before anything is opened. `length` is what the dims need.
 */
export function externalBytes(proto: OnnxTensor, length: number, { file, resolveExternal }: ExternalOptions): Uint8Array {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const fail = (what: string, hint?: string): HoneError =>
    new HoneError("model.damaged", `the tensor "${proto.name}" ${what}`, { at: { file }, ...(hint === undefined ? {} : { hint }) });

  const location = entries.get("location") ?? "";
  if (!staysInside(location)) throw fail(`keeps its data in "${location}", which is not a file within the model's folder`);
  const offset = whole(entries.get("offset") ?? "0");
  const stated = whole(entries.get("length") ?? String(length));
  if (offset === undefined || stated === undefined) throw fail(`has an external offset or length that is not a whole number`);
  if (stated !== length) throw fail(`has ${stated} bytes in "${location}" where its dims need ${length}`);
  const whereToPut = `Put the file "${location}" beside the model.`;
  if (resolveExternal === undefined) {
    throw fail(
      `keeps its data in the file "${location}", but only the model's bytes were given`,
      "Import the model by its path, or pass resolveExternal.",
    );
  }
  const found = resolveExternal(location);
  if (found === undefined)
    throw new HoneError("file.not-found", `the model's data file "${location}" is not there`, { at: { file }, hint: whereToPut });
  const size = sizeOf(found);
  if (offset + length > size) {
    throw fail(`needs bytes ${offset} to ${offset + length} of "${location}", which has ${size}`, `The file is truncated. ${whereToPut}`);
  }
  return "read" in found ? found.read(offset, length) : found.subarray(offset, offset + length);
}

const sizeOf = (found: Uint8Array | ExternalFile): number => ("read" in found ? found.size : found.length);

function whole(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Whether a location names a file below the folder it is relative to, on any system. */
export function staysInside(location: string): boolean {
  if (location === "" || location.includes("\0") || location.includes(":")) return false;
  const parts = location.split(/[\\/]/);
  return parts[0] !== "" && parts.at(-1) !== "" && !parts.includes("..");
}

/** ONNX Runtime maps such files, so tensors start at pages. */
const ALIGNMENT = 4096;

/**
 * Moves the raw data of initializers of at least `threshold` bytes out of a model, into one file called `location`.
 * Returns the model that points there, and the file's bytes.
 */
export function externalize(model: OnnxModel, location: string, threshold = 1024): { model: OnnxModel; data: Uint8Array } {
  const { graph } = model;
  if (graph === undefined) return { model, data: new Uint8Array() };
  const pieces: { offset: number; bytes: Uint8Array }[] = [];
  let end = 0;
  const initializer = graph.initializer.map((proto): OnnxTensor => {
    const bytes = proto.rawData;
    if (bytes === undefined || bytes.length < threshold) return proto;
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    pieces.push({ offset, bytes });
    end = offset + bytes.length;
    const { rawData: _moved, ...rest } = proto;
    const externalData = Object.entries({ location, offset, length: bytes.length }).map(([key, value]) => ({ key, value: String(value) }));
    return { ...rest, externalData, dataLocation: 1 };
  });
  const data = new Uint8Array(end);
  for (const { offset, bytes } of pieces) data.set(bytes, offset);
  return { model: { ...model, graph: { ...graph, initializer } }, data };
}
