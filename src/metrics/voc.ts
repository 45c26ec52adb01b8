import { HoneError } from "../util/errors.ts";
import { walkCells } from "./cells.ts";
import { taskColumns, type TaskColumns } from "./columns.ts";
import { averagePrecisionOf, curvesOf, type Interpolation, type PrecisionRecallCurve } from "./curve.ts";
import { cocoIou, pixelIou } from "./overlap.ts";
import type { DetectionTask, Id } from "./records.ts";
import { mergeTables, type MatchTable } from "./table.ts";
import { WarningTally, type MetricWarning } from "./warnings.ts";

export interface VocOptions {
  /** At or above this a detection matches; default 0.5. */
  readonly iouThreshold?: number;
  /** "eleven" is VOC 2007's, "area" (default) VOC 2010's. */
  readonly interpolation?: Interpolation;
  /** "pixel" (default): widths are x2 − x1 + 1, as in the VOC devkit. "continuous": x2 − x1. */
  readonly overlap?: "pixel" | "continuous";
}

export interface VocCategoryResult {
  readonly category: Id;
  /** −1 when the category has no ground truth that counts. */
  readonly AP: number;
  readonly curve: PrecisionRecallCurve;
}

export interface VocResult {
  readonly protocol: "voc";
  readonly settings: Required<VocOptions>;
  readonly images: number;
  readonly metrics: Readonly<{ mAP: number }>;
  readonly perCategory: readonly VocCategoryResult[];
  readonly warnings: readonly MetricWarning[];
}

/**
 * Pascal VOC's evaluation (devkit, VOCevaldet): each detection, by falling score, looks at the ground truth it overlaps most, whether
 * or not that is taken; a taken one makes it a false positive, a difficult (or crowd) one makes it count neither way.
 * Equal scores go in image order, then file order. mAP is the mean over categories with ground truth.
 */
export function evaluateVoc(task: DetectionTask, options: VocOptions = {}): VocResult {
  const accumulator = new VocAccumulator(options);
  accumulator.add(task);
  return accumulator.result();
}

export interface VocPart {
  readonly table: MatchTable;
  readonly warnings: readonly MetricWarning[];
}

/** VOC's evaluation shard by shard; all records of an image must come in one add(). */
export class VocAccumulator {
  readonly settings: Required<VocOptions>;
  readonly #tables: MatchTable[] = [];
  readonly #warnings = new WarningTally();

  /** @throws HoneError metrics.invalid for a threshold outside 0 to 1 */
  constructor(options: VocOptions = {}) {
    this.settings = { iouThreshold: 0.5, interpolation: "area", overlap: "pixel", ...options };
    const { iouThreshold } = this.settings;
    if (!(iouThreshold >= 0 && iouThreshold <= 1))
      throw new HoneError("metrics.invalid", `the IoU threshold ${iouThreshold} lies outside 0 to 1`);
  }

  add(task: DetectionTask): void {
    this.#tables.push(matchVoc(taskColumns(task, this.#warnings), this.settings));
  }

  part(): VocPart {
    return { table: mergeTables(this.#tables, 1), warnings: this.#warnings.list() };
  }

  merge(part: VocPart): void {
    this.#tables.push(part.table);
    this.#warnings.merge(part.warnings);
  }

  /** @throws HoneError metrics.invalid when two parts share an image */
  result(): VocResult {
    const table = mergeTables(this.#tables, 1);
    const perCategory = curvesOf(table).map((curve, k) => ({
      category: table.categories[k] as Id,
      AP: averagePrecisionOf(curve, this.settings.interpolation),
      curve,
    }));
    const defined = perCategory.filter((c) => c.AP >= 0);
    return {
      protocol: "voc",
      settings: this.settings,
      images: table.images.length,
      metrics: { mAP: defined.length === 0 ? -1 : defined.reduce((sum, c) => sum + c.AP, 0) / defined.length },
      perCategory,
      warnings: this.#warnings.list(),
    };
  }
}

/**
 * VOC's matching as a table of one threshold and one area range.
 * @param reuse counts a second detection of an object as true, to tell duplicates from the rest
 */
export function matchVoc(columns: TaskColumns, settings: Required<VocOptions>, reuse = false): MatchTable {
  const { truths, detections, scores } = columns;
  const n = detections.rows.length;
  const table = {
    images: columns.images.map((i) => i.id),
    categories: columns.categories.map((c) => c.id),
    image: new Int32Array(n),
    category: new Int32Array(n),
    rank: new Int32Array(n),
    score: new Float64Array(n),
    matched: [new Int32Array(n)],
    ignored: [new Int32Array(n)],
    truthImage: truths.image,
    truthCategory: truths.category,
    truthCounted: Int32Array.from(truths.rows, (row) => Number(row.difficult !== true && row.crowd !== true)),
    detections: new Int32Array(columns.categories.length),
  };
  const [matched, ignored] = [table.matched[0] as Int32Array, table.ignored[0] as Int32Array];
  const overlap = settings.overlap === "pixel" ? pixelIou : cocoIou;
  const used = new Uint8Array(truths.rows.length);
  let at = 0;
  walkCells(columns, false, (cell, found, objects) => {
    table.detections[cell.category] = (table.detections[cell.category] as number) + found.length;
    found.forEach((d, rank) => {
      table.image[at] = cell.image;
      table.category[at] = cell.category;
      table.rank[at] = rank;
      table.score[at] = scores[d] as number;
      const g = largest(objects, (o) => overlap(detections.box, d * 4, truths.box, o * 4, false), settings.iouThreshold);
      if (g >= 0 && table.truthCounted[g] === 0) ignored[at] = 1;
      else if (g >= 0 && (reuse || used[g] === 0)) matched[at] = used[g] = 1;
      at++;
    });
  });
  return table;
}

/** The first of the objects with the largest value, or −1 if that is below the threshold. */
function largest(objects: Int32Array, value: (object: number) => number, threshold: number): number {
  let found = -1;
  let most = -Infinity;
  for (const object of objects) {
    const v = value(object);
    if (v > most) {
      most = v;
      found = object;
    }
  }
  return most >= threshold ? found : -1;
}
