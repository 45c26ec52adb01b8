/** Runs a model on photos and counts what its values are. */
import type { Graph, Value } from "../ir/graph.ts";
import { bindInputs } from "../passes/bind-shapes.ts";
import { optimize } from "../passes/pipeline.ts";
import type { Means } from "../quant/correct.ts";
import { equalisable, factorsFor, type Factors } from "../quant/equalise.ts";
import { channelStatistics, withHistograms, type ChannelStatistic } from "../quant/instrument.ts";
import { Observations } from "../quant/observations.ts";
import type { Plan } from "../quant/plan.ts";
import { staticShape } from "../tensor/dim.ts";
import { HoneError, locate, must, type Problem } from "../util/errors.ts";
import type { BuildModelOptions, Prepared } from "./build.ts";
import { eachPhoto, type Photos } from "./photos.ts";
import { Taps } from "./taps.ts";

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

/** So many photos tell how large a model's channels are. */
export const CHANNEL_PHOTOS: number = 16;

/** The mean over photos, the first by their hashes, of what is to be known of the channels of values. */
async function measureChannels(
  graph: Graph,
  values: readonly Value[],
  statistic: ChannelStatistic,
  files: Photos["files"],
  prepared: Prepared,
  options: BuildModelOptions,
): Promise<ReadonlyMap<string, readonly number[]>> {
  if (values.length === 0) return new Map();
  const measuring = channelStatistics(graph, values, statistic);
  const sums = values.map((v) => new Float64Array(Number(v.shape[1])));
  const taps = await Taps.open(measuring, prepared, options);
  let photos = 0;
  try {
    options.onEvent?.({ kind: "step", text: "measuring channels" });
    await eachPhoto(files.slice(0, CHANNEL_PHOTOS), { graph, recipe: prepared.recipe }, options, async (feeds) => {
      const found = await taps.run(feeds, options.signal);
      photos++;
      measuring.outputs.forEach((v, i) => {
        const sum = must(sums[i], v.name);
        // Numbers that are not finite are left to what observes.
        (found[v.name]?.data as Float32Array).forEach((m, c) => (sum[c] = (sum[c] ?? 0) + (Number.isFinite(m) ? m : 0)));
      });
    });
  } finally {
    await taps.close();
  }
  return new Map(values.map((v, i) => [v.name, Array.from(must(sums[i], v.name), (sum) => sum / Math.max(1, photos))]));
}

/** By how much channels are to be scaled: by the mean of their greatest magnitude. */
export async function chooseFactors(
  graph: Graph,
  files: Photos["files"],
  prepared: Prepared,
  options: BuildModelOptions,
): Promise<Factors> {
  const magnitudes = await measureChannels(graph, equalisable(graph), "magnitude", files, prepared, options);
  return new Map([...magnitudes].map(([name, list]) => [name, factorsFor(list)]));
}

/** The means of the channels of what a plan's convolutions read. */
export function measureMeans(plan: Plan, files: Photos["files"], prepared: Prepared, options: BuildModelOptions): Promise<Means> {
  const read = [...plan.units.values()].flatMap((u) => (u.kind === "conv" ? u.operands : []));
  return measureChannels(plan.graph, [...new Set(read)], "mean", files, prepared, options);
}

/** Observes the values that a plan needs ranges of. Throws `quant.not-finite`, located at the layer. */
export async function observe(
  plan: Plan,
  files: Photos["files"],
  prepared: Prepared,
  options: BuildModelOptions,
): Promise<{ readonly observations: Observations; readonly skipped: readonly Problem[] }> {
  const observations = new Observations();
  const { graph, histograms } = withHistograms(plan.graph, plan.observed);
  const taps = await Taps.open(graph, prepared, options);
  try {
    options.onEvent?.({ kind: "step", text: "observing the model's values" });
    const skipped = await eachPhoto(files, { graph, recipe: prepared.recipe }, options, async (feeds, { hash, path }) => {
      const found = await taps.run(feeds, options.signal);
      const counts = histograms.map((v, i) => [must(plan.observed[i], v.name).name, found[v.name]?.data as Int32Array] as const);
      observeSample(observations, hash, path, new Map(counts), plan);
    });
    return { observations, skipped };
  } finally {
    await taps.close();
  }
}

/** Names the layer by the original model's node. */
function observeSample(observations: Observations, hash: string, path: string, values: ReadonlyMap<string, Int32Array>, plan: Plan): void {
  try {
    observations.add(hash, values);
  } catch (error) {
    if (!(error instanceof HoneError) || error.code !== "quant.not-finite") throw error;
    const value = error.at.node ?? "";
    const node = plan.graph.nodes.find((n) => n.outputs.some((v) => v.name === value));
    const layer = node?.origin.join(", ") || value;
    throw new HoneError("quant.not-finite", `the layer ${layer} gives numbers that are not finite: ${error.message}`, {
      at: { file: path, node: layer },
      hint: "Check that photo and the preprocessing (--recipe): values that overflow in float32 cannot be quantised.",
    });
  }
}
