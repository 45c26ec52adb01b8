/** Runs mutants FROM up to TO of one kind: prints a line before and after each, so that its parent knows where it hung or died. */
import { writeSync } from "node:fs";
import { forgetPeak, peakMemory } from "./measure.ts";
import { Random } from "./random.ts";
import { outcomeOf, SUBJECTS } from "./subjects.ts";

const [kind = "", seed = "1", from = "0", to = "1", limit = "512"] = process.argv.slice(2);
const MEGABYTE = 1 << 20;

const make = SUBJECTS[kind];
if (make === undefined) throw new Error(`no kind ${kind}; there are ${Object.keys(SUBJECTS).join(", ")}`);
const subject = await make();
const tell = (message: unknown): void => void writeSync(1, `${JSON.stringify(message)}\n`);

for (let index = Number(from); index < Number(to); index++) {
  const bytes = subject.mutant(new Random(Number(seed) * 1_000_003 + index));
  const passed = await subject.passes(bytes);
  // What earlier mutants left behind is not this one's.
  if (process.memoryUsage.rss() > (Number(limit) / 2) * MEGABYTE) globalThis.gc?.();
  forgetPeak();
  tell({ index });
  const began = process.cpuUsage();
  const outcome = await outcomeOf(subject, bytes);
  const { user, system } = process.cpuUsage(began);
  tell({ index, passed, ...outcome, seconds: (user + system) / 1e6, megabytes: peakMemory() / MEGABYTE });
}
