import { HoneError } from "../../util/errors.ts";
import { taskColumns } from "../columns.ts";
import type { DetectionTask, Id, TruthRecord } from "../records.ts";
import { WarningTally, type MetricWarning } from "../warnings.ts";
import { accumulate, averagePrecision, averageRecall, type PrecisionTable, type Selection } from "./accumulate.ts";
import { cocoRules, matchColumns } from "./match.ts";
import { cocoSettings, type CocoOptions, type CocoSettings } from "./options.ts";
import { similarity } from "./similarity.ts";
import { mergeTables, truthsOf, type MatchTable } from "../table.ts";

export interface CocoCategoryResult {
  readonly category: Id;
  readonly AP: number;
  readonly AP50: number;
  readonly AR: number;
  readonly truths: number;
  readonly detections: number;
}

export interface CocoResult {
  readonly protocol: "coco";
  readonly settings: CocoSettings;
  readonly images: number;
  readonly truths: number;
  readonly detections: number;
  /** The twelve numbers in cocoapi's order (ten for keypoints); −1 means that no ground truth defines one. */
  readonly stats: readonly number[];
  /** The same by name: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl (keypoints: AR, AR50, AR75 instead of the three). */
  readonly metrics: Readonly<Record<string, number>>;
  readonly perCategory: readonly CocoCategoryResult[];
  readonly table: PrecisionTable;
  readonly warnings: readonly MetricWarning[];
}

/**
 * COCO's evaluation of boxes, masks or keypoints, equal to pycocotools (to rounding of the last mean).
 * Bad records never throw: they are counted in `warnings`.
 * @throws HoneError metrics.invalid for options that cannot be evaluated
 */
export function evaluateCoco(task: DetectionTask, options: CocoOptions = {}): CocoResult {
  const accumulator = new CocoAccumulator(options);
  accumulator.add(task);
  return accumulator.result();
}

/** A part of an evaluation that can be stored, posted to another thread, and merged. */
export interface CocoPart {
  readonly table: MatchTable;
  readonly warnings: readonly MetricWarning[];
}

/**
 * COCO's evaluation image by image or shard by shard: the result is the same to the last bit as that of all images at once.
 * Only matches are kept: about 50 bytes a detection.
 */
export class CocoAccumulator {
  readonly settings: CocoSettings;
  readonly #tables: MatchTable[] = [];
  readonly #warnings = new WarningTally();

  constructor(options: CocoOptions = {}) {
    this.settings = cocoSettings(options);
  }

