/** Observes a model's values on photos and chooses their ranges: what int8 needs before it can be built. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { buildEngine } from "../compiler/node/build.ts";
import { loadImage } from "../data/node/decode.ts";
import { listImages } from "../data/node/source.ts";
import type { Recipe } from "../engine/recipe.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { bindInputs } from "../passes/bind-shapes.ts";
import { optimize } from "../passes/pipeline.ts";
import { CALIBRATORS, type CalibratorName } from "../quant/calibrators/index.ts";
import { equalisable, equalise, factorsFor, type Factors } from "../quant/equalise.ts";
import { Observations } from "../quant/observations.ts";
import { planInt8, type Plan } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import { Session } from "../runtime/node/session.ts";
import { staticShape } from "../tensor/dim.ts";
import { elementCount, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError, locate, must, type Problem } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import { given } from "./events.ts";
import { imageFeeds, type TensorFeeds } from "./feeds.ts";

export type Method = CalibratorName;

/**
 * The method that is used when none is named. It cuts nothing: the rare large activations are what a detector looks for, and photos
 * to calibrate with may have few of them. Scaled channels leave it few outliers to suffer from.
 */
export const DEFAULT_METHOD: Method = "minmax";

export interface CalibrateOptions extends BuildModelOptions {
  /** Photos, and folders of them. */
  readonly images: string | readonly string[];
  readonly method: Method;
  /** Whether channels may be scaled so that bytes hold them better. Default true. */
  readonly equalise?: boolean;
}

export interface Calibration {
  readonly table: CalibrationTable;
  readonly plan: Plan;
  readonly photos: number;
  /** Photos that could not be read. */
  readonly skipped: readonly Problem[];
  readonly seconds: number;
}

/** Photos in the order of their content's hash; each content once. */
export interface Photos {
  readonly files: readonly { readonly path: string; readonly hash: string }[];
  readonly skipped: readonly Problem[];
}

async function findPhotos(images: readonly string[], signal: AbortSignal | undefined): Promise<Photos> {
  const lists = await Promise.all(images.map((path) => listImages(path, { recursive: true, ...given("signal", signal) })));
  const paths = lists.flat();
  const byHash = new Map<string, string>();
  const skipped: Problem[] = [];
  for (const path of paths) {
    if (signal?.aborted === true) throw new HoneError("aborted", "calibration was aborted");
    try {
      const hash = createHash("sha256")
        .update(await readFile(path))
        .digest("hex");
      if (!byHash.has(hash)) byHash.set(hash, path);
    } catch (error) {
      skipped.push({ message: error instanceof Error ? error.message : String(error), at: { file: path } });
    }
  }
  return { files: [...byHash].sort(([a], [b]) => (a < b ? -1 : 1)).map(([hash, path]) => ({ path, hash })), skipped };
}

/** The optimised graph of the first profile, as compiling makes it. */
export function optimisedGraph({ graph, profiles, model }: Prepared): Graph {
  const [shapes = {}] = profiles;
  const bound = Object.keys(shapes).length > 0 ? bindInputs(graph, shapes) : graph;
  try {
    bound.inputs.forEach((v) => staticShape(v.shape, `the input ${v.name}`));
    return optimize(bound);
  } catch (error) {
    throw locate(error, { file: model.path });
  }
}

/** An engine whose outputs are the given values of a graph, which are read without copies. */
export class Taps {
  readonly #session: Session;
  readonly #outputs: Readonly<Record<string, Tensor>>;
  readonly #values: readonly Value[];

  private constructor(session: Session, values: readonly Value[], outputs: Readonly<Record<string, Tensor>>) {
    this.#session = session;
    this.#values = values;
    this.#outputs = outputs;
  }

