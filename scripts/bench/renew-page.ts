/** A page of tables after a run of some of its rows: those are renewed, the others stay as they were measured. */

const isTable = (block: string): boolean => block.startsWith("| model |");
const headOf = (table: string): string => table.split("\n")[0] ?? "";
const nameOf = (row: string): string => row.split("|")[1]?.trim() ?? "";

/** The rows of a table with those of the same name replaced, new ones at the end. */
function renewedTable(old: string, fresh: string): string {
  const [head = "", rule = "", ...rows] = old.split("\n");
  const given = new Map(
    fresh
      .split("\n")
      .slice(2)
      .map((row) => [nameOf(row), row]),
  );
  const kept = rows.map((row) => given.get(nameOf(row)) ?? row);
  const known = new Set(rows.map(nameOf));
  return [head, rule, ...kept, ...[...given].flatMap(([name, row]) => (known.has(name) ? [] : [row]))].join("\n");
}

/** How many rows of the tables with a floor meet it, and how many there are. */
function verdicts(blocks: readonly string[]): string {
  const rows = blocks.filter((b) => isTable(b) && headOf(b).includes("| floor |")).flatMap((b) => b.split("\n").slice(2));
  return `${rows.filter((r) => r.includes("**")).length} of ${rows.length} meet it`;
}

const HOW = "## How it is measured";

/** `old` with the rows of `fresh`, and the tables and the explanations that it lacks. A new table goes before the one of load times. */
export function renewPage(old: string, fresh: string): string {
  const [before = ""] = old.split(HOW);
  const [news = "", how = ""] = fresh.split(HOW);
  const blocks = before.trimEnd().split("\n\n");
  const freshBlocks = news.trimEnd().split("\n\n");
  freshBlocks.forEach((block, i) => {
    if (!isTable(block)) return;
    const at = blocks.findIndex((b) => isTable(b) && headOf(b) === headOf(block));
    const found = blocks[at];
    if (found !== undefined) blocks[at] = renewedTable(found, block);
    else
      blocks.splice(
        blocks.findIndex((b) => b.startsWith("| model | load ms |")),
        0,
        freshBlocks[i - 1] ?? "",
        block,
      );
  });
  const text = blocks.join("\n\n").replace(/\d+ of \d+ meet it/, verdicts(blocks));
  return `${text}\n\n${HOW}${how}`;
}
