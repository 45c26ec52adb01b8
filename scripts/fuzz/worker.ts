/** Runs mutants FROM up to TO of one kind: prints a line before and after each, so that its parent knows where it hung or died. */
import { writeSync } from "node:fs";
import { Random } from "./random.ts";
import { SUBJECTS, outcomeOf } from "./subjects.ts";

const [kind = "", seed = "1", from = "0", to = "1"] = process.argv.slice(2);
const MEGABYTE = 1 << 20;
const LIMIT = 512 * MEGABYTE;

const make = SUBJECTS[kind];
if (make === undefined) throw new Error(`no kind ${kind}; there are ${Object.keys(SUBJECTS).join(", ")}`);
const subject = await make();
const tell = (message: unknown): void => void writeSync(1, `${JSON.stringify(message)}\n`);
let peak = 0;

for (let index = Number(from); index < Number(to); index++) {
  const bytes = subject.mutant(new Random(Number(seed) * 1_000_003 + index));
  if (process.memoryUsage().rss > LIMIT / 2) globalThis.gc?.();
  const before = process.memoryUsage().rss;
  tell({ index });
  const outcome = await outcomeOf(subject, bytes);
  const top = process.resourceUsage().maxRSS * 1024;
  const peaked = top > peak && top - before > LIMIT;
  peak = Math.max(peak, top);
  tell(peaked ? { index, code: "memory", detail: `${Math.round((top - before) / MEGABYTE)} MB; ${outcome.code}` } : { index, ...outcome });
}
