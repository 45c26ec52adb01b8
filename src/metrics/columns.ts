import {
  compareIds,
  type CategoryRecord,
  type DetectionRecord,
  type DetectionTask,
  type Id,
  type ImageRecord,
  type TruthRecord,
} from "./records.ts";
import type { WarningTally } from "./warnings.ts";
import { type WarningKind } from "./warnings.ts";

/** One side of a task in flat arrays, a row a record; rows of unknown images and categories are left out. */
export interface Columns<Row> {
  readonly rows: readonly Row[];
  /** Indices into the sorted images and categories. */
  readonly image: Int32Array;
  readonly category: Int32Array;
  /** x, y, width, height of each row. */
  readonly box: Float64Array;
}

/** A task with its images and categories sorted by id and its records in columns. */
export interface TaskColumns {
  readonly images: readonly ImageRecord[];
  readonly categories: readonly CategoryRecord[];
  readonly truths: Columns<TruthRecord>;
  readonly detections: Columns<DetectionRecord>;
  readonly scores: Float64Array;
}

/**
 * Puts a task into columns and counts whatever is odd about it; nothing odd stops it.
 * @param boxes whether boxes matter: those of masks and keypoints are not looked at
 */
export function taskColumns(task: DetectionTask, warnings: WarningTally, boxes = true): TaskColumns {
  const images = sortedUnique(task.images ?? imagesOf(task), warnings);
  const categories = sortedUnique(task.categories ?? categoriesOf(task));
  const imageAt = indexById(images);
  const categoryAt = indexById(categories);
  const truths = columns(task.truths, imageAt, categoryAt, warnings, ["truth-image-unknown", "truth-category-unknown"]);
  const detections = columns(task.detections, imageAt, categoryAt, warnings, ["image-unknown", "category-unknown"]);
  if (boxes) {
    checkBoxes("ground truth", truths, images, warnings);
    checkBoxes("detection", detections, images, warnings);
  }
  const scores = new Float64Array(detections.rows.length);
  detections.rows.forEach((row, i) => {
    scores[i] = row.score;
    if (!Number.isFinite(row.score)) warnings.add("score-not-finite", () => `score ${row.score} in image ${row.image}`);
  });
  if (truths.rows.length === 0) warnings.add("truth-empty");
  if (detections.rows.length === 0) warnings.add("detections-empty");
  return { images, categories, truths, detections, scores };
}

/** Index of each id in a list. */
export function indexById(entries: readonly { readonly id: Id }[]): Map<Id, number> {
  return new Map(entries.map((entry, i) => [entry.id, i]));
}

function imagesOf(task: DetectionTask): ImageRecord[] {
  const ids = new Set<Id>();
  for (const row of task.truths) ids.add(row.image);
  for (const row of task.detections) ids.add(row.image);
  return [...ids].map((id) => ({ id }));
}

function categoriesOf(task: DetectionTask): CategoryRecord[] {
  const ids = new Set<Id>();
  for (const row of task.truths) ids.add(row.category);
  for (const row of task.detections) ids.add(row.category);
  return [...ids].map((id) => ({ id }));
}

function sortedUnique<T extends { readonly id: Id }>(entries: readonly T[], warnings?: WarningTally): T[] {
  const byId = new Map<Id, T>();
  for (const entry of entries) {
    if (byId.has(entry.id)) warnings?.add("image-repeated", () => `image ${entry.id}`);
    byId.set(entry.id, entry);
  }
  return [...byId.values()].sort((a, b) => compareIds(a.id, b.id));
}

interface Located {
  readonly image: Id;
  readonly category: Id;
  readonly box: readonly [number, number, number, number];
}

function columns<Row extends Located>(
  records: readonly Row[],
  imageAt: ReadonlyMap<Id, number>,
  categoryAt: ReadonlyMap<Id, number>,
  warnings: WarningTally,
  [imageUnknown, categoryUnknown]: readonly [WarningKind, WarningKind],
): Columns<Row> {
  const n = records.length;
  const image = new Int32Array(n);
  const category = new Int32Array(n);
  const box = new Float64Array(n * 4);
  const rows: Row[] = [];
  for (const record of records) {
    const i = imageAt.get(record.image);
    const k = categoryAt.get(record.category);
    if (i === undefined) warnings.add(imageUnknown, () => `image ${record.image}`);
    else if (k === undefined) warnings.add(categoryUnknown, () => `category ${record.category} in image ${record.image}`);
    else {
      const at = rows.length;
      image[at] = i;
      category[at] = k;
      box[at * 4] = record.box[0];
      box[at * 4 + 1] = record.box[1];
      box[at * 4 + 2] = record.box[2];
      box[at * 4 + 3] = record.box[3];
      rows.push(record);
    }
  }
  const kept = rows.length;
  return { rows, image: image.subarray(0, kept), category: category.subarray(0, kept), box: box.subarray(0, kept * 4) };
}

function checkBoxes(what: string, side: Columns<Located>, images: readonly ImageRecord[], warnings: WarningTally): void {
  const { box, image, rows } = side;
  for (let i = 0; i < rows.length; i++) {
    const kind = boxProblem(box, i * 4, images[image[i] as number]);
    if (kind === undefined) continue;
    warnings.add(kind, () => `${what} [${(rows[i]?.box ?? []).join(", ")}] in image ${rows[i]?.image ?? "?"}`);
  }
}

/** Half a pixel past the border is the rounding of honest annotations. */
const SLACK = 0.5;

function boxProblem(box: Float64Array, at: number, image: ImageRecord | undefined): WarningKind | undefined {
  const [x, y, w, h] = [box[at] as number, box[at + 1] as number, box[at + 2] as number, box[at + 3] as number];
  if (!Number.isFinite(x + y + w + h)) return "box-not-finite";
  if (w <= 0 || h <= 0) return "box-empty";
  const { width = Infinity, height = Infinity } = image ?? {};
  if (x < -SLACK || y < -SLACK || x + w > width + SLACK || y + h > height + SLACK) return "box-outside";
  return undefined;
}
