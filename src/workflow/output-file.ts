/** Outputs appear whole or not at all, and a place that cannot be written is told before long work, not after it. */
import { randomUUID } from "node:crypto";
import { open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HoneError } from "../util/errors.ts";
import { makeFolder } from "../util/node/folder.ts";
import { unwritable } from "../util/node/unwritable.ts";

const HINT = "Choose another path with -o, or make room.";

/** A reserved output. Either `commit` or `discard` must be called. */
export class OutputFile {
  readonly path: string;
  readonly #target: string;
  readonly #temporary: string;
  readonly #file: FileHandle;

  private constructor(path: string, target: string, temporary: string, file: FileHandle) {
    this.path = path;
    this.#target = target;
    this.#temporary = temporary;
    this.#file = file;
  }

  /** Makes the folder if need be and a temporary file in it. Throws `file.unwritable`. */
  static async reserve(path: string): Promise<OutputFile> {
    try {
      const target = await realTarget(path);
      await makeFolder(dirname(target));
      const temporary = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomUUID()}.tmp`);
      return new OutputFile(path, target, temporary, await open(temporary, "wx"));
    } catch (cause) {
      throw unwritable(cause, path, HINT);
    }
  }

  /** Writes the bytes where nobody looks yet. */
  async write(bytes: Uint8Array | string): Promise<void> {
    try {
      await this.#file.writeFile(bytes);
      await this.#file.close();
    } catch (cause) {
      await this.discard();
      throw unwritable(cause, this.path, HINT);
    }
  }

  /** Lets what was written appear. */
  async publish(): Promise<void> {
    try {
      await rename(this.#temporary, this.#target);
    } catch (cause) {
      await this.discard();
      throw unwritable(cause, this.path, HINT);
    }
  }

  async commit(bytes: Uint8Array | string): Promise<void> {
    await this.write(bytes);
    await this.publish();
  }

  /** May be called again, and after `commit`, when it does nothing. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }
}

/** Runs `make` with the output reserved, and writes what it gives. */
export async function writeOutput<T>(path: string, make: (write: (bytes: Uint8Array | string) => Promise<void>) => Promise<T>): Promise<T> {
  const output = await OutputFile.reserve(path);
  try {
    return await make((bytes) => output.commit(bytes));
  } finally {
    await output.discard();
  }
}

/** Writes several files: none appears before all are written. */
export async function writeOutputs(files: readonly { readonly path: string; readonly bytes: Uint8Array | string }[]): Promise<void> {
  const outputs: OutputFile[] = [];
  try {
    for (const { path, bytes } of files) {
      const output = await OutputFile.reserve(path);
      outputs.push(output);
      await output.write(bytes);
    }
    for (const output of outputs) await output.publish();
  } finally {
    for (const output of outputs) await output.discard();
  }
}

/** Where a link leads; a device or a folder is no place for a file that is renamed into it. */
async function realTarget(path: string): Promise<string> {
  const target = await realpath(path).catch(() => path);
  const info = await stat(target).catch(() => undefined);
  if (info?.isDirectory()) throw new HoneError("file.unwritable", "it is a folder", { at: { file: path }, hint: "Name a file in it." });
  if (info !== undefined && !info.isFile()) {
    throw new HoneError("file.unwritable", "it is not a regular file", { at: { file: path }, hint: "Choose another path with -o." });
  }
  return target;
}
