import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES } from "./codes.ts";

const codes: [string, { exit: number }][] = Object.entries(ERROR_CODES);
const rows = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8")
  .split("\n")
  .map((line) => /^\| `(?<code>[^`]+)` \| (?<exit>\d+) \| (?<cause>.+) \| (?<action>.+) \|$/.exec(line)?.groups)
  .filter((row) => row !== undefined);

test("every code has one row in docs/errors.md with its exit code, cause and what to do", () => {
  expect(rows.map((row) => `${String(row["code"])} ${String(row["exit"])}`).sort()).toEqual(
    codes.map(([code, { exit }]) => `${code} ${exit}`).sort(),
  );
});

test("exit codes are those of the command line", () => {
  for (const [code, { exit }] of codes) expect([1, 2, 3, 4, 130], code).toContain(exit);
});
