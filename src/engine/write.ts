import { HoneError } from "../util/errors.ts";
import { sha256 } from "../util/hash.ts";
import { ENGINE_LIMITS, ENGINE_MAGIC, ENGINE_VERSION, HASH_BYTES, PREAMBLE_BYTES, alignUp } from "./format.ts";
import type { Hash, Manifest } from "./format.ts";
import { checkManifest } from "./manifest.ts";

export interface EngineParts {
  readonly manifest: Manifest;
  /** In the order in which they are written. */
  readonly sections: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/**
 * The bytes of a .hone file; the same parts give the same bytes.
 * Throws `internal` when the manifest breaks the rules that {@link readEngine} checks, `file.too-large` beyond 4 GiB.
 */
export function writeEngine(parts: EngineParts, hash: Hash = sha256): Uint8Array {
  const problems = checkManifest(
    parts.manifest,
    parts.sections.map((s) => s.name),
  );
  if (problems.length > 0) {
    throw new HoneError("internal", "the engine's manifest is wrong", { problems: problems.map((message) => ({ message })) });
  }
  let offset = 0;
  const sections = parts.sections.map(({ name, bytes }) => {
    const at = offset;
    offset = alignUp(offset + bytes.length);
    return { name, offset: at, bytes: bytes.length };
  });
  const header = new TextEncoder().encode(canonicalJson({ manifest: parts.manifest, sections }));
  const start = alignUp(PREAMBLE_BYTES + header.length);
  const total = start + offset + HASH_BYTES;
  if (total > ENGINE_LIMITS.fileBytes || header.length > ENGINE_LIMITS.headerBytes) {
    throw new HoneError("file.too-large", `the engine would have ${total} bytes, the limit is ${ENGINE_LIMITS.fileBytes}`);
  }
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  out.set(new TextEncoder().encode(ENGINE_MAGIC));
  view.setUint32(4, ENGINE_VERSION, true);
  view.setUint32(8, header.length, true);
  view.setBigUint64(16, BigInt(total), true);
  out.set(header, PREAMBLE_BYTES);
  parts.sections.forEach((s, i) => out.set(s.bytes, start + (sections[i]?.offset ?? 0)));
  const digest = hash(out.subarray(0, total - HASH_BYTES));
  for (let i = 0; i < HASH_BYTES; i++) out[total - HASH_BYTES + i] = Number.parseInt(digest.slice(i * 2, i * 2 + 2), 16);
  return out;
}

/** JSON with sorted keys and without undefined fields, so that equal values are equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => {
    if (typeof v !== "object" || v === null || Array.isArray(v)) return v;
    return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
