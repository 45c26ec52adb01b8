/**
 * npm run fuzz -- [KIND…] [--count N] [--seed S] [--from I]
 *
 * Mutants of models, engines and images, in child processes that handle many each: 2 seconds and 512 MB a mutant. Prints how often each outcome
 * was seen, and the first mutant of every finding (a crash, `internal`, a hang, too much memory), which
 * `npm run fuzz -- KIND --seed S --from I --count 1` runs again. Exit code 1 when there are findings.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { parseArgs } from "node:util";

const SECONDS = 2;
const KINDS = ["onnx", "tflite", "engine", "image"];
const WORKER = join(import.meta.dirname, "worker.ts");
const FINDINGS = new Set(["crash", "internal", "timeout", "memory", "died"]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string", default: "500" }, seed: { type: "string", default: "1" }, from: { type: "string", default: "0" } },
});

interface Line {
  readonly index: number;
  readonly code?: string;
  readonly detail?: string;
}

interface Batch {
  /** The mutant to go on with. */
  readonly next: number;
  readonly broken?: "timeout" | "died";
  readonly why?: string;
}

/** One child from a mutant on, until the last one or one that stops it. */
async function runBatch(kind: string, from: number, to: number, onLine: (line: Line) => void): Promise<Batch> {
  const flags = ["--import", "tsx", "--max-old-space-size=512", "--expose-gc"];
  const child = spawn(process.execPath, [...flags, WORKER, kind, values.seed, String(from), String(to)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<string>((resolve) => child.once("close", (code, signal) => resolve(signal ?? `exit code ${String(code)}`)));
  let [running, timedOut, errors] = [-1, false, ""];
  let next = from;
  let timer: NodeJS.Timeout | undefined;
  child.stderr.on("data", (text: Buffer) => (errors = (errors + text.toString()).slice(-2000)));
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    clearTimeout(timer);
    if (line.code === undefined) {
      running = line.index;
      timer = setTimeout(() => {
        timedOut = true;
        child.kill("SIGKILL");
      }, SECONDS * 1000);
    } else {
      running = -1;
      next = line.index + 1;
      onLine(line);
    }
  }
  const how = await ended;
  clearTimeout(timer);
  if (running < 0 && next >= to) return { next };
  if (running < 0) throw new Error(`the ${kind} worker ended between mutants: ${how}\n${errors}`);
  return { next: running + 1, broken: timedOut ? "timeout" : "died", why: `${how} ${errors}` };
}

/** The message and the first line of hone's own: the same place is the same finding. */
function placeOf(detail: string): string {
  const [message = "", ...stack] = detail.split("\n");
  const own = stack.find((l) => l.includes("/src/") && !l.includes("util/errors")) ?? "";
  return `${message.slice(0, 160)} ${own.trim().replace(/^at (.*?) ?\(?file:.*\/src\//, "at $1 src/")}`;
}

async function fuzz(kind: string): Promise<number> {
  const counts = new Map<string, number>();
  const findings = new Map<string, number[]>();
  const count = (code: string, index: number, detail: string): void => {
    counts.set(code, (counts.get(code) ?? 0) + 1);
    if (!FINDINGS.has(code)) return;
    const place = `${code}: ${code === "timeout" ? "" : placeOf(detail)}`;
    findings.set(place, [...(findings.get(place) ?? []), index]);
  };
  const first = Number(values.from);
  const last = first + Number(values.count);
  for (let next = first; next < last;) {
    const batch = await runBatch(kind, next, last, (l) => count(l.code ?? "", l.index, l.detail ?? ""));
    if (batch.broken) count(batch.broken, batch.next - 1, batch.why ?? "");
    next = batch.next;
  }
  const lines = [...counts].sort(([, a], [, b]) => b - a).map(([code, n]) => `  ${String(n).padStart(7)}  ${code}`);
  process.stdout.write(`${kind}: ${values.count} mutants, seed ${values.seed}\n${lines.join("\n")}\n`);
  for (const [place, at] of findings) process.stdout.write(`  ! ${place}\n      ${at.length} times, at ${at.slice(0, 5).join(", ")}\n`);
  return findings.size;
}

let found = 0;
for (const kind of positionals.length > 0 ? positionals : KINDS) found += await fuzz(kind);
process.exitCode = found > 0 ? 1 : 0;
