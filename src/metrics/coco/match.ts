import { walkCells } from "../cells.ts";
import type { TaskColumns } from "../columns.ts";
import type { TruthRecord } from "../records.ts";
import type { WarningTally } from "../warnings.ts";
import { cellMatcher, type CellMatcher, type TruthFlags } from "./cell.ts";
import type { CocoSettings } from "./options.ts";
import type { Similarity } from "./similarity.ts";
import type { MatchTable } from "../table.ts";

export interface Matching {
  readonly table: MatchTable;
  /** The detection row (in the columns) of each table row. */
  readonly source: Int32Array;
  /** For each table row, the ground-truth row it matched at the first IoU threshold in the first area range, or −1. */
  readonly partner: Int32Array;
}

/** Which ground truth is never a positive, and which may take any number of detections. */
export interface MatchRules {
  readonly ignore: (row: TruthRecord) => boolean;
  readonly crowd: (row: TruthRecord) => boolean;
  /** An unmatched detection of this image and category counts neither way (LVIS: not exhaustively annotated). */
  readonly lenient?: (image: number, category: number) => boolean;
}

export function cocoRules(settings: CocoSettings): MatchRules {
  const crowd = (row: TruthRecord): boolean => row.crowd === true;
  if (settings.kind !== "keypoints") return { ignore: crowd, crowd };
  return { ignore: (row) => crowd(row) || labelled(row) === 0, crowd };
}

function labelled(row: TruthRecord): number {
  return row.keypointCount ?? (row.keypoints ?? []).reduce((n, v, i) => n + Number(i % 3 === 2 && v > 0), 0);
}

/** Matches every image and category of a task, by all IoU thresholds and area ranges in one pass. */
export function matchColumns(
  columns: TaskColumns,
  like: Similarity,
  settings: CocoSettings,
  rules: MatchRules,
  warnings: WarningTally,
): Matching {
  const together = !settings.useCategories;
  const matcher = cellMatcher(settings, like, truthFlags(columns.truths.rows, settings, rules));
  const before = new Int32Array(together ? 1 : columns.categories.length);
  const last = settings.maxDetections.at(-1) ?? 0;
  walkCells(columns, together, (cell, detections, truths) => {
    const cut = detections.length - last;
    if (cut > 0) warnings.add("cut", () => `${detections.length} in image ${columns.images[cell.image]?.id ?? "?"}`, cut);
    const lenient = rules.lenient?.(cell.image, cell.category) ?? false;
    matcher.match(detections.subarray(0, last), truths, lenient);
    before[cell.category] = (before[cell.category] as number) + detections.length;
  });
  return finish(matcher, columns, together, before);
}

function truthFlags(rows: readonly TruthRecord[], settings: CocoSettings, rules: MatchRules): TruthFlags {
  return {
    ignore: Uint8Array.from(rows, (row) => Number(rules.ignore(row))),
    crowd: Uint8Array.from(rows, (row) => Number(rules.crowd(row))),
    unmatchable: Uint8Array.from(rows, (row) => Number(settings.ids === "cocoapi" && row.id === 0)),
  };
}

function finish(matcher: CellMatcher, columns: TaskColumns, together: boolean, before: Int32Array): Matching {
  const { rows, partner, source, ...rest } = matcher.results();
  const { truths, detections, images } = columns;
  const pick = (values: Int32Array): Int32Array => source.map((row) => values[row] as number);
  const table: MatchTable = {
    images: images.map((i) => i.id),
    categories: together ? ["all"] : columns.categories.map((c) => c.id),
    image: pick(detections.image),
    category: together ? new Int32Array(rows) : pick(detections.category),
    score: Float64Array.from(source, (row) => columns.scores[row] as number),
    ...rest,
    truthImage: truths.image,
    truthCategory: together ? new Int32Array(truths.rows.length) : truths.category,
    detections: before,
  };
  return { table, source, partner };
}
