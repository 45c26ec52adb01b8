// The norms on files that no linter knows: a low median length, a hard cap, no drawer files, nothing big in git.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "./setup.mjs";

const MEDIAN = 150;
const HARD = 600;
const BIGGEST_BYTES = 1024 * 1024;
const DRAWERS = /^(utils?|helpers?|common|misc)\./;

const { stdout } = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
const files = stdout.split("\0").filter((file) => file !== "" && statSync(join(root, file), { throwIfNoEntry: false })?.isFile());
const problems = [];
const lengths = [];

for (const file of files) {
  const { size } = statSync(join(root, file));
  if (size > BIGGEST_BYTES) problems.push(`${file}: ${size} bytes; nothing over 1 MiB belongs in git`);
  if (!/\.(ts|mjs|cjs|js|c|h)$/.test(file)) continue;
  if (DRAWERS.test(basename(file))) problems.push(`${file}: name it after what it holds`);
  const lines = readFileSync(join(root, file), "utf8").split("\n").length - 1;
  if (lines > HARD) problems.push(`${file}: ${lines} lines; the hard cap is ${HARD}`);
  if (file.startsWith("src/") && !file.endsWith(".test.ts")) lengths.push(lines);
}

const median = lengths.sort((a, b) => a - b)[lengths.length >> 1] ?? 0;
if (median > MEDIAN) problems.push(`the median source file has ${median} lines; at most ${MEDIAN} are wanted`);
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
