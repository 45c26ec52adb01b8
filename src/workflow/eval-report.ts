import { readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { rasterizeSvg } from "../data/node/svg.ts";
import type { Id } from "../metrics/records.ts";
import { comparisonPage } from "../report/comparison.ts";
import { evaluationCharts, evaluationPage, type EvaluationPageInput } from "../report/evaluation.ts";
import type { Evaluation } from "./eval.ts";
import { STEPS, type ModelRun } from "./eval-models.ts";
import { writeOutput } from "./output-file.ts";

const TYPES: Readonly<Record<string, string>> = { ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp" };
const MAX_IMAGE_BYTES = 4 * 1024 * 1024;

/**
 * Writes an evaluation as one offline page.
 * @param images a folder with the images by their file names, for the gallery; those not found are grey
 * @throws HoneError file.unwritable
 */
export async function writeReport(path: string, evaluation: Evaluation, images?: string): Promise<void> {
  await writeOutput(path, (write) => write(evaluationPage(pageInput("Evaluation", evaluation, images))));
}

/** Writes the runs of detectors as one offline page: side by side, then each. @throws HoneError file.unwritable */
export async function writeRunsReport(path: string, runs: readonly ModelRun[], images: string): Promise<void> {
  const inputs = runs.map((run) => ({
    ...pageInput(runName(run), run, images),
    name: runName(run),
    intervals: run.intervals ?? {},
    milliseconds: STEPS.map((step) => [step, run.latencyMs[step].median] as const),
  }));
  const subtitle = runs
    .slice(0, 1)
    .map((r) => `${r.images} images, ${r.truths} objects; by ${r.protocol}. Curves and errors are of boxes at IoU 0.5.`);
  await writeOutput(path, (write) => write(comparisonPage("Evaluation", subtitle.join(""), inputs)));
}

/** The model's file and what ran it. */
export function runName({ engine, backend }: Pick<ModelRun, "engine" | "backend">): string {
  return `${engine.slice(Math.max(engine.lastIndexOf("/"), engine.lastIndexOf("\\")) + 1)} on ${backend}`;
}

function pageInput(title: string, evaluation: Evaluation, images: string | undefined): EvaluationPageInput {
  const { task, metrics, perCategory, protocol, warnings, explanations, problems } = evaluation;
  const files = new Map((task.images ?? []).map((i) => [i.id, i.file ?? `${i.id}.jpg`]));
  const imageOf = (image: Id): string | undefined =>
    images === undefined ? undefined : dataUri(images, files.get(image) ?? String(image));
  const notes = [
    ...(explanations?.map((e) => `${e.about}: ${e.text}`) ?? warnings.map((w) => `${w.count}: ${w.message}`)),
    ...problems.map((p) => `not read: ${p.message}`),
  ];
  const subtitle = `${evaluation.images} images, ${evaluation.truths} objects, ${evaluation.detections} detections; by ${protocol}. Curves and errors are of boxes at IoU 0.5.`;
  return { title, subtitle, task, metrics, perCategory, notes, imageOf };
}

/**
 * Writes the pictures of an evaluation into a folder, each as .svg and .png; returns their paths.
 * @param prefix of their names, where there are several evaluations
 * @throws HoneError file.unwritable, and dependency.missing when the package that draws PNG is not there; the SVG files are written before
 */
export async function writeCharts(folder: string, { task }: Evaluation, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  const charts = Object.entries(evaluationCharts(task));
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    const path = join(folder, name);
    await writeOutput(path, (put) => put(content));
    paths.push(path);
  };
  for (const [name, svg] of charts) await write(`${prefix}${name}.svg`, svg);
  for (const [name, svg] of charts) await write(`${prefix}${name}.png`, await rasterizeSvg(svg));
  return paths;
}

/** The image as a data URI, if it is in the folder (names do not lead out of it) and not too large. */
function dataUri(folder: string, name: string): string | undefined {
  const type = TYPES[extname(name).toLowerCase()];
  if (type === undefined || name.split(/[\\/]/).includes("..")) return undefined;
  try {
    const path = join(folder, name);
    if (statSync(path).size > MAX_IMAGE_BYTES) return undefined;
    return `data:${type};base64,${readFileSync(path).toString("base64")}`;
  } catch {
    return undefined;
  }
}
