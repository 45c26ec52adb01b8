/** How fast an engine is, alone or in alternation with another runtime, and how far the numbers can be trusted. */
import { execFile } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FORMAT_NAMES } from "../formats/index.ts";
import { Session } from "../runtime/node/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import type { Footprint, Probe } from "./bench-child.ts";
import { openPeak, type PeakMeter } from "./bench-peak.ts";
import { latencyOf, TRUSTED_VARIATION, variationOf, type Latency } from "./bench-stats.ts";
import { checkStreams, timeStreams, type Streams } from "./bench-streams.ts";
import { openSubject, writeCleaned, Workspace, type Subject, type SubjectOptions } from "./bench-subject.ts";
import { difference, INCOMPARABLE } from "./difference.ts";
import { makeFeeds, type FeedOptions, type TensorFeeds } from "./feeds.ts";
import { openOnnxRuntime } from "./peer.ts";
import { recipeOf } from "./run.ts";
import { refuseStrings } from "./string-feeds.ts";

export interface BenchOptions extends SubjectOptions, Omit<FeedOptions, "signal"> {
  readonly against?: "onnxruntime" | undefined;
  /** Other files of the same model that the peer runs too, by what is said of them: the fastest counts. */
  readonly rivals?: Readonly<Record<string, string>>;
  /** Of the peer, and of hone. */
  readonly threads?: number;
  /** Also how much hone does with so many runs at once, when above 1. */
  readonly streams?: number;
  /** How long hone itself is timed; the peer's runs come on top. */
  readonly seconds?: number;
  /** Runs of hone, instead of `seconds`. */
  readonly iterations?: number | undefined;
  /** Whether to measure load time and memory, each side in a process of its own. */
  readonly footprint?: boolean;
}

/** One contender's figures. */
export interface Timed {
  readonly name: string;
  readonly iterations: number;
  readonly latencyMs: Latency;
  /** Standard deviation over the mean. */
  readonly variation: number;
  /** The least CPU time of a run, of the whole process: on a busy machine it says more than the least time, for one thread. */
  readonly cpuMs: number;
}

export interface PeerResult {
  readonly name: string;
  /** Of the faster of its variants. */
  readonly latencyMs: Latency;
  /** The peer's min over ours: above 1, hone is faster. */
  readonly ratio: number;
  /** The same of CPU times. */
  readonly cpuRatio: number;
  /** Which file the faster one ran. */
  readonly variant: string;
  readonly variants: readonly Timed[];
  /** The worst ‖a−b‖/‖b‖ of any output, hone against the peer on the fed inputs. */
  readonly relativeError: number;
  readonly loadMs: number | null;
  readonly peakRss: number | null;
  readonly addedRss: number | null;
}

export interface BenchResult {
  readonly engine: string;
  readonly target: string;
  readonly threads: number;
  readonly iterations: number;
  readonly latencyMs: Latency;
  /** Runs a second: iterations over the time they took. */
  readonly throughput: number;
  readonly variation: number;
  readonly cpuMs: number;
  readonly feeds: string;
  readonly profile: string;
  readonly buildSeconds: number | null;
  readonly loadMs: number | null;
  readonly peakRss: number | null;
  readonly addedRss: number | null;
  readonly macs: number | null;
  /** At the least latency. */
  readonly gflops: number | null;
  /** The fp32 peak of one core, measured between the runs. */
  readonly peakGflops: number;
  readonly shareOfPeak: number | null;
  readonly warnings: readonly string[];
  readonly streams?: Streams;
  readonly against?: PeerResult;
}

interface Contender {
  readonly name: string;
  readonly run: () => unknown;
  readonly times: number[];
  readonly cpuTimes: number[];
  /** Runs in a row before the other side's turn. */
  batch: number;
}

/** A turn is long enough for caches to be warm, short enough for both sides to meet the same weather. */
const TURN_MS = 15;
const WARMUP_MS = 150;
const LEAST_ITERATIONS = 10;
const SECONDS = 3;

/** Builds if need be, and times. Throws what building and opening throw, `usage` for a peer that cannot read the model, `aborted`. */
export async function bench(path: string, options: BenchOptions): Promise<BenchResult> {
  checkStreams(options.streams ?? 1);
  const workspace = await Workspace.open();
  try {
    const subject = await openSubject(path, workspace, options);
    refuseStrings(subject.manifest.host, "bench times kernels alone", path);
    const peers = await peerFiles(subject, workspace, options);
    return await benchSubject(subject, peers, options);
  } finally {
    await workspace.close();
  }
}

