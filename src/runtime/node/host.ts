import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import { markUsed, privateFolders, pruneUnused, writeWhole } from "../../util/node/cache.ts";
import { makeFolder } from "../../util/node/folder.ts";

/** Counts over the whole process: what the host allocated since it was loaded, and what is alive. */
export interface NativeStats {
  readonly allocations: number;
  readonly bytesAlive: number;
  readonly engines: number;
  readonly contexts: number;
  readonly runs: number;
}

/** The functions of host.node (targets/c/support/host.c). Handles are numbers. */
export interface HostAddon {
  features(): string[];
  /** With `give` 1 the weights are moved, not copied: the array may read as zeros after. */
  load(key: string, source: string | Uint8Array, weights: Uint8Array, profiles: number, give: 0 | 1): number;
  unload(engine: number): void;
  createContext(
    engine: number,
    profile: number,
    arenaBytes: number,
    inputBytes: readonly number[],
    outputBytes: readonly number[],
    threads: number,
  ): number;
  destroyContext(context: number): void;
  run(context: number, inputs: readonly TypedArray[], outputs: readonly TypedArray[]): void;
  runAsync(context: number, inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void>;
  stats(): NativeStats;
}

export interface Host {
  readonly addon: HostAddon;
  /** A private folder from which code could be loaded. */
  readonly folder: string;
}

/** By hash; per thread, because every thread has its own instance of this module and of the addon's functions. */
const hosts = new Map<string, Promise<Host>>();

/** Unpacks host.node into the user's cache and loads it, once. Throws `engine.load`. */
export function loadHost(bytes: Uint8Array): Promise<Host> {
  const sha256 = hashOf(bytes);
  const known = hosts.get(sha256);
  if (known !== undefined) return known;
  const fresh = unpackHost(bytes, sha256);
  hosts.set(sha256, fresh);
  fresh.catch(() => hosts.delete(sha256));
  return fresh;
}

async function unpackHost(bytes: Uint8Array, sha256: string): Promise<Host> {
  const refused: string[] = [];
  for await (const root of privateFolders()) {
    const folder = join(root, "native");
    try {
      const path = await unpack(folder, `${sha256}.node`, bytes, sha256);
      const holder: { exports: unknown } = { exports: {} };
      process.dlopen(holder, path);
      if (!isHost(holder.exports)) throw new Error("it is not hone's host");
      return { addon: holder.exports, folder };
    } catch (error) {
      refused.push(`${folder}: ${messageOf(error)}`);
      if (!isRefusedFolder(error)) break;
    }
  }
  throw new HoneError("engine.load", "the native host that the engine carries could not be loaded", {
    problems: refused.map((message) => ({ message })),
    hint: "Set HONE_CACHE to a folder that can be written and is not mounted noexec.",
  });
}

/** Puts bytes into a private folder under a name made of their hash; what is there already is checked first. */
export async function unpack(folder: string, name: string, bytes: Uint8Array, sha256: string): Promise<string> {
  await makeFolder(folder, 0o700);
  const path = join(folder, name);
  const there = await readFile(path).catch(() => undefined);
  if (there !== undefined && there.length === bytes.length && hashOf(there) === sha256) {
    await markUsed(path);
  } else {
    await pruneUnused(folder);
    await writeWhole(path, bytes, 0o700);
  }
  return path;
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Whether another folder could do better: this one is full, cannot be written, or may not hold code. */
export function isRefusedFolder(error: unknown): boolean {
  if (error instanceof Error && "code" in error && /^(ENOSPC|EDQUOT|EFBIG|EROFS|EACCES|EPERM|EIO)$/.test(String(error.code))) return true;
  return /failed to map segment|operation not permitted|permission denied|noexec/i.test(messageOf(error));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const FUNCTIONS = ["features", "load", "unload", "createContext", "destroyContext", "run", "runAsync", "stats"];

function isHost(exports: unknown): exports is HostAddon {
  return typeof exports === "object" && exports !== null && FUNCTIONS.every((name) => name in exports);
}
