import { walkCells } from "./cells.ts";
import { taskColumns, type TaskColumns } from "./columns.ts";
import { envelopeOf } from "./curve.ts";
import { cocoIou } from "./overlap.ts";
import type { DetectionTask } from "./records.ts";
import { WarningTally, type MetricWarning } from "./warnings.ts";

/** TIDE's six kinds of error, each detection or object in the first that fits. */
export const TIDE_KINDS = ["classification", "localisation", "both", "duplicate", "background", "missed"] as const;
export type TideKind = (typeof TIDE_KINDS)[number];

export interface TideOptions {
  /** Default 0.5. */
  readonly foreground?: number;
  /** Default 0.1. */
  readonly background?: number;
  /** Detections an image over all categories; default 100. */
  readonly maxDetections?: number;
  /**
   * Which categories the mean is over. "any" (default) is tidecv's: all with detections or objects, those without objects as 0, so that
   * its AP is below COCO's. "with objects": those that have objects in the ground truth, as COCO has it.
   */
  readonly categories?: "any" | "with objects";
}

/** One error, by rows of the task's records as they were given. */
export interface TideError {
  readonly kind: TideKind;
  /** Index into task.detections; undefined for missed objects. */
  readonly detection?: number;
  /** Index into task.truths of the object that was missed, or is overlapped most. */
  readonly truth?: number;
}

export interface TideResult {
  /** AP at the foreground threshold (101 points, mean over categories), as it is. */
  readonly AP: number;
  /** How far AP would rise if all errors of a kind were mended and nothing else. */
  readonly gains: Readonly<Record<TideKind, number>>;
  /** The same for all false positives gone, and for all objects found that were not. */
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly counts: Readonly<Record<TideKind, number>>;
  readonly errors: readonly TideError[];
  readonly warnings: readonly MetricWarning[];
}

/** A detection that counts, with what became of it. */
interface Row {
  readonly d: number;
  readonly category: number;
  readonly score: number;
  readonly hit: boolean;
  readonly kind?: TideKind;
  /** The object that it matched, or would match once mended. */
  readonly object?: number;
}

/**
 * TIDE's breakdown of errors (Bolya et al., 2020). Every false positive has one kind: localisation if it overlaps an object of its
 * class between background and foreground, classification if it overlaps one of another class by foreground, duplicate if its object
 * was taken by a higher score, background if it overlaps nothing by background, else both. Objects that no detection matched and no
 * mended one would match are missed. Crowds and difficult objects swallow detections without a trace.
 */
export function tide(task: DetectionTask, options: TideOptions = {}): TideResult {
  const { foreground = 0.5, background = 0.1, maxDetections = 100, categories = "any" } = options;
  const warnings = new WarningTally();
  const columns = taskColumns(task, warnings);
  const rows: Row[] = [];
  const matched = new Uint8Array(columns.truths.rows.length);
  walkCells(columns, true, (_, found, objects) => {
    rows.push(...classifyImage(columns, found.subarray(0, maxDetections), objects, { foreground, background }, matched));
  });
  const missed = missedObjects(columns, rows, matched);
  const score: Scorer = (list, positives, seen = list) => meanPrecision(columns, list, positives, categories, seen);
  const whole = score(rows, positivesOf(columns));
  const gains = Object.fromEntries(TIDE_KINDS.map((kind) => [kind, mended(columns, rows, missed, kind, score) - whole])) as Record<
    TideKind,
    number
  >;
  const fewer = foundPositives(columns, rows);
  const counts = Object.fromEntries(
    TIDE_KINDS.map((kind) => [kind, kind === "missed" ? missed.length : rows.filter((r) => r.kind === kind).length]),
  );
  const [detectionAt, truthAt] = [indexOf(task.detections), indexOf(task.truths)];
  const errors = rows.flatMap((row): TideError[] => {
    if (row.kind === undefined) return [];
    const detection = detectionAt.get(columns.detections.rows[row.d]);
    const truth = row.object === undefined ? undefined : truthAt.get(columns.truths.rows[row.object]);
    return [{ kind: row.kind, ...(detection === undefined ? {} : { detection }), ...(truth === undefined ? {} : { truth }) }];
  });
  const lost = missed.map((g): TideError => ({ kind: "missed", truth: truthAt.get(columns.truths.rows[g]) ?? -1 }));
  return {
    AP: whole,
    gains,
    falsePositives:
      score(
        rows.filter((r) => r.hit),
        positivesOf(columns),
        rows,
      ) - whole,
    falseNegatives: score(rows, fewer) - whole,
    counts: counts as Record<TideKind, number>,
    errors: [...errors, ...lost],
    warnings: warnings.list(),
  };
}

function indexOf<T>(rows: readonly T[]): Map<T | undefined, number> {
  return new Map(rows.map((row, i) => [row, i]));
}

function isAside(columns: TaskColumns, g: number): boolean {
  const row = columns.truths.rows[g];
  return row?.crowd === true || row?.difficult === true;
}

interface Thresholds {
  readonly foreground: number;
  readonly background: number;
}

