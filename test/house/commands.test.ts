import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-house-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function node(args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}

describe("the launcher", () => {
  beforeEach(() => cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true }));

  test("says what to do when nothing is built", () => {
    expect(node(["bin/hone.js", "demo"])).toMatchObject({ status: 2, stdout: "", stderr: "hone is not built yet: run 'npm start'\n" });
  });

  test("hands over to the built command line", () => {
    mkdirSync(join(folder, "dist/cli"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "dist/cli/main.js"), "process.stdout.write(process.argv.slice(2).join()); process.exitCode = 3;");
    expect(node(["bin/hone.js", "a", "b"])).toMatchObject({ status: 3, stdout: "a,b" });
  });
});

describe("the closing line of npm test", () => {
  const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";

  function closingLine(tests: Record<string, string>): { status: number | null; last: string } {
    mkdirSync(join(folder, "src"));
    mkdirSync(join(folder, "scripts"));
    for (const name of ["vitest.config.ts", "package.json", "scripts/closing-reporter.ts"]) cpSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [name, text] of Object.entries(tests)) {
      writeFileSync(join(folder, "src", `${name}.test.ts`), `import { test, expect } from "vitest";\n${text}`);
    }
    const { status, stdout } = node([join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", folder]);
    return { status, last: lastLine(stdout) };
  }

  test("counts what passed, failed and was skipped", () => {
    const some = 'test("a", () => {}); test("b", () => expect(1).toBe(2)); test.skip("c", () => {}); test.todo("d");';
    expect(closingLine({ some })).toEqual({ status: 1, last: "1 passed, 1 failed, 2 skipped" });
  });

  test("a file that does not load counts as a failure", () => {
    expect(closingLine({ fine: 'test("a", () => {});', broken: 'throw new Error("at load");' })).toEqual({
      status: 1,
      last: "1 passed, 1 failed, 0 skipped",
    });
  });

  test("all well", () => {
    expect(closingLine({ fine: 'test("a", () => {});' })).toEqual({ status: 0, last: "1 passed, 0 failed, 0 skipped" });
  });
});
