import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { ENGINE_LIMITS, HASH_BYTES, type Engine } from "../../engine/format.ts";
import { readEngine } from "../../engine/read.ts";
import { HoneError } from "../../util/errors.ts";
import { messageOf } from "./host.ts";

const CHUNK = 1 << 20;

/** Opens what should be a file. A named pipe opens too, instead of waiting for somebody to write into it: ask the handle what it is. */
export function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/**
 * Reads and checks an engine file. It is hashed piece by piece between reads, so that the event loop stays free.
 * Throws `file.not-found`, `file.unreadable`, `file.too-large`, `engine.damaged`, `engine.version`, `aborted`.
 */
export async function readEngineFile(path: string, signal?: AbortSignal): Promise<Engine> {
  const at = { file: path };
  let file: FileHandle | undefined;
  try {
    file = await openToRead(path);
    const info = await file.stat();
    if (!info.isFile()) throw new HoneError("file.unreadable", "an engine must be a file", { at });
    if (info.size > ENGINE_LIMITS.fileBytes) {
      throw new HoneError("file.too-large", `${info.size} bytes is more than an engine file can have (${ENGINE_LIMITS.fileBytes})`, { at });
    }
    const { bytes, digest } = await readHashed(file, info.size, signal);
    return readEngine(bytes, { file: path, hash: () => digest });
  } catch (error) {
    if (error instanceof HoneError) throw error;
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw missing
      ? new HoneError("file.not-found", "there is no such engine file", { at, hint: "Make one with `hone build MODEL -o FILE.hone`." })
      : new HoneError("file.unreadable", `the engine file cannot be read: ${messageOf(error)}`, { at, cause: error });
  } finally {
    await file?.close();
  }
}

async function readHashed(file: FileHandle, size: number, signal?: AbortSignal): Promise<{ bytes: Uint8Array; digest: string }> {
  const bytes = new Uint8Array(size);
  const hash = createHash("sha256");
  const hashed = Math.max(0, size - HASH_BYTES);
  let done = 0;
  while (done < size) {
    if (signal?.aborted) throw new HoneError("aborted", "opening the engine was aborted");
    const { bytesRead } = await file.read(bytes, done, Math.min(CHUNK, size - done), done);
    if (bytesRead === 0) break; // It became shorter; what is left fails the hash.
    if (done < hashed) hash.update(bytes.subarray(done, Math.min(done + bytesRead, hashed)));
    done += bytesRead;
  }
  return { bytes, digest: hash.digest("hex") };
}
