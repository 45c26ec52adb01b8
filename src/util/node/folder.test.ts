import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolder } from "./folder.ts";

const root = mkdtempSync(join(tmpdir(), "hone-folder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("makes what is missing, privately, and leaves what is there", async () => {
  await makeFolder(join(root, "a/b/c"), 0o700);
  await makeFolder(join(root, "a/b/c"), 0o700);
  expect(statSync(join(root, "a/b/c")).mode & 0o777).toBe(0o700);
});

test("many at once make one", async () => {
  await Promise.all(Array.from({ length: 20 }, () => makeFolder(join(root, "many/of/them"))));
  expect(statSync(join(root, "many/of/them")).isDirectory()).toBe(true);
});

test("fails where no folder can be, and does not hang", { timeout: 5000 }, async () => {
  await expect(makeFolder("/proc/hone/cache")).rejects.toThrow();
  writeFileSync(join(root, "file"), "");
  await expect(makeFolder(join(root, "file"))).rejects.toThrow();
  await expect(makeFolder(join(root, "file/below"))).rejects.toThrow();
});