interface PeerFile {
  readonly variant: string;
  readonly path: string;
}

async function peerFiles(subject: Subject, workspace: Workspace, { against, rivals = {} }: BenchOptions): Promise<readonly PeerFile[]> {
  if (against === undefined) return [];
  const { model } = subject;
  if (model === undefined) {
    throw new HoneError("usage", "the other side needs the model that the engine was built from", {
      at: { file: subject.name },
      hint: "Name it with --model MODEL.onnx.",
    });
  }
  if (model.format !== "onnx") {
    throw new HoneError("usage", `ONNX Runtime reads only ONNX, and this is ${FORMAT_NAMES[model.format]}`, { at: { file: model.path } });
  }
  const cleaned = await writeCleaned(subject, workspace);
  return [
    { variant: "as shipped", path: model.path },
    ...(cleaned === undefined ? [] : [{ variant: "cleaned", path: cleaned }]),
    ...Object.entries(rivals).map(([variant, path]) => ({ variant, path })),
  ];
}

async function benchSubject(subject: Subject, peers: readonly PeerFile[], options: BenchOptions): Promise<BenchResult> {
  const { signal, onEvent, threads = 1 } = options;
  const sets = await makeFeeds(subject.inputs, recipeOf(subject.manifest, subject.name), options);
  const { label, feeds } = must(sets[0], "feeds");
  const footprints = await footprintsOf(subject, peers, options);
  const closing: (() => Promise<void>)[] = [];
  try {
    const session = await Session.open(subject.engine, { signal, contexts: 1, threads });
    closing.push(() => session.close());
    const meter = await openPeak(signal);
    closing.push(() => meter.close());
    const ours: Contender = { name: "hone", run: () => session.runSync(feeds), times: [], cpuTimes: [], batch: 1 };
    const theirs: Contender[] = [];
    let relativeError = 0;
    for (const { variant, path } of peers) {
      const peer = await openOnnxRuntime(path, threads);
      closing.push(() => peer.close());
      relativeError = Math.max(relativeError, disagreement(session.runSync(feeds), await peer.run(feeds)));
      theirs.push({ name: variant, run: () => peer.run(feeds), times: [], cpuTimes: [], batch: 1 });
    }
    onEvent?.({ kind: "step", text: "timing" });
    const peak = await alternate([ours, ...theirs], meter, options);
    const streams = await streamsOf(subject, feeds, options);
    return {
      ...result(subject, session.info.target, ours, peak, label, options),
      ...footprints.ours,
      ...(streams ? { streams } : {}),
      ...(theirs.length > 0 ? { against: peerResult(theirs, ours, relativeError, footprints.theirs) } : {}),
    };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

async function streamsOf(subject: Subject, feeds: TensorFeeds, options: BenchOptions): Promise<Streams | undefined> {
  const { streams = 1, threads = 1, seconds = SECONDS, signal, onEvent } = options;
  if (streams === 1) return undefined;
  onEvent?.({ kind: "step", text: `timing ${streams} streams` });
  return await timeStreams(subject.engine, feeds, { streams, threads, seconds, signal });
}

function disagreement(ours: Readonly<Record<string, Tensor>>, theirs: TensorFeeds): number {
  const errors = Object.entries(ours).map(([name, t]) => (theirs[name] ? difference(t, theirs[name]) : INCOMPARABLE).relativeError);
  return Math.max(0, ...errors);
}

/** Runs the contenders turn by turn until the first has had its time, the peak between the rounds; gives the greatest peak in GFLOP/s. */
async function alternate(contenders: readonly [Contender, ...Contender[]], meter: PeakMeter, options: BenchOptions): Promise<number> {
  for (const c of contenders) await warmUp(c);
  const [ours] = contenders;
  let peak = meter.measure();
  for (let spent = 0; !enough(ours.times.length, spent, options);) {
    if (options.signal?.aborted) throw new HoneError("aborted", "the bench was aborted");
    for (const c of contenders) {
      const took = await turn(c);
      if (c === ours) spent += took;
    }
    peak = Math.max(peak, meter.measure());
    // A long bench must not keep signals and bars waiting.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return peak;
}

function enough(count: number, spentMs: number, { iterations, seconds = SECONDS }: BenchOptions): boolean {
  return iterations === undefined ? spentMs >= seconds * 1000 && count >= LEAST_ITERATIONS : count >= iterations;
}

async function warmUp(c: Contender): Promise<void> {
  let count = 0;
  let fastest = Infinity;
  for (const began = performance.now(); count < 3 || performance.now() - began < WARMUP_MS; count++) {
    const before = performance.now();
    await c.run();
    fastest = Math.min(fastest, performance.now() - before);
  }
  c.batch = Math.max(1, Math.round(TURN_MS / fastest));
}

async function turn(c: Contender): Promise<number> {
  let spent = 0;
  for (let i = 0; i < c.batch; i++) {
    const cpu = process.cpuUsage();
    const before = performance.now();
    const running = c.run();
    if (running instanceof Promise) await running;
    const took = performance.now() - before;
    const { user, system } = process.cpuUsage(cpu);
    c.times.push(took);
    c.cpuTimes.push((user + system) / 1000);
    spent += took;
  }
  return spent;
}

function result(
  subject: Subject,
  target: string,
  ours: Contender,
  peak: number,
  feeds: string,
  { threads = 1 }: BenchOptions,
): Omit<BenchResult, keyof NullableFootprint | "against" | "streams"> {
  const { iterations, latencyMs, variation, cpuMs } = timed(ours);
  const gflops = subject.macs === undefined ? null : (2 * subject.macs) / latencyMs.min / 1e6;
  const unsteady = `the times vary by ${(100 * variation).toFixed(1)}% (coefficient of variation), more than ${100 * TRUSTED_VARIATION}%: other work runs on this machine, or its clock changes. Trust the least time and the ratio, not the mean.`;
  return {
    engine: subject.name,
    target,
    threads,
    iterations,
    latencyMs,
    throughput: 1000 / latencyMs.mean,
    variation,
    cpuMs,
    feeds,
    profile: subject.inputs.map((v) => `${v.name}=${v.dims.join("x")}`).join(" "),
    buildSeconds: subject.buildSeconds ?? null,
    macs: subject.macs ?? null,
    gflops,
    peakGflops: peak,
    shareOfPeak: gflops === null ? null : gflops / (peak * threads),
    warnings: [...subject.warnings, ...(variation > TRUSTED_VARIATION ? [unsteady] : [])],
  };
}

const timed = ({ name, times, cpuTimes }: Contender): Timed => ({
  name,
  iterations: times.length,
  latencyMs: latencyOf(times),
  variation: variationOf(times),
  cpuMs: latencyOf(cpuTimes).min,
});

function peerResult(theirs: readonly Contender[], ours: Contender, relativeError: number, footprint: NullableFootprint): PeerResult {
  const variants = theirs.map(timed);
  const fastest = variants.reduce((best, v) => (v.latencyMs.min < best.latencyMs.min ? v : best));
  return {
    name: "onnxruntime",
    latencyMs: fastest.latencyMs,
    ratio: fastest.latencyMs.min / latencyOf(ours.times).min,
    cpuRatio: Math.min(...variants.map((v) => v.cpuMs)) / latencyOf(ours.cpuTimes).min,
    variant: fastest.name,
    variants,
    relativeError,
    ...footprint,
  };
}

interface NullableFootprint {
  readonly loadMs: number | null;
  readonly peakRss: number | null;
  readonly addedRss: number | null;
}

const UNKNOWN: NullableFootprint = { loadMs: null, peakRss: null, addedRss: null };

async function footprintsOf(
  subject: Subject,
  peers: readonly PeerFile[],
  { footprint = true, threads = 1, onEvent, signal }: BenchOptions,
): Promise<{ readonly ours: NullableFootprint; readonly theirs: NullableFootprint }> {
  if (!footprint) return { ours: UNKNOWN, theirs: UNKNOWN };
  onEvent?.({ kind: "step", text: "measuring load time and memory" });
  const { inputs } = subject;
  const ours = await probe({ kind: "hone", path: subject.engine, threads, inputs }, signal);
  let theirs = UNKNOWN;
  for (const { path } of peers) {
    const one = await probe({ kind: "onnxruntime", path, threads, inputs }, signal);
    if (theirs.peakRss === null || (one.peakRss ?? Infinity) < theirs.peakRss) theirs = one;
  }
  return { ours, theirs };
}

/** This file's neighbour, run by the same Node with the same loaders. Unknown where that does not work, such as under a test runner. */
async function probe(asked: Probe, signal: AbortSignal | undefined): Promise<NullableFootprint> {
  const script = fileURLToPath(new URL(`./bench-child${extname(import.meta.url)}`, import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, JSON.stringify(asked)], { signal });
    return JSON.parse(stdout) as Footprint;
  } catch {
    if (signal?.aborted) throw new HoneError("aborted", "the bench was aborted");
    return UNKNOWN;
  }
}
