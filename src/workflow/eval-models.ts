/** The other half of the eval job: detectors run over labelled photos, then judged as detections from a file are. */
import { relative } from "node:path";
import type { Image } from "../data/image.ts";
import { loadImage } from "../data/node/decode.ts";
import { preprocess } from "../data/normalize.ts";
import type { AnnotationSet, DetectedObject } from "../data/annotations/annotations.ts";
import type { Recipe } from "../engine/recipe.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { decodeDetections } from "../vision/detect.ts";
import type { BuildModelOptions } from "./build.ts";
import { evaluateDetections, type EvaluateOptions, type Evaluation, type Protocol } from "./eval.ts";
import { openRunner, type Backend, type Runner } from "./eval-backends.ts";
import { loadGroundTruths, type GroundTruth, type TextFormat } from "./eval-files.ts";
import { findImages, type ImageFile } from "./eval-images.ts";
import { nearestSize } from "./face.ts";
import { given } from "./events.ts";

export interface EvaluateModelsRequest extends BuildModelOptions, Omit<EvaluateOptions, "diff"> {
  /** Models, which are built, and engines. */
  readonly models: readonly string[];
  readonly images: string;
  readonly annotations: readonly string[];
  /** Images that are not run, nor their objects counted. */
  readonly leaveOut?: ((image: ImageFile) => boolean) | undefined;
  readonly format?: TextFormat | undefined;
  /** Default: hone. Each model is run on each. */
  readonly backends?: readonly Backend[];
  /** Detections below this are not scored. Default 0.02: a curve needs its tail. */
  readonly minScore?: number | undefined;
}

