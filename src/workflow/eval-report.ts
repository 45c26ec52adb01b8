import { readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import type { Id } from "../metrics/records.ts";
import { evaluationCharts, evaluationPage } from "../report/evaluation.ts";
import type { Evaluation } from "./eval.ts";
import { writeOutput } from "./output-file.ts";

const TYPES: Readonly<Record<string, string>> = { ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp" };
const MAX_IMAGE_BYTES = 4 * 1024 * 1024;

/**
 * Writes an evaluation as one offline page.
 * @param images a folder with the images by their file names, for the gallery; those not found are grey
 * @throws HoneError file.unwritable
 */
export async function writeReport(path: string, evaluation: Evaluation, images?: string): Promise<void> {
  const { task, metrics, protocol, warnings, explanations, problems } = evaluation;
  const files = new Map((task.images ?? []).map((i) => [i.id, i.file ?? `${i.id}.jpg`]));
  const imageOf = (image: Id): string | undefined =>
    images === undefined ? undefined : dataUri(images, files.get(image) ?? String(image));
  const notes = [
    ...(explanations?.map((e) => `${e.about}: ${e.text}`) ?? warnings.map((w) => `${w.count}: ${w.message}`)),
    ...problems.map((p) => `not read: ${p.message}`),
  ];
  const subtitle = `${evaluation.images} images, ${evaluation.truths} objects, ${evaluation.detections} detections; by ${protocol}. Curves and errors are of boxes at IoU 0.5.`;
  await writeOutput(path, (write) => write(evaluationPage({ title: "Evaluation", subtitle, task, metrics, notes, imageOf })));
}

/** Writes the pictures of an evaluation as SVG files into a folder; returns their paths. @throws HoneError file.unwritable */
export async function writeCharts(folder: string, { task }: Evaluation): Promise<string[]> {
  const paths: string[] = [];
  for (const [name, svg] of Object.entries(evaluationCharts(task))) {
    const path = join(folder, `${name}.svg`);
    await writeOutput(path, (write) => write(svg));
    paths.push(path);
  }
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
