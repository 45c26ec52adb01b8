import { averagePrecision, averageRecall, accumulate, meanDefined, type PrecisionTable } from "./coco/accumulate.ts";
import { matchColumns } from "./coco/match.ts";
import { cocoSettings, type CocoSettings } from "./coco/options.ts";
import { similarity } from "./coco/similarity.ts";
import { taskColumns } from "./columns.ts";
import type { DetectionRecord, DetectionTask, Id, TruthRecord } from "./records.ts";
import { WarningTally, type MetricWarning } from "./warnings.ts";

export interface LvisOptions {
  readonly kind?: "box" | "mask";
  /** Detections an image, over all categories; default 300. */
  readonly maxDetections?: number;
}

export interface LvisResult {
  readonly protocol: "lvis";
  readonly settings: CocoSettings;
  readonly images: number;
  /** AP, AP50, AP75, APs, APm, APl, APr, APc, APf, AR, ARs, ARm, ARl; −1 where no ground truth defines one. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly perCategory: readonly { readonly category: Id; readonly frequency: "r" | "c" | "f"; readonly AP: number }[];
  readonly table: PrecisionTable;
  readonly warnings: readonly MetricWarning[];
}

/**
 * LVIS's evaluation: COCO's matching without crowds, on federated data. Detections of a category that is neither annotated in an image
 * nor verified to be absent are dropped; where a category is not annotated exhaustively, unmatched detections count neither way.
 * A category without its own frequency gets one by its number of images: below 10 rare, below 100 common, else frequent.
 */
export function evaluateLvis(task: DetectionTask, options: LvisOptions = {}): LvisResult {
  const warnings = new WarningTally();
  const limit = options.maxDetections ?? 300;
  const settings = cocoSettings({ kind: options.kind ?? "box", maxDetections: [limit], ids: "distinct" });
  const solid = hasArea(settings.kind === "box");
  const truths = task.truths.filter(solid);
  const detections = federated({ ...task, truths }, limit).filter(solid);
  const columns = taskColumns({ ...task, truths, detections }, warnings, settings.kind === "box");
  const notExhaustive = columns.images.map((image) => new Set(image.notExhaustive ?? []));
  const { table: matches } = matchColumns(
    columns,
    similarity(columns, settings, warnings),
    settings,
    {
      ignore: (row) => row.difficult === true,
      crowd: () => false,
      lenient: (image, category) => notExhaustive[image]?.has(columns.categories[category]?.id ?? "") ?? false,
    },
    warnings,
  );
  const table = accumulate(matches, settings);
  const frequencies = frequenciesOf(task, columns.categories);
  const perCategory = columns.categories.map(({ id }, k) => ({
    category: id,
    frequency: frequencies[k] ?? "r",
    AP: averagePrecision(table, { category: k, area: 0, max: 0 }),
  }));
  return {
    protocol: "lvis",
    settings,
    images: columns.images.length,
    metrics: numbersOf(table, perCategory),
    perCategory,
    table,
    warnings: warnings.list(),
  };
}

function numbersOf(table: PrecisionTable, perCategory: LvisResult["perCategory"]): Record<string, number> {
  const area = (name: string): number => table.areas.indexOf(name);
  const ap = (name: string, iou?: number): number => {
    const at = iou === undefined ? undefined : table.iouThresholds.indexOf(iou);
    return averagePrecision(table, { area: area(name), max: 0, ...(at === undefined ? {} : { iou: at }) });
  };
  const ar = (name: string): number => averageRecall(table, { area: area(name), max: 0 });
  const of = (f: string): number => meanDefined(perCategory.filter((c) => c.frequency === f).map((c) => c.AP));
  return {
    ...{ AP: ap("all"), AP50: ap("all", 0.5), AP75: ap("all", 0.75), APs: ap("small"), APm: ap("medium"), APl: ap("large") },
    ...{ APr: of("r"), APc: of("c"), APf: of("f"), AR: ar("all"), ARs: ar("small"), ARm: ar("medium"), ARl: ar("large") },
  };
}

/** The lvis package looks records up by an open range of areas, which leaves out those whose area is 0 or infinite, on both sides. */
function hasArea(boxes: boolean): (row: TruthRecord | DetectionRecord) => boolean {
  return (row) => {
    const area = row.area ?? (boxes ? row.box[2] * row.box[3] : 1);
    return area > 0 && area < Infinity;
  };
}

/** The best detections of each image, without those whose truth nobody has checked. */
function federated(task: DetectionTask, limit: number): DetectionRecord[] {
  const known = new Map<Id, Set<Id>>();
  for (const image of task.images ?? []) known.set(image.id, new Set(image.absent ?? []));
  for (const truth of task.truths) {
    const set = known.get(truth.image) ?? new Set<Id>();
    known.set(truth.image, set.add(truth.category));
  }
  const byImage = new Map<Id, DetectionRecord[]>();
  for (const detection of task.detections) {
    const list = byImage.get(detection.image);
    if (list) list.push(detection);
    else byImage.set(detection.image, [detection]);
  }
  return [...byImage].flatMap(([image, list]) => {
    const kept = list.length > limit ? [...list].sort((a, b) => b.score - a.score).slice(0, limit) : list;
    const categories = known.get(image);
    // Images that are not listed stay in, so that they are named in a warning.
    return categories === undefined ? kept : kept.filter((d) => categories.has(d.category));
  });
}

function frequenciesOf(
  task: DetectionTask,
  categories: readonly { readonly id: Id; readonly frequency?: "r" | "c" | "f" }[],
): ("r" | "c" | "f")[] {
  const images = new Map<Id, Set<Id>>();
  for (const truth of task.truths) images.set(truth.category, (images.get(truth.category) ?? new Set<Id>()).add(truth.image));
  return categories.map(({ id, frequency }) => {
    const count = images.get(id)?.size ?? 0;
    return frequency ?? (count < 10 ? "r" : count < 100 ? "c" : "f");
  });
}
