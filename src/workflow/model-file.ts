/** Model files: read with a bound on their size, their data files found beside them and nowhere else. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { totalmem } from "node:os";
import { basename, dirname, join, sep } from "node:path";
import { importModel, requireFormat, type InputShapes } from "../formats/index.ts";
import type { ExternalFile } from "../formats/onnx/external.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import type { Graph } from "../ir/graph.ts";
import { openToRead } from "../runtime/node/file.ts";
import { HoneError } from "../util/errors.ts";

/** More than any model that is one file: protobuf and flatbuffers end at 2 GB. */
const MAX_MODEL_BYTES = 2 ** 31;
/** Node cannot hold more in one array on every platform. */
const MAX_PART_BYTES = 2 ** 32 - 1;

export interface ModelFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly format: "onnx" | "tflite";
}

/** Reads a file whole. Throws `file.not-found`, `file.unreadable`, `file.too-large`, `aborted`. */
export async function readBounded(path: string, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  const at = { file: path };
  let file: FileHandle | undefined;
  try {
    file = await openToRead(path);
    const info = await file.stat();
    if (!info.isFile()) throw new HoneError("file.unreadable", "not a regular file", { at });
    if (info.size > limit) {
      throw new HoneError("file.too-large", `${info.size} bytes is more than such a file can have (${limit})`, { at });
    }
    return await readWhole(file, info.size, at, signal);
  } catch (error) {
    throw readError(error, path);
  } finally {
    await file?.close();
  }
}

/** At most this much at once, so that an abort is heard. */
const CHUNK = 1 << 26;

/** Straight into the array that is returned: a model's bytes are in memory once. */
async function readWhole(
  file: FileHandle,
  size: number,
  at: { readonly file: string },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  // The bytes before are for a shift that aligns the weights.
  const bytes = new Uint8Array(new ArrayBuffer(size + ALIGNMENT), ALIGNMENT);
  for (let done = 0; done < size;) {
    if (signal?.aborted) throw new HoneError("aborted", "reading was aborted", { at });
    const { bytesRead } = await file.read(bytes, done, Math.min(CHUNK, size - done), done);
    if (bytesRead === 0) throw new HoneError("file.unreadable", "it became shorter while it was read", { at });
    done += bytesRead;
  }
  return bytes;
}

/** An error of the file system in hone's words; others stay as they are. */
export function readError(error: unknown, path: string): unknown {
  if (error instanceof HoneError || !(error instanceof Error)) return error;
  const at = { file: path };
  if (error.name === "AbortError") return new HoneError("aborted", "reading was aborted", { at, cause: error });
  const code = "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new HoneError("file.not-found", "there is no such file", {
      at,
      hint: "Check the path; it is relative to the current folder.",
      cause: error,
    });
  }
  return new HoneError("file.unreadable", `cannot be read: ${error.message}`, { at, cause: error });
}

const ALIGNMENT = 8;

/**
 * The same bytes, moved to where most of the weights of an ONNX file are aligned for their type: those are views of the file, others
 * would be copied. `bytes` begins at byte 8 of a buffer of its own.
 */
function aligned(bytes: Uint8Array, file: string): Uint8Array {
  const sums = new Array<number>(ALIGNMENT).fill(0);
  try {
    for (const { rawData } of readOnnx(bytes, { file }).graph?.initializer ?? [])
      if (rawData) sums[rawData.byteOffset % ALIGNMENT] = (sums[rawData.byteOffset % ALIGNMENT] ?? 0) + rawData.length;
  } catch {
    // What is wrong with the file is said where it is imported.
    return bytes;
  }
  // Most weights are float32: what is 4 off is as good.
  const quarters = Array.from({ length: 4 }, (_, i) => (sums[i] ?? 0) + (sums[i + 4] ?? 0));
  const shift = quarters.indexOf(Math.max(...quarters));
  if (shift === 0) return bytes;
  const whole = new Uint8Array(bytes.buffer);
  whole.copyWithin(ALIGNMENT - shift, ALIGNMENT);
  return whole.subarray(ALIGNMENT - shift, ALIGNMENT - shift + bytes.length);
}

