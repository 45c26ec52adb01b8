/**
 * npm run fuzz -- [KIND…] [--count N] [--seed S] [--from I]
 *
 * Mutants of models, engines and images, in child processes that handle many each: 2 seconds of processor time and 512 MB a mutant. Prints how often
 * each outcome was seen, how many mutants passed the header, and the first mutants of every finding (a crash, `internal`, a hang, too much memory),
 * which `npm run fuzz -- KIND --seed S --from I --count 1` runs again. Exit code 1 when there are findings, or when half of a kind did not pass.
 */
import { parseArgs } from "node:util";
import { MEGABYTES, runBatch, SECONDS, type Outcome } from "./batch.ts";

const KINDS = ["onnx", "tflite", "engine", "image"];
const FINDINGS = new Set(["crash", "internal", "timeout", "memory", "died"]);
/** The process held more than this one mutant: what is over a limit is judged again alone. */
const AGAIN = new Set(["timeout", "memory"]);
/** A child's leftovers of many mutants would count as the memory of the last. */
const BATCH = 1000;
/** Fewer say nothing about a share. */
const ENOUGH = 1000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string", default: "10000" }, seed: { type: "string", default: "1" }, from: { type: "string", default: "0" } },
});
const count = Number(values.count);
const first = Number(values.from);

/** The message and the first line of hone's own: the same place is the same finding. */
function placeOf({ code, detail }: Outcome): string {
  const [message = "", ...stack] = detail.split("\n");
  if (AGAIN.has(code)) return code;
  const own = stack.find((l) => l.includes("/src/") && !l.includes("util/errors")) ?? "";
  return `${code}: ${message.slice(0, 160)} ${own.trim().replace(/^at (.*?) ?\(?file:.*\/src\//, "at $1 src/")}`;
}

async function alone(kind: string, index: number): Promise<Outcome> {
  let outcome: Outcome | undefined;
  await runBatch(kind, values.seed, index, index + 1, (o) => (outcome = o));
  if (outcome === undefined) throw new Error(`mutant ${index} of ${kind} gave no outcome`);
  return outcome;
}

async function outcomesOf(kind: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const last = first + count;
  for (let next = first; next < last;) {
    next = await runBatch(kind, values.seed, next, Math.min(last, next + BATCH), (o) => outcomes.push(o));
    process.stderr.write(`${kind} ${next - first} of ${count}\n`);
  }
  const judged: Outcome[] = [];
  for (const o of outcomes) judged.push(AGAIN.has(o.code) ? await alone(kind, o.index) : o);
  return judged;
}

/** Prints what was seen of a kind; the answer is whether all is well. */
async function fuzz(kind: string): Promise<boolean> {
  const outcomes = await outcomesOf(kind);
  const counts = new Map<string, number>();
  const findings = new Map<string, Outcome[]>();
  for (const o of outcomes) {
    counts.set(o.code, (counts.get(o.code) ?? 0) + 1);
    if (FINDINGS.has(o.code)) findings.set(placeOf(o), [...(findings.get(placeOf(o)) ?? []), o]);
  }
  const passed = outcomes.filter((o) => o.passed).length;
  const share = passed / count;
  const lines = [...counts].sort(([, a], [, b]) => b - a).map(([code, n]) => `  ${String(n).padStart(7)}  ${code}`);
  for (const [place, list] of findings) {
    const some = list.slice(0, 5).map((o) => `${o.index}${AGAIN.has(o.code) && o.detail ? ` (${o.detail})` : ""}`);
    lines.push(`  ! ${place}\n      ${list.length} times, at ${some.join(", ")}`);
  }
  const few = count >= ENOUGH && share < 0.5;
  const header = `${passed} of them passed the header (${(share * 100).toFixed(0)}%${few ? ", which is too few" : ""})`;
  process.stdout.write(`${kind}: ${count} mutants, seed ${values.seed}; ${header}\n${lines.join("\n")}\n`);
  return findings.size === 0 && !few;
}

const kinds = positionals.length > 0 ? positionals : KINDS;
const well = await Promise.all(kinds.map(fuzz));
if (well.every(Boolean)) process.stdout.write(`no crash, no hang, nothing above ${SECONDS} s of processor time or ${MEGABYTES} MB\n`);
process.exitCode = well.every(Boolean) ? 0 : 1;
