import { HoneError, type ErrorPlace } from "../util/errors.ts";
import { sha256 } from "../util/hash.ts";
import { ENGINE_LIMITS, ENGINE_MAGIC, ENGINE_VERSION, HASH_BYTES, PREAMBLE_BYTES, SECTION_ALIGNMENT, alignUp } from "./format.ts";
import type { Engine, Hash } from "./format.ts";
import { checkManifest, isFields, isManifest, isSize } from "./manifest.ts";

export interface ReadEngineOptions {
  /** SHA-256 to check the file with; the default is plain JavaScript at about 100 MB/s. */
  readonly hash?: Hash;
  /** Named in errors. */
  readonly file?: string;
}

const DAMAGED_HINT = "Copy the file again, or rebuild it with `hone build`.";

/**
 * Reads and checks a .hone file. Every length is bounded and every offset checked before it is followed; the hash is
 * compared before the header is parsed. Sections are views of `source`, which must not change afterwards.
 * Throws `engine.damaged` or `engine.version`.
 */
export function readEngine(source: Uint8Array, options: ReadEngineOptions = {}): Engine {
  const at: ErrorPlace = options.file === undefined ? {} : { file: options.file };
  // Of a Buffer, slice() is a view: whoever wanted a copy of a section would change the caller's file.
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const headerBytes = checkPreamble(bytes, at);
  const digest = checkHash(bytes, options.hash ?? sha256, at);
  const header = parseHeader(bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes), at);
  const start = alignUp(PREAMBLE_BYTES + headerBytes);
  const sections = readSections(header["sections"], bytes.subarray(start, bytes.length - HASH_BYTES), at);
  const names = [...sections.keys()];
  const manifest = header["manifest"];
  if (!isManifest(manifest, names)) {
    throw damaged("the engine file's manifest is wrong", at, checkManifest(manifest, names));
  }
  return { version: ENGINE_VERSION, manifest, sections, sha256: digest, bytes: bytes.length };
}

function damaged(message: string, at: ErrorPlace, problems: readonly string[] = []): HoneError {
  return new HoneError("engine.damaged", message, { at, hint: DAMAGED_HINT, problems: problems.map((text) => ({ message: text })) });
}

/** Checks magic, version and lengths; the answer is the bytes of the header. */
function checkPreamble(bytes: Uint8Array, at: ErrorPlace): number {
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (bytes.length >= 4 && magic !== ENGINE_MAGIC) {
    throw new HoneError("engine.damaged", "this is not an engine file: it does not begin with HONE", {
      at,
      hint: "Engine files are made with `hone build MODEL -o FILE.hone`.",
    });
  }
  if (bytes.length < PREAMBLE_BYTES + HASH_BYTES) throw damaged(`the engine file has only ${bytes.length} bytes`, at);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(4, true);
  if (version !== ENGINE_VERSION) {
    const newer = version > ENGINE_VERSION;
    throw new HoneError("engine.version", `the engine file has format version ${version}, this hone reads version ${ENGINE_VERSION}`, {
      at,
      hint: newer ? "Update hone, or rebuild the engine with this version." : "Rebuild the engine with `hone build`.",
    });
  }
  const total = view.getBigUint64(16, true);
  if (total !== BigInt(bytes.length)) {
    const how = bytes.length < total ? "truncated" : "longer than it says";
    throw damaged(`the engine file is ${how}: ${bytes.length} bytes instead of ${total}`, at);
  }
  const headerBytes = view.getUint32(8, true);
  if (headerBytes > ENGINE_LIMITS.headerBytes || alignUp(PREAMBLE_BYTES + headerBytes) + HASH_BYTES > bytes.length) {
    throw damaged(`the engine file's header cannot have ${headerBytes} bytes`, at);
  }
  return headerBytes;
}

function checkHash(bytes: Uint8Array, hash: Hash, at: ErrorPlace): string {
  const end = bytes.length - HASH_BYTES;
  const stored = Array.from(bytes.subarray(end), (b) => b.toString(16).padStart(2, "0")).join("");
  if (hash(bytes.subarray(0, end)) !== stored) throw damaged("the engine file is damaged: its hash does not match its content", at);
  return stored;
}

function parseHeader(bytes: Uint8Array, at: ErrorPlace): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HoneError("engine.damaged", "the engine file's header is not JSON", { at, hint: DAMAGED_HINT, cause });
  }
  if (!isFields(header)) throw damaged("the engine file's header is not an object", at);
  return header;
}

function readSections(value: unknown, data: Uint8Array, at: ErrorPlace): Map<string, Uint8Array> {
  if (!Array.isArray(value) || value.length > ENGINE_LIMITS.sections) throw damaged("the engine file's list of sections is wrong", at);
  const sections = new Map<string, Uint8Array>();
  for (const entry of value as readonly unknown[]) {
    const { name, offset, bytes }: Readonly<Record<string, unknown>> = isFields(entry) ? entry : {};
    const fits = isSize(offset, data.length) && offset % SECTION_ALIGNMENT === 0 && isSize(bytes, data.length - offset);
    if (typeof name !== "string" || name.length > ENGINE_LIMITS.nameLength || sections.has(name) || !fits) {
      throw damaged(`the engine file's section ${typeof name === "string" ? JSON.stringify(name) : "without a name"} is not inside it`, at);
    }
    sections.set(name, data.subarray(offset, offset + bytes));
  }
  return sections;
}