  /** Matches the images of a task. All records of an image must come in one call. */
  add(task: DetectionTask): void {
    const truths = this.settings.ids === "cocoapi" ? lastOfEachId(task.truths, this.#warnings) : checkedIds(task.truths, this.#warnings);
    const columns = taskColumns({ ...task, truths }, this.#warnings, this.settings.kind === "box");
    const like = similarity(columns, this.settings, this.#warnings);
    this.#tables.push(matchColumns(columns, like, this.settings, cocoRules(this.settings), this.#warnings).table);
  }

  /** What was added so far, as plain data. */
  part(): CocoPart {
    return { table: mergeTables(this.#tables, this.settings.areaRanges.length), warnings: this.#warnings.list() };
  }

  /** Takes in what another accumulator of the same options has seen. */
  merge(part: CocoPart): void {
    if (part.table.matched.length !== this.settings.areaRanges.length) {
      throw new HoneError("metrics.invalid", "a part of another evaluation cannot be merged: it has other area ranges");
    }
    this.#tables.push(part.table);
    this.#warnings.merge(part.warnings);
  }

  /** @throws HoneError metrics.invalid when two parts share an image */
  result(): CocoResult {
    const only = this.#tables.length === 1 ? this.#tables[0] : undefined;
    const merged = only ?? mergeTables(this.#tables, this.settings.areaRanges.length);
    return summarize(merged, this.settings, this.#warnings.list());
  }
}

function summarize(merged: MatchTable, settings: CocoSettings, warnings: MetricWarning[]): CocoResult {
  const table = accumulate(merged, settings);
  const named = settings.kind === "keypoints" ? keypointNumbers(table) : boxNumbers(table);
  const last = settings.maxDetections.length - 1;
  const at50 = settings.iouThresholds.indexOf(0.5);
  const truths = truthsOf(merged);
  const perCategory = merged.categories.map((category, k) => ({
    category,
    AP: averagePrecision(table, { category: k, area: 0, max: last }),
    AP50: at50 < 0 ? -1 : averagePrecision(table, { category: k, iou: at50, area: 0, max: last }),
    AR: averageRecall(table, { category: k, area: 0, max: last }),
    truths: truths[k] as number,
    detections: merged.detections[k] as number,
  }));
  const total = (counts: Int32Array): number => counts.reduce((a, b) => a + b, 0);
  return {
    protocol: "coco",
    settings,
    images: merged.images.length,
    truths: total(truths),
    detections: total(merged.detections),
    stats: named.map(([, value]) => value),
    metrics: Object.fromEntries(named),
    perCategory,
    table,
    warnings,
  };
}

type Named = readonly [name: string, value: number];

/** cocoapi reads the first number at exactly 100 detections (−1 if that is not among the limits), the rest at the third limit. */
function boxNumbers(table: PrecisionTable): Named[] {
  const { maxDetections, areas } = table;
  const pick = numbers(table);
  const third = Math.min(2, maxDetections.length - 1);
  const sized = ["small", "medium", "large"].map((name) => areas.indexOf(name));
  const [s, m, l] = sized as [number, number, number];
  const a = areas.indexOf("all");
  return [
    ["AP", pick.ap({ area: a, max: maxDetections.indexOf(100) })],
    ["AP50", pick.apAt(0.5, { area: a, max: third })],
    ["AP75", pick.apAt(0.75, { area: a, max: third })],
    ["APs", pick.ap({ area: s, max: third })],
    ["APm", pick.ap({ area: m, max: third })],
    ["APl", pick.ap({ area: l, max: third })],
    [`AR${maxDetections[0] ?? 0}`, pick.ar({ area: a, max: 0 })],
    [`AR${maxDetections[1] ?? 0}`, pick.ar({ area: a, max: maxDetections.length > 1 ? 1 : -1 })],
    [`AR${maxDetections[2] ?? 0}`, pick.ar({ area: a, max: maxDetections.length > 2 ? 2 : -1 })],
    ["ARs", pick.ar({ area: s, max: third })],
    ["ARm", pick.ar({ area: m, max: third })],
    ["ARl", pick.ar({ area: l, max: third })],
  ];
}

function keypointNumbers(table: PrecisionTable): Named[] {
  const pick = numbers(table);
  const max = table.maxDetections.indexOf(20);
  const area = table.areas.indexOf("all");
  const [m, l] = ["medium", "large"].map((name) => table.areas.indexOf(name)) as [number, number];
  return [
    ["AP", pick.ap({ area, max })],
    ["AP50", pick.apAt(0.5, { area, max })],
    ["AP75", pick.apAt(0.75, { area, max })],
    ["APm", pick.ap({ area: m, max })],
    ["APl", pick.ap({ area: l, max })],
    ["AR", pick.ar({ area, max })],
    ["AR50", pick.arAt(0.5, { area, max })],
    ["AR75", pick.arAt(0.75, { area, max })],
    ["ARm", pick.ar({ area: m, max })],
    ["ARl", pick.ar({ area: l, max })],
  ];
}

function numbers(
  table: PrecisionTable,
): Record<"ap" | "ar", (s: Selection) => number> & Record<"apAt" | "arAt", (iou: number, s: Selection) => number> {
  const at = (iou: number): number => table.iouThresholds.indexOf(iou);
  return {
    ap: (s) => averagePrecision(table, s),
    ar: (s) => averageRecall(table, s),
    apAt: (iou, s) => (at(iou) < 0 ? -1 : averagePrecision(table, { ...s, iou: at(iou) })),
    arAt: (iou, s) => (at(iou) < 0 ? -1 : averageRecall(table, { ...s, iou: at(iou) })),
  };
}

function checkedIds(truths: readonly TruthRecord[], warnings: WarningTally): readonly TruthRecord[] {
  lastOfEachId(truths, warnings);
  return truths;
}

/** cocoapi looks records up by id, so of those with one id the last stands in for each; returns the input when none repeats. */
function lastOfEachId(truths: readonly TruthRecord[], warnings: WarningTally): readonly TruthRecord[] {
  const last = new Map<Id, TruthRecord>();
  let repeated = 0;
  for (const truth of truths) {
    if (truth.id === undefined) continue;
    if (truth.id === 0) warnings.add("truth-id-zero", () => `image ${truth.image}`);
    if (last.has(truth.id)) {
      repeated++;
      warnings.add("truth-id-repeated", () => `id ${truth.id ?? "?"} again in image ${truth.image}`);
    }
    last.set(truth.id, truth);
  }
  if (repeated === 0) return truths;
  return truths.map((truth) => (truth.id === undefined ? truth : (last.get(truth.id) ?? truth)));
}