/** Reads a model file and tells its format. Throws what {@link readBounded} throws, and `model.format`. */
export async function readModelFile(path: string, signal?: AbortSignal): Promise<ModelFile> {
  const read = await readBounded(path, MAX_MODEL_BYTES, signal);
  const format = requireFormat(read, path);
  const bytes = format === "onnx" ? aligned(read, path) : read;
  return { path, bytes, sha256: createHash("sha256").update(bytes).digest("hex"), format };
}

/**
 * The graph of a model file. What a model decides by the sizes of its inputs, such as which branch to take, can only be read for
 * given shapes: when the model cannot be read for all and `profiles` has one set of shapes, it is read for that. Throws what
 * importing throws.
 */
export function importFile(model: ModelFile, profiles: readonly InputShapes[] = []): Graph {
  const options = { file: model.path, resolveExternal: externalData(model) };
  const [shapes, ...others] = profiles;
  try {
    return importModel(model.bytes, options);
  } catch (error) {
    const undecided = error instanceof HoneError && (error.code === "model.unsupported" || error.code === "graph.shape");
    if (!undecided || !shapes || others.length > 0) throw error;
  }
  return importModel(model.bytes, { ...options, shapes });
}

const loaded = new WeakMap<ModelFile, Map<string, ExternalFile | undefined>>();

/** The resolver of a model's data files, of which each part is read once. */
export function externalData(model: ModelFile): (location: string) => ExternalFile | undefined {
  const files = loaded.get(model) ?? new Map<string, ExternalFile | undefined>();
  loaded.set(model, files);
  return (location) => {
    if (!files.has(location)) files.set(location, readBeside(model.path, location));
    return files.get(location);
  };
}

/** `location` was checked not to leave the folder by its name; here also links that lead out of it are refused. */
function readBeside(modelPath: string, location: string): ExternalFile | undefined {
  const file = join(dirname(modelPath), location);
  try {
    const real = realpathSync(file);
    const folder = realpathSync(dirname(modelPath));
    if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      throw new HoneError("model.damaged", `the data file "${location}" is a link that leaves the model's folder`, {
        at: { file: modelPath },
      });
    }
    const info = statSync(real);
    if (!info.isFile()) throw new HoneError("file.unreadable", "not a regular file", { at: { file } });
    return partsOf(real, info.size);
  } catch (error) {
    const translated = readError(error, file);
    if (translated instanceof HoneError && translated.code === "file.not-found") return undefined;
    throw translated;
  }
}

/** A file's parts, straight into the arrays that tensors are; what is used twice is read once. */
function partsOf(file: string, size: number): ExternalFile {
  const parts = new Map<string, Uint8Array>();
  let total = 0;
  const read = (offset: number, length: number): Uint8Array => {
    const key = `${offset}+${length}`;
    const known = parts.get(key);
    if (known) return known;
    total += length;
    // A file can say that it is larger than it is: holes take no room on the disk, but do in memory.
    if (length > MAX_PART_BYTES || total > totalmem())
      throw new HoneError("file.too-large", `tensors of ${total} bytes do not fit into memory`, { at: { file } });
    const part = readPart(file, offset, length);
    parts.set(key, part);
    return part;
  };
  return { size, read };
}

function readPart(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < length;) {
      const count = readSync(file, bytes, done, Math.min(CHUNK, length - done), offset + done);
      if (count === 0) throw new HoneError("file.unreadable", "it became shorter while it was read", { at: { file: path } });
      done += count;
    }
    return bytes;
  } catch (error) {
    throw readError(error, path);
  } finally {
    closeSync(file);
  }
}

/** `yunet` for `models/yunet.onnx`. */
export function baseName(path: string): string {
  return basename(path).replace(/\.[^.]+$/, "");
}
