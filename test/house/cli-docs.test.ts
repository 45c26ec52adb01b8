import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CLI_DOCS, cliDocs } from "../../scripts/cli-docs.ts";

test("docs/cli.md says what --help says (otherwise: npx tsx scripts/cli-docs.ts)", async () => {
  expect(readFileSync(CLI_DOCS, "utf8")).toBe(await cliDocs());
});
