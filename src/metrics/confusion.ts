import { walkCells } from "./cells.ts";
import { taskColumns, type TaskColumns } from "./columns.ts";
import { cocoIou } from "./overlap.ts";
import type { DetectionTask, Id } from "./records.ts";
import { WarningTally } from "./warnings.ts";

export interface ConfusionOptions {
  /** Detections below this score are left out; default 0.25. */
  readonly score?: number;
  /** Default 0.5. */
  readonly iouThreshold?: number;
}

/** Rows are what was there, columns what was found; the last of each is "nothing". */
export interface ConfusionMatrix {
  readonly categories: readonly Id[];
  /** (n + 1) × (n + 1) counts, row by row. */
  readonly counts: Float64Array;
}

/**
 * Pairs detections and ground truth of each image whatever their categories, by falling IoU and one to one, then counts what was taken
 * for what. Crowds and difficult objects take detections out without being counted.
 */
export function confusionMatrix(task: DetectionTask, options: ConfusionOptions = {}): ConfusionMatrix {
  const { score = 0.25, iouThreshold = 0.5 } = options;
  const columns = taskColumns(task, new WarningTally());
  const { truths, detections, scores } = columns;
  const nothing = columns.categories.length;
  const counts = new Float64Array((nothing + 1) ** 2);
  const add = (there: number, found: number): void => {
    const at = there * (nothing + 1) + found;
    counts[at] = (counts[at] as number) + 1;
  };
  walkCells(columns, true, (_, found, objects) => {
    const kept = found.filter((d) => (scores[d] as number) >= score);
    const partner = pairUp(pairsOf(columns, kept, objects, iouThreshold));
    const seen = new Set(partner.values());
    for (const d of kept) {
      const g = partner.get(d);
      const there = g === undefined ? nothing : (truths.category[g] as number);
      if (g === undefined || !isAside(columns, g)) add(there, detections.category[d] as number);
    }
    for (const g of objects) if (!seen.has(g) && !isAside(columns, g)) add(truths.category[g] as number, nothing);
  });
  return { categories: columns.categories.map((c) => c.id), counts };
}

interface Pair {
  readonly d: number;
  readonly g: number;
  readonly iou: number;
  readonly aside: boolean;
}

function isAside({ truths }: TaskColumns, g: number): boolean {
  const row = truths.rows[g];
  return row?.crowd === true || row?.difficult === true;
}

/** Pairs that overlap enough, by falling IoU; those with objects that are not counted come last. */
function pairsOf(columns: TaskColumns, found: Int32Array, objects: Int32Array, threshold: number): Pair[] {
  const { truths, detections } = columns;
  const pairs: Pair[] = [];
  for (const d of found) {
    for (const g of objects) {
      const iou = cocoIou(detections.box, d * 4, truths.box, g * 4, truths.rows[g]?.crowd === true);
      if (iou >= threshold) pairs.push({ d, g, iou, aside: isAside(columns, g) });
    }
  }
  return pairs.sort((a, b) => Number(a.aside) - Number(b.aside) || b.iou - a.iou);
}

function pairUp(pairs: readonly Pair[]): Map<number, number> {
  const partner = new Map<number, number>();
  const taken = new Set<number>();
  for (const { d, g, aside } of pairs) {
    if (partner.has(d) || (!aside && taken.has(g))) continue;
    partner.set(d, g);
    taken.add(g);
  }
  return partner;
}
