/** Programs for a page, bundled by esbuild: hone's own doors and what uses them. */
import { build, type BuildOptions } from "esbuild";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** Where a bundled page finds the worker's program. */
const WORKER_PATH = "worker.js";

/** Bundles by the names under which they are served. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** Bundles TypeScript entry points, named by the path that each is served under, with hone's worker beside them. */
export async function bundlePage(entries: Readonly<Record<string, string>>, options: BuildOptions = {}): Promise<Files> {
  const files = new Map<string, Uint8Array>();
  const named = { ...entries, [WORKER_PATH]: "src/web-worker.ts" };
  for (const [name, entry] of Object.entries(named)) {
    const { outputFiles } = await build({
      entryPoints: [entry],
      absWorkingDir: ROOT,
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      minify: true,
      write: false,
      logLevel: "warning",
      ...options,
    });
    const [file] = outputFiles ?? [];
    if (file) files.set(name, file.contents);
  }
  return files;
}
