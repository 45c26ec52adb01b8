/** Engines of one model held against each other, on one page. */
import type { CocoKind } from "../metrics/coco/options.ts";
import { pairedBootstrap } from "../metrics/bootstrap.ts";
import { arenaBytesOf, weightsSection, type Engine } from "../engine/format.ts";
import { enginesPage, type EnginesPageInput, type ReportedEngine } from "../report/engines.ts";
import type { ReportedLayer } from "../report/layers.ts";
import type { MetricDifference } from "../report/whiskers.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { Session } from "../runtime/node/session.ts";
import { HoneError, must } from "../util/errors.ts";
import type { BuildModelOptions } from "./build.ts";
import { evaluateModels, type ModelRun } from "./eval-models.ts";
import type { TextFormat } from "./eval-files.ts";
import { tablesOf } from "./eval-intervals.ts";
import type { Protocol } from "./eval.ts";
import { given } from "./events.ts";
import { makeFeeds, type FeedInput, type TensorFeeds } from "./feeds.ts";
import { listImages } from "../data/node/source.ts";
import { writeOutput } from "./output-file.ts";
import { profileModel } from "./profile.ts";
import { recipeOf } from "./run.ts";
import { MOST_PAIRED, layersOf, measureNoise, openInt8, tensorsOf, type Int8Model, type TimesOf } from "./report-layers.ts";
import type { Method } from "./choose-ranges.ts";

export interface ReportOptions extends BuildModelOptions {
  /** Engines; the first is what the last is held against. */
  readonly engines: readonly string[];
  readonly output: string;
  /** Photos: what latency is measured with, and with annotations what the engines are scored on. */
  readonly images?: string | undefined;
  readonly annotations?: readonly string[];
  readonly anyClass?: boolean;
  readonly format?: TextFormat | undefined;
  readonly protocol?: Protocol | undefined;
  readonly minScore?: number | undefined;
  readonly rounds?: number;
  /** The model that the engines were built from, for a look at its layers. */
  readonly model?: string | undefined;
  /** What the int8 engine was calibrated with. */
  readonly calib?: string | undefined;
  readonly method?: Method | undefined;
}

export interface WrittenReport {
  readonly output: string;
  readonly page: EnginesPageInput;
}

/** Throws what opening, evaluating, calibrating and profiling throw, `usage`, and `file.unwritable` before the long work. */
export async function writeEnginesReport(options: ReportOptions): Promise<WrittenReport> {
  const { output } = options;
  if (options.calib !== undefined && options.model === undefined) {
    throw new HoneError("usage", "--calib is for a look at the layers, which needs the model too", { hint: "Add --model MODEL.onnx." });
  }
  if ((options.annotations ?? []).length > 0 && options.images === undefined) {
    throw new HoneError("usage", "annotations are of photos", { hint: "Add --images DIR." });
  }
  const engines: Engine[] = [];
  for (const path of options.engines) engines.push(await readEngineFile(path, options.signal));
  return writeOutput(output, async (write) => {
    const page = await collect(engines, options);
    await write(enginesPage(page));
    return { output, page };
  });
}

async function collect(engines: readonly Engine[], options: ReportOptions): Promise<EnginesPageInput> {
  const names = namesOf(options.engines);
  const runs = await scores(options);
  const times = await latencies(engines, options);
  const layered = await layers(engines, options);
  const reported = engines.map((engine, i): ReportedEngine => {
    const run = runs[i];
    const { latencyMs, target } = must(times[i], "a latency");
    return {
      name: names[i] ?? "",
      precision: engine.manifest.precision,
      target,
      ...sizesOf(engine, target),
      latencyMs,
      ...(run ? { score: { task: run.task, metrics: run.metrics, intervals: run.intervals ?? {} } } : {}),
    };
  });
  const model = engines[0]?.manifest.model.name ?? "";
  return {
    title: names.length > 1 ? `${names.at(-1) ?? ""} against ${names[0] ?? ""}` : (names[0] ?? ""),
    subtitle: [
      `Engines of the model ${model}`,
      ...runs.slice(0, 1).map((r) => `scored on ${r.images} photos with ${r.truths} objects, by ${r.protocol}`),
    ].join("; "),
    engines: reported,
    differences: differencesOf(runs, options.rounds ?? ROUNDS),
    ...layered,
    notes: notesOf(runs, layered, options),
  };
}

const ROUNDS = 1000;

/** The files' names; with their folders where two are the same. */
function namesOf(paths: readonly string[]): readonly string[] {
  const short = paths.map((p) => p.replace(/^.*[/\\]/, ""));
  return short.map((name, i) => (short.filter((n) => n === name).length > 1 ? (paths[i] ?? name) : name));
}