  static async open(graph: Graph, values: readonly Value[], prepared: Prepared, options: BuildModelOptions): Promise<Taps> {
    const inputs = new Set(graph.inputs);
    const computed = values.filter((v) => !inputs.has(v));
    const outputs = [...new Set([...graph.outputs, ...computed])];
    const { engine } = await buildEngine(
      { ...graph, outputs },
      {
        modelHash: prepared.model.sha256,
        format: prepared.model.format,
        ...given("machine", options.machine),
        ...given("onEvent", options.onEvent),
        ...given("signal", options.signal),
      },
    );
    const session = await Session.open(must(engine, "an engine"), { native: "allow", contexts: 1, signal: options.signal });
    const memory = Object.fromEntries(outputs.map((v) => [v.name, zeros(v.dtype, staticShape(v.shape, v.name))]));
    return new Taps(session, values, memory);
  }

  /** The values for one set of feeds, by name; they are overwritten by the next. */
  async run(feeds: TensorFeeds, signal?: AbortSignal): Promise<ReadonlyMap<string, Float32Array>> {
    await this.#session.runInto(feeds, this.#outputs, { signal });
    return new Map(
      this.#values.map((v) => {
        const t = this.#outputs[v.name] ?? feeds[v.name];
        if (!(t?.data instanceof Float32Array)) throw new HoneError("internal", `${v.name} is not float32`);
        return [v.name, t.data];
      }),
    );
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

export const feedInputs = (graph: Graph): { name: string; type: Value["dtype"]; dims: readonly number[] }[] =>
  graph.inputs.map((v) => ({ name: v.name, type: v.dtype, dims: staticShape(v.shape, `the input ${v.name}`) }));

/** What a photo feeds into the model. Throws what loading throws. */
export async function photoFeeds(path: string, graph: Graph, recipe: Recipe | undefined, signal?: AbortSignal): Promise<TensorFeeds> {
  return imageFeeds(await loadImage(path, given("signal", signal)), feedInputs(graph), recipe);
}

/** So many photos tell how large a model's channels are. */
const CHANNEL_PHOTOS = 32;

/** By how much channels are to be scaled: the mean of their greatest magnitude over some photos, the first by their hashes. */
async function chooseFactors(graph: Graph, photos: Photos, prepared: Prepared, options: BuildModelOptions): Promise<Factors> {
  const values = equalisable(graph);
  if (values.length === 0) return new Map();
  const sums = new Map(values.map((v) => [v.name, new Float64Array(Number(v.shape[1]))]));
  const taps = await Taps.open(graph, values, prepared, options);
  try {
    options.onEvent?.({ kind: "step", text: "measuring channels" });
    for (const { path } of photos.files.slice(0, CHANNEL_PHOTOS)) {
      const feeds = await readableFeeds(path, graph, prepared, options.signal);
      if (feeds instanceof HoneError) continue;
      const found = await taps.run(feeds, options.signal);
      for (const v of values) addMagnitudes(must(sums.get(v.name), v.name), v, must(found.get(v.name), v.name));
    }
  } finally {
    await taps.close();
  }
  return new Map([...sums].map(([name, sum]) => [name, factorsFor([...sum])]));
}

/** Adds the greatest magnitude of each channel of a value; numbers that are not finite are left to what observes. */
function addMagnitudes(sums: Float64Array, value: Value, data: Float32Array): void {
  const plane = elementCount(staticShape(value.shape, value.name).slice(2));
  for (let at = 0, p = 0; at < data.length; at += plane, p++) {
    let most = 0;
    for (let i = at; i < at + plane; i++) most = Math.max(most, Math.abs(data[i] ?? 0));
    const c = p % sums.length;
    if (Number.isFinite(most)) sums[c] = (sums[c] ?? 0) + most;
  }
}

