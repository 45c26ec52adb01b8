import { expect, test } from "vitest";
import { ERROR_CODES } from "./codes.ts";

test("exit codes are those of the command line", () => {
  for (const [code, { exit }] of Object.entries(ERROR_CODES)) expect([1, 2, 3, 4, 130], code).toContain(exit);
});
