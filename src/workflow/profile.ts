/** Where the time of a model goes, kernel by kernel: a build of its own whose engine times every call. */
import { precisionOf, TIMINGS_OUTPUT } from "../compiler/pack.ts";
import type { Call, Program } from "../compiler/program.ts";
import type { Precision } from "../engine/format.ts";
import { detectFormat } from "../formats/index.ts";
import type { Node } from "../ir/graph.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { Session } from "../runtime/node/session.ts";
import { storedLength, type Argument } from "../schedule/lower.ts";
import { shapeText } from "../tensor/dim.ts";
import { byteSize } from "../tensor/dtype.ts";
import { bytesOf } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import { openPeak } from "./bench-peak.ts";
import { percentile } from "./bench-stats.ts";
import { buildModel, type BuildModelOptions, type BuiltModel } from "./build.ts";
import { given } from "./events.ts";
import { halfBuild } from "./half-weights.ts";
import { int8For } from "./int8.ts";
import { makeFeeds, type FeedInput, type FeedOptions } from "./feeds.ts";
import { countMacs } from "./macs.ts";
import { readBounded } from "./model-file.ts";

export interface ProfileOptions extends BuildModelOptions, Omit<FeedOptions, "signal"> {
  /** The model that an engine was built from; it is built again as the engine was. */
  readonly model?: string | undefined;
  /** Of a model; an engine's is its own. */
  readonly precision?: Precision | undefined;
  /** For int8: photos, or the table that it was calibrated with. */
  readonly calib?: string | undefined;
  readonly profile?: number;
  readonly seconds?: number;
}

/** One call of a kernel. */
export interface ProfiledCall {
  /** Least and median milliseconds of all runs. */
  readonly ms: number;
  readonly medianMs: number;
  /** Of the sum of the least times. */
  readonly share: number;
  readonly macs: number;
  /** At the least time; null for what multiplies nothing. */
  readonly gflops: number | null;
  readonly shareOfPeak: number | null;
  /** What the call reads and writes at least once: inputs, outputs, weights. */
  readonly bytes: number;
  readonly gigabytesPerSecond: number;
  /** Ops, the anchor first, and where the result lies. */
  readonly ops: readonly string[];
  readonly output: string;
  readonly schedules: readonly string[];
  /** What it computes in, or keeps its weights in. */
  readonly precision: Precision;
  /** Nodes of the original model. */
  readonly nodes: readonly string[];
}

export interface ProfileResult {
  readonly model: string;
  readonly target: string;
  readonly profile: string;
  readonly feeds: string;
  readonly runs: number;
  /** Sum of the calls' least times. */
  readonly ms: number;
  /** The least time of a whole run. */
  readonly runMs: number;
  readonly macs: number;
  readonly gflops: number;
  readonly peakGflops: number;
  readonly shareOfPeak: number;
  /** In the order in which they run. */
  readonly calls: readonly ProfiledCall[];
}

const SECONDS = 2;
const LEAST_RUNS = 10;
const MAX_FILE_BYTES = 2 ** 32 - 1;

/** Throws what building, opening and feeding throw, and `usage` for an engine without its model. */
export async function profileModel(path: string, options: ProfileOptions): Promise<ProfileResult> {
  const model = await modelOf(path, options);
  const build = { ...options, ...model.asBuilt };
  const built = await buildModel(model.path, { ...build, ...(await rewriting(model, build)), timings: true });
  const index = options.profile ?? 0;
  const program = built.build.compiled.programs[index];
  if (program === undefined) {
    throw new HoneError("usage", `there are ${built.build.compiled.programs.length} profiles, none of number ${index}`, {
      at: { file: path },
    });
  }
  return await profileProgram(model.path, built, program, options);
}

interface Named {
  readonly path: string;
  /** Options that an engine was built with. */
  readonly asBuilt: Pick<BuildModelOptions, "schedule" | "machine" | "shapes" | "targets">;
  readonly precision: string;
}

/** What makes the precision of the model's graph; what is given comes first. Throws `usage` for int8 without ranges, and what calibrating throws. */
async function rewriting({ path, precision }: Named, options: ProfileOptions): Promise<Pick<BuildModelOptions, "rewrite" | "precision">> {
  if (options.rewrite !== undefined) return {};
  if (precision === "fp16" || precision === "bf16") return { precision, rewrite: halfBuild(precision).rewrite };
  if (precision !== "int8") return { precision: "fp32" };
  if (options.calib === undefined)
    throw new HoneError("usage", "int8 has to be built again from the ranges of its values", {
      at: { file: path },
      hint: "Name what it was calibrated with: --calib TABLE.json or --calib FOLDER.",
    });
  const { rewrite } = await int8For(path, { ...options, calib: options.calib });
  return { precision, rewrite };
}

