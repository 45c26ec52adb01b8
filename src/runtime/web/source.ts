/** The bytes of an engine, wherever they come from, and their hash. */
import { ENGINE_LIMITS, HASH_BYTES, type Engine } from "../../engine/format.ts";
import { readEngine } from "../../engine/read.ts";
import { HoneError } from "../../util/errors.ts";
import { sha256 } from "../../util/hash.ts";

/** Bytes, or where to fetch them. */
export type EngineSource = string | URL | ArrayBufferLike | Uint8Array;

/** Throws `engine.damaged`, `engine.version`, `file.not-found`, `file.unreadable`, `file.too-large`, `aborted`. */
export async function readSource(source: EngineSource, signal: AbortSignal | undefined): Promise<Engine> {
  const fetched = typeof source === "string" || source instanceof URL;
  const bytes = fetched ? await fetchBytes(String(source), signal) : source instanceof Uint8Array ? source : new Uint8Array(source);
  const digest = await hashOf(bytes.subarray(0, Math.max(0, bytes.length - HASH_BYTES)));
  return readEngine(bytes, { hash: () => digest, ...(fetched ? { file: String(source) } : {}) });
}

async function fetchBytes(url: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const at = { file: url };
  try {
    const response = await fetch(url, signal === undefined ? {} : { signal });
    if (response.status === 404) throw new HoneError("file.not-found", "there is no such engine", { at });
    if (!response.ok) throw new HoneError("file.unreadable", `the server answers ${response.status} ${response.statusText}`, { at });
    const length = Number(response.headers.get("content-length") ?? 0);
    if (length > ENGINE_LIMITS.fileBytes) throw new HoneError("file.too-large", `${length} bytes is more than an engine can have`, { at });
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (cause instanceof HoneError) throw cause;
    if (signal?.aborted) throw new HoneError("aborted", "opening the engine was aborted", { cause });
    throw new HoneError("file.unreadable", `the engine cannot be fetched: ${cause instanceof Error ? cause.message : String(cause)}`, {
      at,
      hint: "Its server must allow this page to read it.",
      cause,
    });
  }
}

interface Subtle {
  digest(algorithm: "SHA-256", bytes: Uint8Array): Promise<ArrayBuffer>;
}

/** By the browser, which is many times faster than JavaScript; it does so only on pages from https and localhost, and not of shared memory. */
async function hashOf(bytes: Uint8Array): Promise<string> {
  const { subtle } = Reflect.get(globalThis, "crypto") as { readonly subtle?: Subtle };
  if (subtle === undefined || !(bytes.buffer instanceof ArrayBuffer)) return sha256(bytes);
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}