/** Milliseconds an image, of all images but the first, which warms up (of one alone, of that). */
export interface Latency {
  readonly mean: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export const STEPS = ["decode", "preprocess", "inference", "postprocess"] as const;
export type Step = (typeof STEPS)[number];

export interface ModelRun extends Evaluation {
  readonly engine: string;
  readonly backend: Backend;
  readonly target: string;
  readonly recipe: string;
  readonly minScore: number;
  readonly latencyMs: Readonly<Record<Step, Latency>>;
}

const MIN_SCORE = 0.02;

/**
 * Runs every model on every backend over the annotated images and scores what it finds, by COCO's rules unless others are asked for. One image is in
 * memory at a time. Images that cannot be read are left out on both sides and named in `problems`.
 * @param openModel how a model is opened; tests put something small in its place
 * Throws what building, opening and reading annotations throw, `usage` when a detector's classes are not those of the annotations, `aborted`.
 */
export async function evaluateModels(
  request: EvaluateModelsRequest,
  openModel: (path: string, backend: Backend, options: BuildModelOptions) => Promise<Runner> = openRunner,
): Promise<ModelRun[]> {
  const { signal } = request;
  const truth = await loadGroundTruths(request.annotations, { format: request.format, images: request.images, signal });
  const { files: all, missing } = await findImages(request.images, truth.set, signal);
  const files = all.filter((f) => request.leaveOut?.(f) !== true);
  const runs: ModelRun[] = [];
  for (const model of request.models) {
    for (const backend of request.backends ?? ["hone"]) {
      const runner = await openModel(model, backend, request);
      try {
        runs.push(await evaluateRunner(runner, model, truth, files, missing, request));
      } finally {
        await runner.close();
      }
    }
  }
  return runs;
}

async function evaluateRunner(
  runner: Runner,
  model: string,
  truth: GroundTruth,
  files: readonly ImageFile[],
  missing: readonly Problem[],
  request: EvaluateModelsRequest,
): Promise<ModelRun> {
  const minScore = request.minScore ?? MIN_SCORE;
  const categoryOf = request.anyClass === true ? () => 1 : categoriesOf(runner.recipe, truth.set, model);
  const detections: DetectedObject[] = [];
  const sized = new Map<AnnotationSet["images"][number]["id"], { width: number; height: number; file: string }>();
  const problems: Problem[] = [...missing];
  const times: Record<Step, number>[] = [];
  for (const [i, file] of files.entries()) {
    request.onEvent?.({ kind: "step", text: `${runner.recipe.name} on ${runner.backend}` });
    request.onEvent?.({ kind: "progress", done: i, total: files.length });
    const found = await runImage(runner, file, minScore, request.signal);
    if ("problem" in found) problems.push(found.problem);
    else {
      sized.set(file.id, { ...found.size, file: relative(request.images, file.path) });
      times.push(found.times);
      for (const d of found.detections) detections.push({ image: file.id, category: categoryOf(d.classId), box: d.box, score: d.score });
    }
  }
  if (sized.size === 0) {
    throw new HoneError("image.unreadable", "not one of the annotated images can be read", { problems, at: { file: request.images } });
  }
  const protocol = request.protocol ?? "coco";
  const read = { ...truth, set: only(truth.set, sized) };
  const sides = truth.format === "voc" ? pixelNames(read, detections, protocol) : { truth: read, detections };
  const evaluation = evaluateDetections(sides.truth, { detections: sides.detections, problems }, { ...request, protocol });
  const { backend, target, recipe } = runner;
  return { ...evaluation, engine: model, backend, target, recipe: recipe.name, minScore, latencyMs: latencies(times) };
}

interface Ran {
  readonly size: { readonly width: number; readonly height: number };
  readonly detections: ReturnType<typeof decodeDetections>;
  readonly times: Record<Step, number>;
}

async function runImage(
  runner: Runner,
  { path }: ImageFile,
  minScore: number,
  signal: AbortSignal | undefined,
): Promise<Ran | { readonly problem: Problem }> {
  if (signal?.aborted === true) throw new HoneError("aborted", "the evaluation was aborted", { cause: signal.reason });
  const began = performance.now();
  let image: Image;
  try {
    image = await loadImage(path, given("signal", signal));
  } catch (error) {
    if (!(error instanceof HoneError) || !SKIPPED.has(error.code)) throw error;
    return { problem: { message: `left out: ${error.message}`, at: { file: path } } };
  }
  const decoded = performance.now();
  const size = nearestSize(runner.sizes, image);
  if (size === undefined) throw new HoneError("usage", "the size of the model's input is not known", { hint: "Give it with --shape." });
  const { tensor, placement } = preprocess(image, size.width, size.height, runner.recipe.preprocess);
  const prepared = performance.now();
  const outputs = await runner.run({ [runner.input]: tensor }, signal);
  const ran = performance.now();
  const detections = decodeDetections(runner.recipe, outputs, size, placement, { minScore });
  const ended = performance.now();
  return {
    size: { width: image.width, height: image.height },
    detections,
    times: { decode: decoded - began, preprocess: prepared - decoded, inference: ran - prepared, postprocess: ended - ran },
  };
}

const SKIPPED: ReadonlySet<string> = new Set([
  "image.unreadable",
  "image.too-large",
  "file.unreadable",
  "file.too-large",
  "file.not-found",
]);

/** The set without the images that were not run, with the names and sizes that the images really have. */
function only(set: AnnotationSet, sized: ReadonlyMap<AnnotationSet["images"][number]["id"], object>): AnnotationSet {
  return {
    ...set,
    images: set.images.filter((i) => sized.has(i.id)).map((i) => ({ ...i, ...sized.get(i.id) })),
    truths: set.truths.filter((t) => sized.has(t.image)),
  };
}

/**
 * VOC's corners name pixels, counted from 1 and both inside; what a detector finds has corners between pixels, counted from 0. VOC's own rules take
 * detections by pixels too; for others the annotations become corners between pixels.
 */
function pixelNames(
  truth: GroundTruth,
  detections: readonly DetectedObject[],
  protocol: Protocol,
): { readonly truth: GroundTruth; readonly detections: readonly DetectedObject[] } {
  const move = <T extends { readonly box: DetectedObject["box"] }>(list: readonly T[], by: 1 | -1): T[] =>
    list.map((item) => {
      const [x, y, w, h] = item.box;
      return { ...item, box: [x + by, y + by, w - by, h - by] as const };
    });
  if (protocol === "voc" || protocol === "voc07") return { truth, detections: move(detections, 1) };
  return { truth: { ...truth, set: { ...truth.set, truths: move(truth.set.truths, -1) } }, detections };
}

/** Names as people write them: case, spaces, hyphens and underscores do not matter. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, " ")
    .trim();

/**
 * The annotations' category for each of the detector's classes, by name; classes that the annotations lack keep their own names and are not scored.
 * YOLO's categories without names are numbers of classes.
 */
function categoriesOf(recipe: Recipe, { categories }: AnnotationSet, model: string): (classId: number) => DetectedObject["category"] {
  const byName = new Map(categories.map((c) => [plain(c.name ?? String(c.id)), c.id]));
  const numbered = categories.length > 0 && categories.every((c) => c.name === undefined || c.name === String(c.id));
  const ids = recipe.classes.map((name, i) => byName.get(plain(name)) ?? (numbered ? categories.find((c) => c.id === i)?.id : undefined));
  if (ids.every((id) => id === undefined)) {
    const some = (names: readonly string[]): string => names.slice(0, 5).join(", ") + (names.length > 5 ? ", …" : "");
    throw new HoneError(
      "usage",
      `${recipe.name} finds ${some(recipe.classes)}; the annotations are of ${some(categories.map((c) => c.name ?? String(c.id)))}`,
      { at: { file: model }, hint: "With --any-class every object and every detection counts as one class." },
    );
  }
  return (classId) => ids[classId] ?? recipe.classes[classId] ?? String(classId);
}

function latencies(times: readonly Record<Step, number>[]): Record<Step, Latency> {
  const warm = times.length > 1 ? times.slice(1) : times;
  const of = (step: Step): Latency => {
    const sorted = warm.map((t) => t[step]).sort((a, b) => a - b);
    const at = (i: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, i))] ?? 0;
    const mean = sorted.reduce((sum, t) => sum + t, 0) / Math.max(1, sorted.length);
    return { mean, median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
  };
  return { decode: of("decode"), preprocess: of("preprocess"), inference: of("inference"), postprocess: of("postprocess") };
}
