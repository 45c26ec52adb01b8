/**
 * A process of its own for one side of a bench: how long loading takes, and how far memory rises while it loads and runs. Prints JSON.
 * Its one argument is a {@link Probe} as JSON.
 */
import { readFileSync } from "node:fs";
import { isDType } from "../tensor/dtype.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";

export interface Probe {
  readonly kind: "hone" | "onnxruntime";
  /** Of an engine, or of a model. */
  readonly path: string;
  readonly threads: number;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly dims: readonly number[] }[];
}

export interface Footprint {
  readonly loadMs: number;
  /** Bytes of the whole process at its highest, Node included. */
  readonly peakRss: number;
  /** What of that came after Node itself was there. */
  readonly addedRss: number;
}

const RUNS = 5;

/** The highest resident set of this process. Linux tells it of the program alone; elsewhere what there is now must do. */
function highest(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (line?.[1] !== undefined) return Number(line[1]) * 1024;
  } catch {
    // There is no /proc.
  }
  return process.memoryUsage.rss();
}

async function probe({ kind, path, threads, inputs }: Probe): Promise<Footprint> {
  const feeds: Record<string, Tensor> = {};
  for (const { name, type, dims } of inputs) if (isDType(type)) feeds[name] = zeros(type, dims);
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const open = kind === "hone" ? openEngine : openPeer;
  const { run, close } = await open(path, threads);
  const loadMs = performance.now() - began;
  for (let i = 0; i < RUNS; i++) await run(feeds);
  const peakRss = Math.max(highest(), process.memoryUsage.rss());
  await close();
  return { loadMs, peakRss, addedRss: peakRss - before };
}

interface Opened {
  readonly run: (feeds: Readonly<Record<string, Tensor>>) => unknown;
  readonly close: () => Promise<void>;
}

async function openEngine(path: string, threads: number): Promise<Opened> {
  const { Session } = await import("../runtime/node/session.ts");
  const session = await Session.open(path, { contexts: 1, threads });
  return { run: (feeds) => session.runSync(feeds), close: () => session.close() };
}

async function openPeer(path: string, threads: number): Promise<Opened> {
  const { openOnnxRuntime } = await import("./peer.ts");
  return await openOnnxRuntime(path, threads);
}

function isProbe(value: unknown): value is Probe {
  return typeof value === "object" && value !== null && "kind" in value && "path" in value && "inputs" in value;
}

const asked: unknown = JSON.parse(process.argv[2] ?? "null");
if (isProbe(asked)) process.stdout.write(JSON.stringify(await probe(asked)));