/** A photo's feeds, or why it cannot be read. */
async function readableFeeds(
  path: string,
  graph: Graph,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<TensorFeeds | HoneError> {
  try {
    return await photoFeeds(path, graph, prepared.recipe, signal);
  } catch (error) {
    if (error instanceof HoneError && error.code.startsWith("image.")) return error;
    throw error;
  }
}

async function observe(
  plan: Plan,
  photos: Photos,
  prepared: Prepared,
  options: Omit<CalibrateOptions, "method">,
): Promise<{ observations: Observations; skipped: Problem[] }> {
  const { onEvent, signal } = options;
  const observations = new Observations();
  const skipped = [...photos.skipped];
  const taps = await Taps.open(plan.graph, plan.observed, prepared, options);
  try {
    onEvent?.({ kind: "step", text: "observing the model's values" });
    for (const [i, { path, hash }] of photos.files.entries()) {
      const feeds = await readableFeeds(path, plan.graph, prepared, signal);
      if (feeds instanceof HoneError) skipped.push({ message: feeds.message, at: { file: path } });
      else observeSample(observations, hash, path, await taps.run(feeds, signal), plan);
      onEvent?.({ kind: "progress", done: i + 1, total: photos.files.length });
    }
  } finally {
    await taps.close();
  }
  return { observations, skipped };
}

/** Names the layer by the original model's node. */
function observeSample(
  observations: Observations,
  hash: string,
  path: string,
  values: ReadonlyMap<string, Float32Array>,
  plan: Plan,
): void {
  try {
    observations.add(hash, values);
  } catch (error) {
    if (!(error instanceof HoneError) || error.code !== "quant.not-finite") throw error;
    const value = error.at.node ?? "";
    const node = plan.graph.nodes.find((n) => n.outputs.some((v) => v.name === value));
    const layer = node?.origin.join(", ") || value;
    throw new HoneError("quant.not-finite", `the layer ${layer} gives numbers that are not finite: ${error.message} of its result`, {
      at: { file: path, node: layer },
      hint: "Check that photo and the preprocessing (--recipe): values that overflow in float32 cannot be quantised.",
    });
  }
}

/** What a model's values were on some photos. */
export interface ObservedModel {
  /** What channels were scaled by before. */
  readonly factors: Factors;
  readonly prepared: Prepared;
  readonly plan: Plan;
  readonly observations: Observations;
  readonly skipped: readonly Problem[];
}

/** Runs a model on photos. Throws `quant.no-samples`, `quant.not-finite`, and what building throws. */
export async function observeModel(path: string, options: Omit<CalibrateOptions, "method">): Promise<ObservedModel> {
  const images = [options.images].flat();
  const from = images.join(", ");
  const photos = await findPhotos(images, options.signal);
  if (photos.files.length === 0) throw noSamples(from, photos.skipped);
  const prepared = await prepare(path, options);
  const graph = optimisedGraph(prepared);
  const factors: Factors = options.equalise === false ? new Map() : await chooseFactors(graph, photos, prepared, options);
  const plan = planInt8(equalise(graph, factors));
  const { observations, skipped } = await observe(plan, photos, prepared, options);
  if (observations.samples.length === 0) throw noSamples(from, skipped);
  return { prepared, plan, observations, skipped, factors };
}

/** Calibrates a model. Throws as {@link observeModel} does. */
export async function calibrateModel(path: string, options: CalibrateOptions): Promise<Calibration> {
  const began = performance.now();
  const { prepared, plan, observations, skipped, factors } = await observeModel(path, options);
  const { samples } = observations;
  const choose = CALIBRATORS[options.method];
  const ranges = new Map([...observations.all()].map(([name, observed]) => [name, choose(observed)]));
  const table: CalibrationTable = { model: prepared.model.sha256, method: options.method, samples, ranges, factors };
  return { table, plan, photos: samples.length, skipped, seconds: (performance.now() - began) / 1000 };
}

function noSamples(folder: string, skipped: readonly Problem[]): HoneError {
  const why = skipped.length > 0 ? `none of its ${skipped.length} photos could be read` : "there is no photo in it";
  return new HoneError("quant.no-samples", `there is nothing to calibrate with: ${why}`, {
    at: { file: folder },
    hint: "Name a folder with photos like those that the model will see.",
    problems: skipped,
  });
}
