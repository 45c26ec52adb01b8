import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { HoneError } from "../util/errors.ts";
import type { Artifact } from "./artifact.ts";
import { Toolchain, type ToolchainOptions } from "./toolchain.ts";

export interface BuiltHost {
  /** host.node in the toolchain's cache. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly fromCache: boolean;
}

const HEADERS = ["node-api.h", "counted-memory.h", "engines.h", "team.h", "cpu-features.h"];
const SUPPORT = "targets/c/support/";
/** Where the support folder can be, seen from src/toolchain/, from dist/toolchain/ and from a bundled dist/. */
const PLACES = ["../", "./", "../../src/", "../src/"];
const FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"];

const built = new WeakMap<Toolchain, Promise<BuiltHost>>();

/**
 * Compiles host.node, the addon that loads engines, for the machine that `toolchain` compiles for; from the cache when it
 * was built before. The bytes go into an engine's `host:<platform>` section.
 * Throws `toolchain.missing` and `toolchain.failed`.
 */
export async function buildHost(toolchain?: Toolchain, options: ToolchainOptions = {}): Promise<BuiltHost> {
  const tools = toolchain ?? (await Toolchain.open(options));
  const known = built.get(tools);
  if (known !== undefined) return known;
  const fresh = compileHost(tools, options);
  built.set(tools, fresh);
  fresh.catch(() => built.delete(tools));
  return fresh;
}

async function compileHost(tools: Toolchain, options: ToolchainOptions): Promise<BuiltHost> {
  const source = await support("host.c");
  const headers = await Promise.all(HEADERS.map(async (name) => ({ name, text: await support(name) })));
  const darwin = tools.compiler.target.includes("darwin");
  const result = await tools.build({
    name: "host",
    sources: [{ name: "host.c", text: source }],
    headers,
    emit: "so",
    flags: FLAGS,
    // The napi_ functions are in the node executable.
    linkFlags: darwin ? ["-undefined", "dynamic_lookup"] : ["-lpthread", "-ldl", "-Wl,-s"],
    signal: options.signal,
  });
  const [artifact] = result.outputs as readonly [Artifact];
  return { path: artifact.path, bytes: await readFile(artifact.path), sha256: artifact.sha256, fromCache: result.fromCache };
}

async function support(name: string): Promise<string> {
  for (const place of PLACES) {
    const text = await readFile(fileURLToPath(new URL(`${place}${SUPPORT}${name}`, import.meta.url)), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  throw new HoneError("file.not-found", `${SUPPORT}${name} is not in this installation of hone`, { hint: "Reinstall hone-engine." });
}
