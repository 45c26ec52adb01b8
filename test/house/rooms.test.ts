import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-rooms-"));
  for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "package.json"]) cpSync(join(root, name), join(folder, name));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Names of the rules that these files break, with the file that breaks each. */
function violations(files: Record<string, string>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [cruiser, "src", "--config", ".dependency-cruiser.cjs", "--output-type", "json"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  const { summary } = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
  return [...new Set(summary.violations.map(({ from, rule }) => `${from}: ${(rule.name.split(" may ")[0] ?? "").trim()}`))].sort();
}

const room = 'export const here: string = "here";';

test("what the table allows passes", () => {
  const files = {
    "src/util/a.ts": room,
    "src/tensor/a.ts": 'import "../util/a.ts";',
    "src/toolchain/a.ts": 'import "node:fs"; import "../util/a.ts";',
    "src/compiler/node/a.ts": 'import "../../toolchain/a.ts"; import "../a.ts";',
    "src/compiler/a.ts": 'import "../tensor/a.ts";',
    "src/formats/a.ts": 'import "pbf";',
    "src/index.ts": 'import "./compiler/node/a.ts";',
    "src/cli/a.ts": 'import "../index.ts"; import "picocolors"; import "node:path";',
    "src/util/a.test.ts": 'import "node:fs"; import "../tensor/a.ts";',
  };
  expect(violations(files)).toEqual([]);
});

test("each kind of broken wall is found", () => {
  const files = {
    "src/util/a.ts": room,
    "src/tensor/a.ts": room,
    "src/toolchain/a.ts": room,
    "src/compiler/node/a.ts": 'import "../../toolchain/a.ts";',
    "src/util/up.ts": 'import type {} from "../tensor/a.ts";',
    "src/util/core.ts": 'import "node:fs";',
    "src/runtime/npm.ts": 'import "pbf";',
    "src/compiler/b.ts": 'import "../toolchain/a.ts";',
    "src/compiler/c.ts": 'import "./node/a.ts";',
    "src/cli/lazy.ts": 'await import("../compiler/b.ts");',
    "src/attic/a.ts": 'import "../util/a.ts";',
    "src/util/one.ts": 'import "./two.ts";',
    "src/util/two.ts": 'import "./one.ts";',
    "src/util/lost.ts": 'import "./nowhere.ts";',
    "src/runtime.ts": 'import "./compiler/b.ts";',
    "src/extra.ts": 'import "./util/a.ts";',
    "src/util/b.test.ts": room,
    "src/util/b.ts": 'import "./b.test.ts";',
  };
  expect(violations(files)).toEqual([
    "src/attic/a.ts: rooms: every folder of src/ has a line in the table",
    "src/cli/lazy.ts: rooms: cli",
    "src/compiler/b.ts: rooms: compiler",
    "src/compiler/c.ts: browser rooms: node/ is reached from Node's side only",
    "src/extra.ts: doors: every file in src/ itself is a door",
    "src/runtime.ts: doors: runtime",
    "src/runtime/npm.ts: packages: runtime",
    "src/util/b.ts: tests are imported by nobody",
    "src/util/core.ts: browser rooms: no Node module outside node/",
    "src/util/lost.ts: no unresolvable imports",
    "src/util/one.ts: no cycles",
    "src/util/up.ts: rooms: util",
  ]);
});
