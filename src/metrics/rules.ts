import { walkCells } from "./cells.ts";
import { taskColumns, type TaskColumns } from "./columns.ts";
import { averagePrecisionOf, curvesOf, type Interpolation } from "./curve.ts";
import { COCO_IOU_THRESHOLDS } from "./coco/options.ts";
import { cocoIou, pixelIou } from "./overlap.ts";
import type { DetectionTask } from "./records.ts";
import type { MatchTable } from "./table.ts";
import { WarningTally } from "./warnings.ts";

/** The rules by which box protocols differ. Each protocol is one choice of all of them. */
export interface Rules {
  readonly thresholds: "0.5" | "0.5:0.95";
  /** Whether widths have +1. */
  readonly overlap: "continuous" | "pixel";
  /** Which ground truth a detection may take: the best that is free, or only the best of all. */
  readonly choice: "best free" | "best of all";
  /** A crowd takes any number of detections by their own area, or is an object that counts neither way. */
  readonly crowd: "swallows" | "neither way";
  /** Objects marked difficult are like any other, or count neither way. */
  readonly difficult: "count" | "neither way";
  /** Detections an image and category. */
  readonly limit: "100" | "none";
  readonly interpolation: Interpolation;
}

export type RuleSetName = "coco" | "coco50" | "voc" | "voc07";

export const RULE_SETS: Readonly<Record<RuleSetName, Rules>> = {
  coco: {
    thresholds: "0.5:0.95",
    overlap: "continuous",
    choice: "best free",
    crowd: "swallows",
    difficult: "count",
    limit: "100",
    interpolation: "101",
  },
  coco50: {
    thresholds: "0.5",
    overlap: "continuous",
    choice: "best free",
    crowd: "swallows",
    difficult: "count",
    limit: "100",
    interpolation: "101",
  },
  voc: {
    thresholds: "0.5",
    overlap: "pixel",
    choice: "best of all",
    crowd: "neither way",
    difficult: "neither way",
    limit: "none",
    interpolation: "area",
  },
  voc07: {
    thresholds: "0.5",
    overlap: "pixel",
    choice: "best of all",
    crowd: "neither way",
    difficult: "neither way",
    limit: "none",
    interpolation: "eleven",
  },
};

/** Mean average precision under any choice of rules; −1 without ground truth. Plain and slow: the referee of comparisons. */
export function evaluateByRules(task: DetectionTask, rules: Rules): number {
  return scoreColumns(taskColumns(task, new WarningTally()), rules);
}

export interface RuleStep {
  readonly rule: keyof Rules;
  readonly from: string;
  readonly to: string;
  /** mAP once this rule and those before it are changed, and by how much this one moved it. */
  readonly value: number;
  readonly change: number;
}

export interface RuleDifference {
  readonly from: number;
  readonly to: number;
  /** Only rules that differ. Their changes add up to the whole difference. */
  readonly steps: readonly RuleStep[];
}

/**
 * Walks from one set of rules to another, one rule at a time, and says how far each moves mAP. The share of a rule can depend on those
 * changed before it; the order is that of `Rules`.
 */
export function compareRules(task: DetectionTask, from: Rules, to: Rules): RuleDifference {
  const columns = taskColumns(task, new WarningTally());
  const start = scoreColumns(columns, from);
  const steps: RuleStep[] = [];
  let rules = from;
  let value = start;
  for (const rule of Object.keys(from) as (keyof Rules)[]) {
    if (from[rule] === to[rule]) continue;
    rules = { ...rules, [rule]: to[rule] };
    const next = scoreColumns(columns, rules);
    steps.push({ rule, from: from[rule], to: to[rule], value: next, change: next - value });
    value = next;
  }
  return { from: start, to: value, steps };
}

function scoreColumns(columns: TaskColumns, rules: Rules): number {
  const thresholds = rules.thresholds === "0.5" ? [0.5] : COCO_IOU_THRESHOLDS;
  const table = matchByRules(columns, rules, thresholds);
  const values = thresholds.flatMap((_, t) => curvesOf(table, t).map((curve) => averagePrecisionOf(curve, rules.interpolation)));
  const defined = values.filter((v) => v >= 0);
  return defined.length === 0 ? -1 : defined.reduce((a, b) => a + b, 0) / defined.length;
}

function matchByRules(columns: TaskColumns, rules: Rules, thresholds: readonly number[]): MatchTable {
  const { truths, detections, scores } = columns;
  const rows: { image: number; category: number; rank: number; d: number; matched: number; ignored: number }[] = [];
  const aside = Uint8Array.from(truths.rows, (row) =>
    Number(row.crowd === true || (row.difficult === true && rules.difficult === "neither way")),
  );
  const crowd = Uint8Array.from(truths.rows, (row) => Number(row.crowd === true && rules.crowd === "swallows"));
  const iou = rules.overlap === "pixel" ? pixelIou : cocoIou;
  walkCells(columns, false, ({ image, category }, found, objects) => {
    const kept = rules.limit === "100" ? found.subarray(0, 100) : found;
    const taken = thresholds.map(() => new Set<number>());
    kept.forEach((d, rank) => {
      let [matched, ignored] = [0, 0];
      const overlaps = Array.from(objects, (g) => ({ g, value: iou(detections.box, d * 4, truths.box, g * 4, crowd[g] === 1) }));
      thresholds.forEach((threshold, t) => {
        const used = taken[t] as Set<number>;
        const g = rules.choice === "best free" ? bestFree(overlaps, threshold, used, aside, crowd) : bestOfAll(overlaps, threshold);
        if (g < 0) return;
        if (aside[g] === 1) ignored |= 1 << t;
        else if (!used.has(g)) matched |= 1 << t;
        used.add(g);
      });
      rows.push({ image, category, rank, d, matched, ignored });
    });
  });
  return {
    images: columns.images.map((i) => i.id),
    categories: columns.categories.map((c) => c.id),
    image: Int32Array.from(rows, (r) => r.image),
    category: Int32Array.from(rows, (r) => r.category),
    rank: Int32Array.from(rows, (r) => r.rank),
    score: Float64Array.from(rows, (r) => scores[r.d] as number),
    matched: [Int32Array.from(rows, (r) => r.matched)],
    ignored: [Int32Array.from(rows, (r) => r.ignored)],
    truthImage: truths.image,
    truthCategory: truths.category,
    truthCounted: Int32Array.from(aside, (a) => 1 - a),
    detections: new Int32Array(columns.categories.length),
  };
}

interface Overlap {
  readonly g: number;
  readonly value: number;
}

/** COCO's choice: among free ones that count, the largest, the later on a tie; failing that, among those set aside. */
function bestFree(
  overlaps: readonly Overlap[],
  threshold: number,
  used: ReadonlySet<number>,
  aside: Uint8Array,
  crowd: Uint8Array,
): number {
  const among = (set: number): number => {
    let found = -1;
    let most = Math.min(threshold, 1 - 1e-10);
    for (const { g, value } of overlaps) {
      if (aside[g] !== set || (used.has(g) && crowd[g] !== 1) || value < most) continue;
      most = value;
      found = g;
    }
    return found;
  };
  const counted = among(0);
  return counted >= 0 ? counted : among(1);
}

/** VOC's choice: the first of the largest, whether or not it is free. */
function bestOfAll(overlaps: readonly Overlap[], threshold: number): number {
  let found = -1;
  let most = -Infinity;
  for (const { g, value } of overlaps) {
    if (value <= most) continue;
    most = value;
    found = g;
  }
  return most >= threshold ? found : -1;
}
