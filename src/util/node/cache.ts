import { randomBytes } from "node:crypto";
import { chmod, lstat, readdir, realpath, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { HoneError } from "../errors.ts";
import { makeFolder } from "./folder.ts";

interface Candidate {
  readonly path: string;
  /** Others may write beside it, so it must be a real folder of ours and no link. */
  readonly shared: boolean;
}

function candidates(): Candidate[] {
  const { HONE_CACHE, XDG_CACHE_HOME, XDG_RUNTIME_DIR } = process.env;
  const user = process.getuid?.() ?? "user";
  const own = [HONE_CACHE, XDG_CACHE_HOME && join(XDG_CACHE_HOME, "hone"), join(homedir(), ".cache", "hone")];
  const fallback = [tmpdir(), "/var/tmp", "/dev/shm"].map((folder) => join(folder, `hone-${user}`));
  if (XDG_RUNTIME_DIR) own.push(join(XDG_RUNTIME_DIR, "hone"));
  return [...own.flatMap((path) => (path ? [{ path, shared: false }] : [])), ...fallback.map((path) => ({ path, shared: true }))];
}

/** The folder, made private (0700), or undefined when it cannot be made, written or trusted. */
async function makePrivate({ path, shared }: Candidate): Promise<string | undefined> {
  try {
    await makeFolder(path, 0o700);
    const real = shared ? path : await realpath(path);
    const info = await lstat(real);
    const mine = process.getuid === undefined || info.uid === process.getuid();
    if (!info.isDirectory() || !mine) return undefined;
    if ((info.mode & 0o077) !== 0) await chmod(real, 0o700);
    const probe = join(real, `.probe-${randomBytes(6).toString("hex")}`);
    await writeFile(probe, "", { mode: 0o600 });
    await rm(probe, { force: true });
    return real;
  } catch {
    return undefined;
  }
}

/**
 * The user's private cache folders that can be written, best first: `$HONE_CACHE`, `$XDG_CACHE_HOME/hone`, `~/.cache/hone`,
 * `$XDG_RUNTIME_DIR/hone`, then `hone-<uid>` in the temporary folders. Lazily: later ones are only made when they are asked for.
 */
export async function* privateFolders(): AsyncGenerator<string, void, undefined> {
  for (const candidate of candidates()) {
    const folder = await makePrivate(candidate);
    if (folder !== undefined) yield folder;
  }
}

/** A folder of that name in the best private cache folder. Throws `file.unwritable` when none can be written. */
export async function cacheFolder(name: string): Promise<string> {
  for await (const root of privateFolders()) {
    const folder = join(root, name);
    await makeFolder(folder, 0o700);
    return folder;
  }
  throw new HoneError("file.unwritable", "no cache folder can be written", {
    hint: "Set HONE_CACHE to a folder of yours that can be written.",
  });
}

/** Writes a file so that other processes see it whole or not at all. */
export async function writeWhole(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(fresh, bytes, { mode });
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

const KEEP_DAYS = 30;
const pruned = new Set<string>();

/** Marks a cached file as used now, for {@link pruneUnused}. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/** Removes what nobody used for 30 days from a cache folder; once a process. A library that is mapped stays usable. */
export async function pruneUnused(folder: string): Promise<void> {
  if (pruned.has(folder)) return;
  pruned.add(folder);
  const oldest = Date.now() - KEEP_DAYS * 86_400_000;
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && info.mtimeMs < oldest) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
