import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HONE_VERSION } from "./version.ts";

test("the version that engines record is the package's", () => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  expect((JSON.parse(text) as { version: string }).version).toBe(HONE_VERSION);
});