function classifyImage(columns: TaskColumns, found: Int32Array, objects: Int32Array, limits: Thresholds, matched: Uint8Array): Row[] {
  const { truths, detections, scores } = columns;
  const rows: Row[] = [];
  for (const d of found) {
    const category = detections.category[d] as number;
    const overlaps = Array.from(objects, (g) => ({
      g,
      own: truths.category[g] === category,
      aside: isAside(columns, g),
      iou: cocoIou(detections.box, d * 4, truths.box, g * 4, truths.rows[g]?.crowd === true),
    }));
    const free = largest(overlaps, (o) => o.own && !o.aside && matched[o.g] === 0);
    const common = { d, category, score: scores[d] as number };
    if (free && free.iou >= limits.foreground) {
      matched[free.g] = 1;
      rows.push({ ...common, hit: true, object: free.g });
    } else if (!overlaps.some((o) => o.own && o.aside && o.iou >= limits.foreground)) {
      rows.push({
        ...common,
        hit: false,
        ...falsePositive(
          overlaps.filter((o) => !o.aside),
          limits,
        ),
      });
    }
  }
  return rows;
}

interface ObjectOverlap {
  readonly g: number;
  readonly own: boolean;
  readonly iou: number;
}

function falsePositive(overlaps: readonly ObjectOverlap[], { foreground, background }: Thresholds): { kind: TideKind; object?: number } {
  const own = largest(overlaps, (o) => o.own);
  const other = largest(overlaps, (o) => !o.own);
  if (own && own.iou >= background && own.iou < foreground) return { kind: "localisation", object: own.g };
  if (other && other.iou >= foreground) return { kind: "classification", object: other.g };
  if (own && own.iou >= foreground) return { kind: "duplicate", object: own.g };
  const any = largest(overlaps, () => true);
  return any && any.iou > background ? { kind: "both", object: any.g } : { kind: "background" };
}

function largest<T extends ObjectOverlap>(overlaps: readonly T[], fits: (o: T) => boolean): T | undefined {
  let best: T | undefined;
  for (const overlap of overlaps) if (fits(overlap) && (best === undefined || overlap.iou > best.iou)) best = overlap;
  return best;
}

const MENDABLE: readonly (TideKind | undefined)[] = ["classification", "localisation"];

/** Unmatched objects that no classification or localisation error points at. */
function missedObjects(columns: TaskColumns, rows: readonly Row[], matched: Uint8Array): number[] {
  const pointed = new Set(rows.filter((r) => MENDABLE.includes(r.kind)).map((r) => r.object));
  return columns.truths.rows.map((_, g) => g).filter((g) => matched[g] === 0 && !isAside(columns, g) && !pointed.has(g));
}

/** AP with all errors of one kind mended: turned into the match they should have been, the best score first, or else taken away. */
function mended(columns: TaskColumns, rows: readonly Row[], missed: readonly number[], kind: TideKind, score: Scorer): number {
  const positives = positivesOf(columns);
  if (kind === "missed") {
    for (const g of missed)
      positives[columns.truths.category[g] as number] = (positives[columns.truths.category[g] as number] as number) - 1;
    return score(rows, positives);
  }
  if (!MENDABLE.includes(kind))
    return score(
      rows.filter((r) => r.kind !== kind),
      positives,
    );
  const taken = new Set(rows.filter((r) => r.hit).map((r) => r.object));
  const fixed = [...rows]
    .sort((a, b) => b.score - a.score)
    .flatMap((row): Row[] => {
      if (row.kind !== kind || row.object === undefined) return [row];
      if (taken.has(row.object)) return [];
      taken.add(row.object);
      return [{ d: row.d, score: row.score, category: columns.truths.category[row.object] as number, hit: true }];
    });
  return score(fixed, positives);
}

function positivesOf(columns: TaskColumns): Float64Array {
  const positives = new Float64Array(columns.categories.length);
  columns.truths.category.forEach((k, g) => {
    if (!isAside(columns, g)) positives[k] = (positives[k] as number) + 1;
  });
  return positives;
}

function foundPositives(columns: TaskColumns, rows: readonly Row[]): Float64Array {
  const found = new Float64Array(columns.categories.length);
  for (const row of rows) if (row.hit) found[row.category] = (found[row.category] as number) + 1;
  return found;
}

/** Mean AP of rows, given how many objects of each category there are to find; `seen` are the rows that put a category into the mean. */
type Scorer = (rows: readonly Row[], positives: Float64Array, seen?: readonly Row[]) => number;

function meanPrecision(
  columns: TaskColumns,
  rows: readonly Row[],
  positives: Float64Array,
  which: "any" | "with objects",
  seen: readonly Row[],
): number {
  const byCategory = columns.categories.map((): Row[] => []);
  for (const row of rows) byCategory[row.category]?.push(row);
  const before = positivesOf(columns);
  const detected = new Set(seen.map((r) => r.category));
  const values = byCategory.flatMap((list, k) => {
    const count = positives[k] as number;
    const counts = which === "any" ? count > 0 || detected.has(k) : (before[k] as number) > 0;
    if (!counts) return [];
    return [count > 0 ? precisionOf(list, count) : 0];
  });
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : -1;
}

/** AP over recalls 0/100 … 100/100: as exact quotients, unlike COCO's multiples of 0.01, which miss some recalls by one rounding. */
function precisionOf(list: Row[], positives: number): number {
  list.sort((a, b) => b.score - a.score);
  let hits = 0;
  const recall = new Float64Array(list.length);
  const precision = new Float64Array(list.length);
  list.forEach((row, i) => {
    hits += Number(row.hit);
    recall[i] = hits / positives;
    precision[i] = hits / (i + 1);
  });
  const envelope = envelopeOf(precision);
  let sum = 0;
  let i = 0;
  for (let p = 0; p <= 100; p++) {
    while (i < recall.length && (recall[i] as number) < p / 100) i++;
    if (i < recall.length) sum += envelope[i] as number;
  }
  return sum / 101;
}
