/** What a process has used, as Linux counts it; elsewhere the operating system's own peak, and no seconds of others. */
import { readFileSync, writeFileSync } from "node:fs";

/** Ticks of /proc a second: 100 on every Linux that Node runs on. */
const TICKS = 100;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Seconds of processor time of another process and its threads; undefined when it has ended, or is not to be seen. */
export function cpuSeconds(pid: number): number | undefined {
  // The program's name, in parentheses, may have spaces; fields 14 and 15 are user and system time.
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Bytes of memory that another process holds now. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Makes {@link peakMemory} count from now. */
export function forgetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux: the peak stays that of the whole process.
  }
}

/** The most bytes of memory that this process held at once since {@link forgetPeak}. */
export function peakMemory(): number {
  const kilobytes = /^VmHWM:\s+(\d+)/m.exec(read("/proc/self/status") ?? "")?.[1];
  return (kilobytes === undefined ? process.resourceUsage().maxRSS : Number(kilobytes)) * 1024;
}
