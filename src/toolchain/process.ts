import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ProcessResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it is not ok, in words. */
  readonly why: string;
  /** The program is not there or may not be run. */
  readonly missing: boolean;
}

export interface ProcessOptions {
  readonly cwd?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Compilers must not translate their messages, nor leave their own folder for temporary files. */
const environment = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: "C", ...(process.platform === "linux" ? { LANGUAGE: "C" } : {}) });

/** Runs a program without a shell. Never rejects; on timeout or abort it and the programs it started are killed. */
export function runProcess(file: string, args: readonly string[], options: ProcessOptions): Promise<ProcessResult> {
  const { cwd, timeoutMs, signal } = options;
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve({ ok: false, stdout: "", stderr: "", why: "aborted", missing: false });
      return;
    }
    let killed = "";
    const child = execFile(
      file,
      args,
      { cwd, env: environment(), maxBuffer: 64 << 20, encoding: "utf8", windowsHide: true },
      (error, stdout, stderr) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        const missing = error !== null && (error.code === "ENOENT" || error.code === "EACCES");
        const why = error === null ? "" : killed || exitText(error.code, error.signal);
        resolve({ ok: error === null, stdout, stderr, why, missing });
      },
    );
    const kill = (why: string): void => {
      killed ||= why;
      if (child.pid !== undefined) killTree(child.pid);
    };
    const onAbort = (): void => kill("aborted");
    const timer = setTimeout(() => kill(`took more than ${timeoutMs / 1000} s`), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function exitText(code: string | number | null | undefined, signal: string | null | undefined): string {
  if (signal) return `was ended by ${signal}`;
  return typeof code === "number" ? `ended with exit code ${code}` : `could not be run (${code ?? "unknown"})`;
}

/** A compiler driver that is killed leaves the compiler proper running, so its children are killed too. */
function killTree(pid: number): void {
  for (const child of childrenOf(pid)) killTree(child);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
