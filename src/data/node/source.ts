import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { HoneError } from "../../util/errors.ts";
import { fileError } from "./decode.ts";

const ENDINGS = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".ppm"]);

/** A folder's images are listed up to this many, so that a wrong path cannot exhaust memory. */
const MAX_FILES = 1_000_000;

export interface ListOptions {
  /** Also folders inside; links are not followed. Default false. */
  readonly recursive?: boolean;
  readonly signal?: AbortSignal;
}

/** Whether a file's name ends like an image's. */
export function isImageName(name: string): boolean {
  return ENDINGS.has(extname(name).toLowerCase());
}

/**
 * The paths of the images in a folder, sorted by code unit, so the order is the same on every machine; a path to a file is a list of itself.
 * Hidden files are left out. Throws `file.not-found`, `file.unreadable`, `file.too-large` (more than a million), `aborted`.
 */
export async function listImages(path: string, options: ListOptions = {}): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const found: string[] = [];
    await walk(path, options, found);
    return found.sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    throw fileError(error, path);
  }
}

async function walk(folder: string, options: ListOptions, found: string[]): Promise<void> {
  if (options.signal?.aborted === true) throw new HoneError("aborted", "listing images was aborted", { at: { file: folder } });
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (options.recursive === true) await walk(path, options, found);
    } else if ((entry.isFile() || entry.isSymbolicLink()) && isImageName(entry.name)) {
      found.push(path);
      if (found.length > MAX_FILES) throw new HoneError("file.too-large", `more than ${MAX_FILES} images`, { at: { file: folder } });
    }
  }
}
