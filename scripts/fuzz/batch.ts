/** One child process that handles many mutants, and what it may use for each. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cpuSeconds, residentBytes } from "./measure.ts";

/** Processor time a mutant may take: on a busy machine wall time says nothing. */
export const SECONDS = 2;
/** Memory of the whole process, Node's own included. */
export const MEGABYTES = 512;
/** A mutant that waits for ever takes no processor time. */
const STUCK_SECONDS = 120;
const POLL_MS = 50;
const WORKER = join(import.meta.dirname, "worker.ts");

export interface Outcome {
  readonly index: number;
  readonly code: string;
  readonly detail: string;
  readonly passed: boolean;
}

interface Line extends Partial<Outcome> {
  readonly index: number;
  readonly seconds?: number;
  readonly megabytes?: number;
}

/** Handles mutants from `from` on; the answer is where to go on: after the last one, or after one that ended the child. */
export async function runBatch(kind: string, seed: string, from: number, to: number, tell: (o: Outcome) => void): Promise<number> {
  const flags = ["--import", "tsx", `--max-old-space-size=${MEGABYTES}`, "--expose-gc"];
  const child = spawn(process.execPath, [...flags, WORKER, kind, seed, String(from), String(to), String(MEGABYTES)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<string>((resolve) => child.once("close", (code, signal) => resolve(signal ?? `exit code ${String(code)}`)));
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors = (errors + text.toString()).slice(-2000)));
  const guard = new Guard(child.pid ?? -1, () => void child.kill("SIGKILL"));
  let next = from;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    if (line.code === undefined) guard.start(line.index);
    else {
      guard.stop();
      next = line.index + 1;
      tell(judged(line, line.code));
    }
  }
  const how = await ended;
  guard.close();
  if (guard.running === undefined && next >= to) return next;
  if (guard.running === undefined) throw new Error(`the ${kind} worker ended between mutants: ${how}\n${errors}`);
  tell({
    index: guard.running,
    code: guard.verdict ?? "died",
    detail: guard.verdict === undefined ? `${how} ${errors}` : "",
    passed: true,
  });
  return guard.running + 1;
}

function judged({ index, code: _, detail = "", passed = false, seconds = 0, megabytes = 0 }: Line, code: string): Outcome {
  if (seconds > SECONDS) return { index, code: "timeout", detail: `${seconds.toFixed(1)} s; ${code}`, passed };
  if (megabytes > MEGABYTES) return { index, code: "memory", detail: `${megabytes.toFixed(0)} MB; ${code}`, passed };
  return { index, code, detail, passed };
}

/** Ends a child whose mutant uses too much. */
class Guard {
  running: number | undefined;
  verdict: "timeout" | "memory" | undefined;
  readonly #pid: number;
  readonly #end: () => void;
  readonly #timer: NodeJS.Timeout;
  #began = 0;
  #cpu = 0;

  constructor(pid: number, end: () => void) {
    this.#pid = pid;
    this.#end = end;
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  start(index: number): void {
    this.running = index;
    this.#began = performance.now();
    this.#cpu = cpuSeconds(this.#pid) ?? 0;
  }

  stop(): void {
    this.running = undefined;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.running === undefined || this.verdict !== undefined) return;
    const used = (cpuSeconds(this.#pid) ?? 0) - this.#cpu;
    const waited = (performance.now() - this.#began) / 1000;
    if (used > SECONDS || waited > STUCK_SECONDS) this.verdict = "timeout";
    else if ((residentBytes(this.#pid) ?? 0) > MEGABYTES * 2 ** 20) this.verdict = "memory";
    if (this.verdict !== undefined) this.#end();
  }
}
