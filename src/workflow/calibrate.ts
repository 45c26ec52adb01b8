/** Observes a model's values on photos and chooses their ranges: what int8 needs before it can be built. */
import { CALIBRATORS, type CalibratorName } from "../quant/calibrators/index.ts";
import { equalise, type Factors } from "../quant/equalise.ts";
import type { Observations } from "../quant/observations.ts";
import { planInt8, type Plan } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import { chooseFactors, observe, optimisedGraph } from "./observe.ts";
import { findPhotos } from "./photos.ts";

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
  const factors: Factors = options.equalise === false ? new Map() : await chooseFactors(graph, photos.files, prepared, options);
  const plan = planInt8(equalise(graph, factors));
  const { observations, skipped: undecoded } = await observe(plan, photos.files, prepared, options);
  const skipped = [...photos.skipped, ...undecoded];
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
