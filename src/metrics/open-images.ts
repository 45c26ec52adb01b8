import { walkCells } from "./cells.ts";
import { taskColumns, type TaskColumns } from "./columns.ts";
import { averagePrecisionOf, curvesOf, type PrecisionRecallCurve } from "./curve.ts";
import { cocoIou } from "./overlap.ts";
import type { CategoryRecord, DetectionRecord, DetectionTask, Id, TruthRecord } from "./records.ts";
import type { MatchTable } from "./table.ts";
import { WarningTally, type MetricWarning } from "./warnings.ts";

export interface OpenImagesOptions {
  /** Default 0.5, for boxes and for the share of a detection inside a group. */
  readonly iouThreshold?: number;
  /** For each category its direct parents; boxes, detections and absences are carried up the hierarchy. */
  readonly parents?: ReadonlyMap<Id, readonly Id[]>;
  /** Whether the best detection inside a group counts as one true positive (the challenge's rule); default true. */
  readonly groupsCount?: boolean;
}

export interface OpenImagesResult {
  readonly protocol: "openimages";
  readonly images: number;
  readonly metrics: Readonly<{ mAP: number }>;
  readonly perCategory: readonly { readonly category: Id; readonly AP: number; readonly curve: PrecisionRecallCurve }[];
  readonly warnings: readonly MetricWarning[];
}

/**
 * Open Images' challenge evaluation: VOC's matching without +1 at IoU 0.5 and exact area, on federated labels. Detections of a category
 * that is neither boxed in an image nor listed as absent there are dropped. Of the detections that lie in a group (crowd) by the
 * threshold of their own area, the best is one true positive and the rest count neither way.
 */
export function evaluateOpenImages(task: DetectionTask, options: OpenImagesOptions = {}): OpenImagesResult {
  const warnings = new WarningTally();
  const columns = taskColumns(verified(expanded(task, options.parents)), warnings);
  const table = match(columns, options.iouThreshold ?? 0.5, options.groupsCount ?? true);
  const perCategory = curvesOf(table).map((curve, k) => ({
    category: table.categories[k] as Id,
    AP: averagePrecisionOf(curve, "area"),
    curve,
  }));
  const defined = perCategory.filter((c) => c.AP >= 0);
  const mAP = defined.length === 0 ? -1 : defined.reduce((sum, c) => sum + c.AP, 0) / defined.length;
  return { protocol: "openimages", images: columns.images.length, metrics: { mAP }, perCategory, warnings: warnings.list() };
}

function match(columns: TaskColumns, threshold: number, groupsCount: boolean): MatchTable {
  const { truths, detections, scores } = columns;
  const n = detections.rows.length;
  const [image, category, rank] = [new Int32Array(n), new Int32Array(n), new Int32Array(n)];
  const [matched, ignored, score] = [new Int32Array(n), new Int32Array(n), new Float64Array(n)];
  const group = Uint8Array.from(truths.rows, (row) => Number(row.crowd === true));
  const difficult = Uint8Array.from(truths.rows, (row) => Number(row.difficult === true));
  const used = new Uint8Array(truths.rows.length);
  let at = 0;
  walkCells(columns, false, (cell, found, objects) => {
    found.forEach((d, place) => {
      image[at] = cell.image;
      category[at] = cell.category;
      rank[at] = place;
      score[at] = scores[d] as number;
      const iou = (g: number): number => cocoIou(detections.box, d * 4, truths.box, g * 4, group[g] === 1);
      const own = best(objects, (g) => (group[g] === 1 ? -1 : iou(g)), threshold);
      const inside =
        own >= 0 && (used[own] === 0 || difficult[own] === 1) ? -1 : best(objects, (g) => (group[g] === 1 ? iou(g) : -1), threshold);
      if (own >= 0 && difficult[own] === 1) ignored[at] = 1;
      else if (own >= 0 && used[own] === 0) matched[at] = used[own] = 1;
      else if (inside >= 0 && groupsCount && used[inside] === 0) matched[at] = used[inside] = 1;
      else if (inside >= 0) ignored[at] = 1;
      at++;
    });
  });
  return {
    images: columns.images.map((i) => i.id),
    categories: columns.categories.map((c) => c.id),
    ...{ image, category, rank, score, matched: [matched], ignored: [ignored] },
    truthImage: truths.image,
    truthCategory: truths.category,
    truthCounted: Int32Array.from(truths.rows, (row) => Number(row.difficult !== true && (row.crowd !== true || groupsCount))),
    detections: new Int32Array(columns.categories.length),
  };
}

function best(objects: Int32Array, value: (object: number) => number, threshold: number): number {
  let found = -1;
  let most = -Infinity;
  for (const object of objects) {
    const v = value(object);
    if (v <= most) continue;
    most = v;
    found = object;
  }
  return most >= threshold ? found : -1;
}

/** Drops detections whose category nobody verified in their image. Images without any entry keep theirs, to be named in a warning. */
function verified(task: DetectionTask): DetectionTask {
  if (task.images === undefined) return task;
  const known = new Map<Id, Set<Id>>(task.images.map((image) => [image.id, new Set(image.absent ?? [])]));
  for (const truth of task.truths) known.get(truth.image)?.add(truth.category);
  return { ...task, detections: task.detections.filter((d) => known.get(d.image)?.has(d.category) ?? true) };
}

/** Carries records up to every ancestor; an absence goes down instead, but the challenge lists those itself. */
function expanded(task: DetectionTask, parents: ReadonlyMap<Id, readonly Id[]> | undefined): DetectionTask {
  if (parents === undefined) return task;
  const ancestors = (category: Id): Set<Id> => {
    const seen = new Set<Id>([category]);
    for (const id of seen) for (const parent of parents.get(id) ?? []) seen.add(parent);
    return seen;
  };
  const lift = <T extends TruthRecord | DetectionRecord>(rows: readonly T[]): T[] =>
    rows.flatMap((row) => [...ancestors(row.category)].map((category) => ({ ...row, category })));
  const categories: CategoryRecord[] | undefined =
    task.categories &&
    [...new Set(task.categories.flatMap((c) => [...ancestors(c.id)]))].map((id) => task.categories?.find((c) => c.id === id) ?? { id });
  return { ...task, ...(categories ? { categories } : {}), truths: lift(task.truths), detections: lift(task.detections) };
}