async function scores(options: ReportOptions): Promise<readonly ModelRun[]> {
  const { annotations = [], images } = options;
  if (images === undefined || annotations.length === 0) return [];
  return evaluateModels({ ...options, models: options.engines, images, annotations, rounds: options.rounds ?? ROUNDS });
}

/** The last run's AP less the first's, by COCO's rules; empty where they cannot be paired. */
function differencesOf(runs: readonly ModelRun[], rounds: number): readonly MetricDifference[] {
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined || last === undefined || first === last || first.protocol !== "coco" || rounds < 1) return [];
  const kind: CocoKind = "box";
  const theirs = tablesOf(last.task, kind, undefined);
  return tablesOf(first.task, kind, undefined).flatMap(({ name, table, options }, i): MetricDifference[] => {
    const other = theirs[i]?.table;
    if (other === undefined || table.images.join() !== other.images.join()) return [];
    const { value, low, high } = pairedBootstrap(table, other, { ...options, rounds });
    return [{ metric: name, points: value * 100, low: low * 100, high: high * 100 }];
  });
}

interface Timed {
  readonly target: string;
  readonly latencyMs: { readonly min: number; readonly median: number };
}

const TIMED_ROUNDS = 50;
const WARM_UP = 3;
const LEAST_ROUNDS = 8;
const MOST_SECONDS = 20;

/** The engines in turns on one photo or on seeded noise, so that what else the machine does hits all. */
async function latencies(engines: readonly Engine[], options: ReportOptions): Promise<readonly Timed[]> {
  const { signal, onEvent } = options;
  const feeds = await feedsOf(engines, options);
  const sessions: Session[] = [];
  try {
    for (const path of options.engines) sessions.push(await Session.open(path, { contexts: 1, signal }));
    onEvent?.({ kind: "step", text: "timing the engines in turns" });
    const times = await inTurns(
      sessions.map((session, i) => async () => {
        await session.run(must(feeds[i], "feeds"), { signal });
      }),
    );
    return sessions.map((session, i) => {
      const sorted = [...(times[i] ?? [])].sort((a, b) => a - b);
      return { target: session.info.target, latencyMs: { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0 } };
    });
  } finally {
    for (const session of sessions) await session.close();
  }
}

async function feedsOf(engines: readonly Engine[], { engines: paths, images, signal }: ReportOptions): Promise<readonly TensorFeeds[]> {
  const [photo] = images === undefined ? [] : await listImages(images, given("signal", signal));
  const source = { ...given("images", photo === undefined ? undefined : [photo]), ...given("signal", signal) };
  const feeds: TensorFeeds[] = [];
  for (const [i, { manifest }] of engines.entries()) {
    const dims = manifest.profiles[0]?.inputs ?? [];
    const inputs = manifest.inputs.map(({ name, type }, k): FeedInput => ({ name, type, dims: dims[k] ?? [] }));
    const [made] = await makeFeeds(inputs, recipeOf(manifest, paths[i] ?? ""), source);
    feeds.push(must(made, "feeds").feeds);
  }
  return feeds;
}

/** Milliseconds of each run of each job, the first rounds left out. */
async function inTurns(jobs: readonly (() => Promise<void>)[]): Promise<readonly (readonly number[])[]> {
  const times = jobs.map((): number[] => []);
  const began = performance.now();
  for (let round = 0; round < TIMED_ROUNDS && (round < LEAST_ROUNDS || performance.now() - began < MOST_SECONDS * 1000); round++) {
    for (const [i, run] of jobs.entries()) {
      const start = performance.now();
      await run();
      if (round >= WARM_UP) times[i]?.push(performance.now() - start);
    }
  }
  return times;
}

function sizesOf(
  { manifest, sections, bytes }: Engine,
  target: string,
): Pick<ReportedEngine, "bytes" | "weightsBytes" | "codeBytes" | "arenaBytes"> {
  const ran = manifest.targets.find((t) => t.section === target) ?? manifest.targets[0];
  if (ran === undefined) return { bytes, weightsBytes: 0, codeBytes: 0, arenaBytes: 0 };
  const sizeOf = (name: string): number => sections.get(name)?.length ?? 0;
  return {
    bytes,
    weightsBytes: sizeOf(weightsSection(ran)),
    codeBytes: sizeOf(ran.section),
    arenaBytes: arenaBytesOf(manifest, ran, 0),
  };
}

type Layered = Pick<EnginesPageInput, "layers" | "tensors"> & {
  readonly photos: number;
  readonly calibrated: boolean;
  readonly method: string;
};
const NO_LAYERS: Layered = { layers: [], tensors: [], photos: 0, calibrated: false, method: "" };

