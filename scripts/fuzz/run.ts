/**
 * npm run fuzz -- [KIND…] [--count N] [--seed S] [--from I]
 *
 * Mutants of models, engines and images, in child processes that handle many each: 2 seconds of processor time and 512 MB a mutant. Every finding (a
 * crash, `internal`, a hang, too much memory) is printed when it is seen; `npm run fuzz -- KIND --seed S --from I --count 1` runs that mutant again. At
 * the end, or when it is interrupted, how often each outcome was seen, and how many mutants passed the header. A range can be had in parts: --from goes
 * on where another run ended. Exit code 1 when there are findings, or when half of a kind did not pass.
 */
import { parseArgs } from "node:util";
import { MEGABYTES, runBatch, SECONDS, type Outcome } from "./batch.ts";

const KINDS = ["onnx", "tflite", "engine", "image"];
const FINDINGS = new Set(["crash", "internal", "timeout", "memory", "died"]);
/** The process held more than this one mutant: what is over a limit is judged again alone. */
const AGAIN = new Set(["timeout", "memory"]);
/** A child's leftovers of many mutants would count as the memory of the last. */
const BATCH = 500;
/** Fewer say nothing about a share. */
const ENOUGH = 1000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string", default: "10000" }, seed: { type: "string", default: "1" }, from: { type: "string", default: "0" } },
});
const count = Number(values.count);
const first = Number(values.from);
let stopped = false;
process.once("SIGINT", () => (stopped = true));
process.once("SIGTERM", () => (stopped = true));

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

/** What has been seen of a kind so far. */
class Tally {
  readonly #kind: string;
  readonly #counts = new Map<string, number>();
  readonly #findings = new Map<string, Outcome[]>();
  done = 0;
  passed = 0;

  constructor(kind: string) {
    this.#kind = kind;
  }

  add(o: Outcome): void {
    this.done++;
    if (o.passed) this.passed++;
    this.#counts.set(o.code, (this.#counts.get(o.code) ?? 0) + 1);
    if (!FINDINGS.has(o.code)) return;
    const place = placeOf(o);
    const before = this.#findings.get(place) ?? [];
    this.#findings.set(place, [...before, o]);
    if (before.length === 0) process.stderr.write(`${this.#kind} ! at ${o.index}: ${place}\n`);
  }

  get few(): boolean {
    return this.done >= ENOUGH && this.passed < this.done / 2;
  }

  get well(): boolean {
    return this.#findings.size === 0 && !this.few && this.done > 0;
  }

  get progress(): string {
    const found = [...this.#findings.values()].reduce((n, list) => n + list.length, 0);
    return `${this.#kind} ${this.done} of ${count}: ${found} findings`;
  }

  report(): string {
    const lines = [...this.#counts].sort(([, a], [, b]) => b - a).map(([code, n]) => `  ${String(n).padStart(7)}  ${code}`);
    for (const [place, list] of this.#findings) {
      const some = list.slice(0, 5).map((o) => `${o.index}${AGAIN.has(o.code) && o.detail ? ` (${o.detail})` : ""}`);
      lines.push(`  ! ${place}\n      ${list.length} times, at ${some.join(", ")}`);
    }
    const share = ((this.passed / Math.max(1, this.done)) * 100).toFixed(0);
    const header = `${this.passed} of them passed the header (${share}%${this.few ? ", which is too few" : ""})`;
    const part = first === 0 ? "" : ` from ${first}`;
    return `${this.#kind}: ${this.done} mutants${part}, seed ${values.seed}; ${header}\n${lines.join("\n")}\n`;
  }
}

/** Prints what was seen of a kind; the answer is whether all is well. */
async function fuzz(kind: string): Promise<boolean> {
  const tally = new Tally(kind);
  const last = first + count;
  for (let next = first; next < last && !stopped;) {
    const outcomes: Outcome[] = [];
    next = await runBatch(kind, values.seed, next, Math.min(last, next + BATCH), (o) => outcomes.push(o));
    for (const o of outcomes) tally.add(AGAIN.has(o.code) ? await alone(kind, o.index) : o);
    process.stderr.write(`${tally.progress}\n`);
  }
  process.stdout.write(tally.report());
  if (tally.done < count) process.stdout.write(`  stopped; --from ${first + tally.done} --count ${count - tally.done} goes on\n`);
  return tally.well;
}

const kinds = positionals.length > 0 ? positionals : KINDS;
const well = await Promise.all(kinds.map(fuzz));
if (well.every(Boolean)) process.stdout.write(`no crash, no hang, nothing above ${SECONDS} s of processor time or ${MEGABYTES} MB\n`);
process.exitCode = well.every(Boolean) ? 0 : 1;
