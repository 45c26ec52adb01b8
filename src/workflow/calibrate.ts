/** Observes a model's values on photos and chooses their ranges: what int8 needs before it can be built. */
import type { Graph } from "../ir/graph.ts";
import { applyInt8 } from "../quant/apply.ts";
import type { Means } from "../quant/correct.ts";
import { equalise, type Factors } from "../quant/equalise.ts";
import { planInt8, type Plan } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import { chooseRanges, type ChosenRanges, type Method } from "./choose-ranges.ts";
import { errorOf, Judge, type Verdict } from "./judge.ts";
import { chooseFactors, measureMeans, observe, optimisedGraph } from "./observe.ts";
import { findPhotos, holdBack, type Photos, type Split } from "./photos.ts";

/** The method that is used when none is named. */
export const DEFAULT_METHOD: Method = "best";

export interface CalibrateOptions extends BuildModelOptions {
  /** Photos, and folders of them. */
  readonly images: string | readonly string[];
  readonly method: Method;
  /** Whether weights and biases may be changed where that makes int8 better. Default true. */
  readonly adjust?: boolean;
}

/** What was tried, and how far the photos that judge are from float32 with it and without. */
export interface Trial {
  readonly what: "equalisation" | "bias correction";
  readonly without: Verdict;
  readonly with: Verdict;
  readonly kept: boolean;
}

export interface Calibration {
  readonly table: CalibrationTable;
  readonly plan: Plan;
  /** Readable photos, those that were held back among them. */
  readonly photos: number;
  /** Photos that could not be read. */
  readonly skipped: readonly Problem[];
  /** Whether the photos that judged are others than those that the ranges were taken from. */
  readonly apart: boolean;
  readonly trials: readonly Trial[];
  /** How far the int8 graph is from float32 on the photos that judge. */
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** So many photos tell whether channels should be scaled. */
const PILOT = 16;

/** What a calibration goes by. */
interface Work {
  readonly graph: Graph;
  readonly prepared: Prepared;
  readonly split: Split;
  readonly judge: Judge;
  readonly options: CalibrateOptions;
}

interface Adjusted<T> {
  readonly value: T;
  readonly trial?: Trial;
}

/** Factors for the channels if they help: with them and without, ranges are taken from the same few photos, and the outputs are judged. */
async function tryFactors({ graph, prepared, split, judge, options }: Work): Promise<Adjusted<Factors>> {
  if (options.adjust === false) return { value: new Map() };
  const pilot = split.taken.slice(0, PILOT);
  const factors = await chooseFactors(graph, pilot, prepared, options);
  if (factors.size === 0) return { value: factors };
  const verdictWith = async (own: Factors): Promise<Verdict> => {
    const plan = planInt8(equalise(graph, own));
    const { observations } = await observe(plan, pilot, prepared, options);
    const { ranges } = await chooseRanges("minmax", plan, observations, judge, prepared, options);
    return judge.judge(applyInt8(plan, ranges));
  };
  return kept("equalisation", factors, new Map(), await verdictWith(factors), await verdictWith(new Map()));
}

function kept<T>(what: Trial["what"], value: T, otherwise: T, having: Verdict, without: Verdict): Adjusted<T> {
  const better = errorOf(having) < errorOf(without);
  return { value: better ? value : otherwise, trial: { what, with: having, without, kept: better } };
}

/** Biases are corrected if that helps. */
async function tryMeans(
  { prepared, split, judge, options }: Work,
  plan: Plan,
  { ranges }: ChosenRanges,
): Promise<Adjusted<Means> & { readonly verdict: Verdict }> {
  const without = await judge.judge(applyInt8(plan, ranges));
  if (options.adjust === false) return { value: new Map(), verdict: without };
  const means = await measureMeans(plan, split.taken, prepared, options);
  const having = await judge.judge(applyInt8(plan, ranges, means));
  const found = kept("bias correction", means, new Map(), having, without);
  return { ...found, verdict: found.trial?.kept === true ? having : without };
}

/** The judge, of the photos that were held back, or if none of them can be read of all. */
async function openJudge(split: Split, graph: Graph, prepared: Prepared, options: CalibrateOptions): Promise<[Split, Judge]> {
  const judge = await Judge.open(graph, split.judges, prepared, options);
  if (judge.photos > 0 || !split.apart) return [split, judge];
  const together: Split = { taken: split.taken, judges: split.taken, apart: false };
  return [together, await Judge.open(graph, split.taken, prepared, options)];
}

/** Calibrates a model. Throws `quant.no-samples`, `quant.not-finite`, and what building throws. */
export async function calibrateModel(path: string, options: CalibrateOptions): Promise<Calibration> {
  const began = performance.now();
  const images = [options.images].flat();
  const photos = await findPhotos(images, options.signal);
  if (photos.files.length === 0) throw noSamples(images, photos.skipped);
  const prepared = await prepare(path, options);
  const graph = optimisedGraph(prepared);
  const [split, judge] = await openJudge(holdBack(photos.files), graph, prepared, options);
  const work: Work = { graph, prepared, split, judge, options };
  if (judge.photos === 0) throw noSamples(images, [...photos.skipped, ...judge.skipped]);
  const factors = await tryFactors(work);
  const plan = planInt8(equalise(graph, factors.value));
  const { observations, skipped } = await observe(plan, split.taken, prepared, options);
  if (observations.samples.length === 0) throw noSamples(images, [...photos.skipped, ...skipped]);
  const ranges = await chooseRanges(options.method, plan, observations, judge, prepared, options);
  const means = await tryMeans(work, plan, ranges);
  const left = unreadable(photos, [...skipped, ...judge.skipped]);
  const heldBack = split.apart ? hashesOf(split.judges, left) : [];
  const table: CalibrationTable = {
    model: prepared.model.sha256,
    method: options.method,
    samples: observations.samples,
    heldBack,
    ranges: ranges.ranges,
    chosen: ranges.chosen,
    factors: factors.value,
    means: means.value,
  };
  return {
    table,
    plan,
    photos: observations.samples.length + heldBack.length,
    skipped: left,
    apart: split.apart,
    trials: [factors.trial, means.trial].flatMap((t) => t ?? []),
    verdict: means.verdict,
    seconds: (performance.now() - began) / 1000,
  };
}

const hashesOf = (files: Photos["files"], left: readonly Problem[]): readonly string[] => {
  const paths = new Set(left.map((p) => p.at?.file));
  return files.filter((f) => !paths.has(f.path)).map((f) => f.hash);
};

/** Each photo that could not be read, once. */
function unreadable(photos: Photos, skipped: readonly Problem[]): readonly Problem[] {
  const byFile = new Map([...photos.skipped, ...skipped].map((p) => [p.at?.file ?? "", p]));
  return [...byFile].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, p]) => p);
}

function noSamples(images: readonly string[], skipped: readonly Problem[]): HoneError {
  const why = skipped.length > 0 ? `none of its ${skipped.length} photos could be read` : "there is no photo in it";
  return new HoneError("quant.no-samples", `there is nothing to calibrate with: ${why}`, {
    at: { file: images.join(", ") },
    hint: "Name a folder with photos like those that the model will see.",
    problems: skipped,
  });
}