async function layers(engines: readonly Engine[], options: ReportOptions): Promise<Layered> {
  const { model, calib, images } = options;
  if (model === undefined || calib === undefined) return NO_LAYERS;
  const opened = await openInt8({ ...options, model, calib, images });
  const other = engines.findIndex((e) => e.manifest.model.sha256 !== opened.prepared.model.sha256);
  if (other >= 0) {
    throw new HoneError("usage", `the engine was built from another model than ${model}`, { at: { file: options.engines[other] ?? "" } });
  }
  const isFolder = opened.table.samples.length > 0 && opened.int8.photos > 0;
  const photos = images ?? (isFolder ? calib : undefined);
  const noise = photos === undefined ? new Map() : await measureNoise(opened, photos, options);
  const times = await kernelTimes(engines, opened, model, options);
  const { method } = opened.table;
  const slower = opened.int8.layers().float.map((l) => l.layer);
  return {
    ...{ layers: asBuilt(layersOf(opened, noise, times), engines, slower), tensors: tensorsOf(opened, noise) },
    ...{ photos: opened.photos, calibrated: opened.calibrated, method },
  };
}

/**
 * What a layer is computed in is what the last int8 engine, or else the last engine, says of the kernel that computes it: the plan says only
 * where int8 could be. `slower` are layers that a build leaves in floats for their time.
 */
function asBuilt(found: readonly ReportedLayer[], engines: readonly Engine[], slower: readonly string[]): readonly ReportedLayer[] {
  const shown = must(engines.findLast((e) => e.manifest.precision === "int8") ?? engines.at(-1), "an engine").manifest;
  // The first kernel of a node computes it; another may give its result another layout.
  const last = [...shown.kernels].reverse();
  const precisions = new Map(last.flatMap((k) => k.nodes.map((node) => [node, k.precision ?? shown.precision] as const)));
  const int8 = new Set(shown.kernels.filter((k) => k.precision === "int8").flatMap((k) => k.nodes));
  return found.map((layer) => {
    if (layer.nodes.some((n) => int8.has(n))) return { ...layer, precision: "int8" };
    const precision = layer.nodes.map((n) => precisions.get(n)).find((p) => p !== undefined) ?? "fp32";
    if (layer.why !== undefined) return { ...layer, precision };
    return { ...layer, precision, why: shown.precision === "int8" ? leftWhy(layer, slower) : `the engine is in ${shown.precision}` };
  });
}

function leftWhy({ nodes: [first = ""] }: ReportedLayer, slower: readonly string[]): string {
  const isSlower = slower.some((name) => name === first || name.startsWith(`${first}, `));
  return isSlower ? "int8 would be slower there, by the rates of the machine" : "it was kept out of int8 when the engine was built";
}

/** Each engine is built again with a clock around each kernel. */
async function kernelTimes(engines: readonly Engine[], { int8 }: Int8Model, model: string, options: ReportOptions): Promise<TimesOf> {
  const lists: ReadonlyMap<string, number>[] = [];
  for (const [i, { manifest }] of engines.entries()) {
    const quantised = manifest.precision === "int8";
    const { calls } = await profileModel(options.engines[i] ?? "", {
      ...{ model, seconds: 0.3, signal: options.signal, onEvent: options.onEvent },
      ...(quantised ? { rewrite: int8.rewrite, precision: "int8" } : {}),
    });
    const times = new Map<string, number>();
    for (const { nodes, ms } of calls) for (const node of nodes) times.set(node, Math.max(times.get(node) ?? 0, ms));
    lists.push(times);
  }
  return (node) => lists.map((times) => times.get(node));
}

function notesOf(
  runs: readonly ModelRun[],
  { layers: found, photos, calibrated, method }: Layered,
  options: ReportOptions,
): readonly string[] {
  const [run] = runs;
  const notes = [`Latency: up to ${TIMED_ROUNDS - WARM_UP} runs of the model alone, one thread, the engines in turns.`];
  if (run === undefined) notes.push("Accuracy was not measured: give --images and --annotations.");
  else {
    notes.push(
      `Accuracy: ${run.images} photos, scores from ${run.minScore}. Intervals are 95% of ${options.rounds ?? ROUNDS} bootstrap resamples of the photos; those of a difference draw the same photos for both engines.`,
    );
    notes.push(...run.problems.map((p) => `Left out: ${p.message} ${p.at?.file ?? ""}`));
  }
  if (found.length === 0) notes.push("Layers were not looked at: give --model and --calib.");
  else {
    notes.push(
      `Layers: ranges by ${method}. The int8 graph is made again from the model and those ranges. SQNR is measured at each layer's output over up to ${MOST_PAIRED} photos, with every layer in int8 that can be.`,
      `The time of a layer is that of the kernel that computes it, the least of at least ten runs, each engine built again with clocks; a kernel that computes several layers is shown at each.`,
    );
    if (photos > 0) {
      const whose = calibrated
        ? "of those that the ranges were chosen by"
        : "of --images, which need not be those that the ranges were chosen by";
      notes.push(`Histograms are of ${photos} photos, ${whose}.`);
    }
  }
  return notes;
}
