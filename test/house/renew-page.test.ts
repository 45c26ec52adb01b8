import { expect, test } from "vitest";
import { renewPage } from "../../scripts/bench/renew-page.ts";

const page = (speed: string, more: string, how: string): string =>
  `# Performance\n\nOf them 1 of 2 meet it (bold).\n\n| model | ms | floor |\n|---|--:|--:|\n${speed}\n\n${more}| model | load ms |\n|---|--:|\n| a | 7 |\n\n## How it is measured\n\n${how}\n`;

test("rows of a run are renewed, others stay, new tables come before the load times", () => {
  const old = page("| a | 1 | **1** |\n| b | 2 | 1 |", "", "Once.");
  const table = "More:\n\n| model | other | floor |\n|---|--:|--:|\n| d | 5 | **1** |\n\n";
  const fresh = page("| b | 3 | **1** |\n| c | 4 | 1 |", table, "Twice.").replace("| a | 7 |", "| b | 8 |");
  const want = page("| a | 1 | **1** |\n| b | 3 | **1** |\n| c | 4 | 1 |", table, "Twice.")
    .replace("1 of 2", "3 of 4")
    .replace("| a | 7 |", "| a | 7 |\n| b | 8 |");
  expect(renewPage(old, fresh)).toBe(want);
});