/** The model to build: the path itself, or that of --model, to be built as the engine at the path was. */
async function modelOf(path: string, options: ProfileOptions): Promise<Named> {
  if (options.model === undefined) {
    if (detectFormat(await readBounded(path, MAX_FILE_BYTES, options.signal)) !== "hone")
      return { path, asBuilt: {}, precision: options.precision ?? "fp32" };
    throw new HoneError("usage", "an engine does not time its kernels: it has to be built again from its model", {
      at: { file: path },
      hint: "Name the model with --model MODEL.onnx.",
    });
  }
  const { manifest } = await readEngineFile(path, options.signal);
  const open = manifest.inputs.some((v) => v.dims.some((d) => typeof d !== "number"));
  const shapes = manifest.profiles.flatMap((p) => manifest.inputs.map((v, i) => `${v.name}=${(p.inputs[i] ?? []).join("x")}`));
  const targets = manifest.targets.some((t) => t.kind === "so") ? undefined : (["wasm"] as const);
  return {
    path: options.model,
    asBuilt: { ...howBuilt(manifest.build), ...given("targets", targets), ...(open ? { shapes } : {}) },
    precision: manifest.precision,
  };
}

function howBuilt(build: unknown): Pick<BuildModelOptions, "schedule" | "machine"> {
  if (typeof build !== "object" || build === null) return {};
  const schedule = "schedule" in build && build.schedule === "naive" ? "naive" : "auto";
  return { schedule, ...("machine" in build && typeof build.machine === "string" ? { machine: build.machine } : {}) };
}

async function profileProgram(
  path: string,
  { build, engine, recipe }: BuiltModel & { readonly engine: Uint8Array },
  program: Program,
  options: ProfileOptions,
): Promise<ProfileResult> {
  const inputs = build.compiled.graph.inputs.map((v, i): FeedInput => ({ name: v.name, type: v.dtype, dims: program.inputs[i] ?? [] }));
  const { label, feeds } = must((await makeFeeds(inputs, recipe, options))[0], "feeds");
  const session = await Session.open(engine, { native: "allow", contexts: 1, signal: options.signal });
  const meter = await openPeak(options.signal);
  try {
    options.onEvent?.({ kind: "step", text: "profiling" });
    const times = program.calls.map((): number[] => []);
    let [peak, runMs, spent, runs] = [0, Infinity, 0, 0];
    for (; spent < (options.seconds ?? SECONDS) * 1000 || runs < LEAST_RUNS; runs++) {
      if (options.signal?.aborted) throw new HoneError("aborted", "the profile was aborted");
      const began = performance.now();
      const { data } = must(session.runSync(feeds)[TIMINGS_OUTPUT], "timings");
      const took = performance.now() - began;
      times.forEach((list, i) => list.push(Number(data[i]) / 1e6));
      runMs = Math.min(runMs, took);
      spent += took;
      peak = Math.max(peak, meter.measure());
      if (runs % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const calls = describe(program.calls, times, peak);
    const ms = calls.reduce((sum, c) => sum + c.ms, 0);
    const macs = calls.reduce((sum, c) => sum + c.macs, 0);
    const gflops = (2 * macs) / ms / 1e6;
    return {
      model: path,
      target: session.info.target,
      profile: inputs.map((v) => `${v.name}=${v.dims.join("x")}`).join(" "),
      feeds: label,
      runs,
      ms,
      runMs,
      macs,
      gflops,
      peakGflops: peak,
      shareOfPeak: gflops / peak,
      calls,
    };
  } finally {
    await meter.close();
    await session.close();
  }
}

function describe(calls: readonly Call[], times: readonly (readonly number[])[], peak: number): readonly ProfiledCall[] {
  const sorted = times.map((list) => [...list].sort((a, b) => a - b));
  const total = sorted.reduce((sum, list) => sum + (list[0] ?? 0), 0);
  return calls.map(({ kernel }, i) => {
    const series = sorted[i] ?? [];
    const ms = series[0] ?? 0;
    const macs = countMacs({ name: "", inputs: [], outputs: [], nodes: kernel.nodes }) ?? 0;
    const gflops = macs === 0 ? null : (2 * macs) / ms / 1e6;
    const bytes = kernel.args.reduce((sum, arg) => sum + bytesOfArgument(arg), 0);
    return {
      ms,
      medianMs: percentile(series, 0.5),
      share: ms / total,
      macs,
      gflops,
      shareOfPeak: gflops === null ? null : gflops / peak,
      bytes,
      gigabytesPerSecond: bytes / ms / 1e6,
      ops: kernel.nodes.map((n) => n.op),
      output: outputText(kernel.nodes.at(-1)),
      schedules: kernel.schedules,
      precision: precisionOf(kernel),
      nodes: [...new Set(kernel.nodes.flatMap((n) => n.origin))],
    };
  });
}

function bytesOfArgument(arg: Argument): number {
  if (arg.kind === "temp" || arg.kind === "scratch") return 0;
  return arg.kind === "constant" ? bytesOf(arg.tensor).length : storedLength(arg.value) * byteSize(arg.value.dtype);
}

const outputText = (node: Node | undefined): string => node?.outputs.map((v) => shapeText(v.shape)).join(" ") ?? "";
