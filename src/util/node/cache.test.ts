import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cacheFolder, privateFolders, pruneUnused, writeWhole } from "./cache.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-cache-"));
  for (const name of ["HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"]) vi.stubEnv(name, join(folder, name));
  mkdirSync(join(folder, "TMPDIR"));
  vi.stubEnv("HONE_CACHE", join(folder, "own"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function firstFolders(count: number): Promise<string[]> {
  const found: string[] = [];
  for await (const path of privateFolders()) if (found.push(path) === count) break;
  return found;
}

test("folders are private, in order, and only made when asked for", async () => {
  mkdirSync(join(folder, "own"), { mode: 0o755 });
  expect(await cacheFolder("x")).toBe(join(folder, "own", "x"));
  expect(statSync(join(folder, "own")).mode & 0o777).toBe(0o700);
  expect(existsSync(join(folder, "XDG_CACHE_HOME"))).toBe(false);
  const [, second, third, fourth, fifth] = await firstFolders(5);
  expect([second, third, fourth]).toEqual(["XDG_CACHE_HOME/hone", "HOME/.cache/hone", "XDG_RUNTIME_DIR/hone"].map((p) => join(folder, p)));
  expect(fifth).toMatch(/TMPDIR.hone-/);
});

test("a folder that cannot be made is passed over, and a link in a shared place is not trusted", async () => {
  writeFileSync(join(folder, "own"), "a file");
  expect(await cacheFolder("x")).toBe(join(folder, "XDG_CACHE_HOME", "hone", "x"));
  const user = process.getuid?.() ?? "user";
  symlinkSync(folder, join(folder, "TMPDIR", `hone-${user}`));
  expect((await firstFolders(4)).some((path) => path.includes("TMPDIR"))).toBe(false);
});

test("files appear whole, and only what was not used for long goes", async () => {
  const path = join(folder, "f");
  await writeWhole(path, "new", 0o600);
  expect(readFileSync(path, "utf8")).toBe("new");
  writeFileSync(join(folder, "old"), "");
  utimesSync(join(folder, "old"), 1, 1);
  await expect(writeWhole(join(folder, "none", "f"), "x", 0o600)).rejects.toThrow();
  await pruneUnused(folder);
  expect(readdirSync(folder).sort()).toEqual(["TMPDIR", "f"]);
});
