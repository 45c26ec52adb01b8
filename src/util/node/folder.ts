import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it. Not with mkdir's own `recursive`: in Node 20 that never ends where a folder cannot be made
 * although its parent is there, as under /proc.
 */
export async function makeFolder(path: string, mode: number = 0o777): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent, mode);
  await mkdir(path, { mode }).catch((error: unknown) => {
    // Another process may have made it meanwhile.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST" && info === undefined)) throw error;
  });
}
