import type { TaskColumns } from "../columns.ts";
import { identity, orderByKey, orderByScore } from "../order.ts";
import type { TruthRecord } from "../records.ts";
import type { WarningTally } from "../warnings.ts";
import { cellMatcher, type CellMatcher, type TruthFlags } from "./cell.ts";
import type { CocoSettings } from "./options.ts";
import type { Similarity } from "./similarity.ts";
import type { MatchTable } from "./table.ts";

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
  const { images, categories, truths, detections, scores } = columns;
  const together = !settings.useCategories;
  const truthOrder = cellOrder(identity(truths.rows.length), truths.image, truths.category, columns, together);
  const byScore = orderByScore(orderedFirst(detections.category, categories.length, together), scores);
  const detectionOrder = cellOrder(byScore, detections.image, detections.category, columns, together, true);
  const flags = truthFlags(truths.rows, settings, rules);
  const matcher = cellMatcher(settings, like, flags);
  const count = together ? 1 : categories.length;
  const tally = { seen: new Uint8Array(count), detections: new Int32Array(count), truths: new Int32Array(count) };
  let d = 0;
  let g = 0;
  const last = settings.maxDetections.at(-1) ?? 0;
  while (d < detectionOrder.length || g < truthOrder.length) {
    const cell = nextCell(columns, detectionOrder[d], truthOrder[g], together);
    const dEnd = runEnd(detectionOrder, d, detections.image, detections.category, cell);
    const gEnd = runEnd(truthOrder, g, truths.image, truths.category, cell);
    const kept = Math.min(dEnd, d + last);
    if (kept < dEnd) warnings.add("cut", () => `${dEnd - d} in image ${images[cell.image]?.id ?? "?"}`, dEnd - kept);
    const lenient = rules.lenient?.(cell.image, cell.category) ?? false;
    matcher.match(detectionOrder.subarray(d, kept), truthOrder.subarray(g, gEnd), cell, lenient);
    tally.seen[cell.category] = 1;
    tally.detections[cell.category] = (tally.detections[cell.category] as number) + dEnd - d;
    tally.truths[cell.category] = (tally.truths[cell.category] as number) + gEnd - g;
    d = dEnd;
    g = gEnd;
  }
  return finish(matcher, columns, together, tally);
}

interface Cell {
  readonly image: number;
  readonly category: number;
  readonly together: boolean;
}

/** cocoapi lists records by category before it sorts them when all categories count as one. */
function orderedFirst(category: Int32Array, categories: number, together: boolean): Int32Array {
  const order = identity(category.length);
  return together ? orderByKey(order, category, categories) : order;
}

/** By category, then image, then the order given; by image alone when categories are together. */
function cellOrder(
  order: Int32Array,
  image: Int32Array,
  category: Int32Array,
  { images, categories }: TaskColumns,
  together: boolean,
  byCategoryAlready = false,
): Int32Array {
  if (together) return orderByKey(byCategoryAlready ? order : orderByKey(order, category, categories.length), image, images.length);
  return orderByKey(orderByKey(order, image, images.length), category, categories.length);
}

/** The first cell, by category and image, that either side has left. */
function nextCell({ detections, truths }: TaskColumns, d: number | undefined, g: number | undefined, together: boolean): Cell {
  const of = (side: { image: Int32Array; category: Int32Array }, at: number | undefined): Cell =>
    at === undefined
      ? { image: Infinity, category: Infinity, together }
      : { image: side.image[at] as number, category: together ? 0 : (side.category[at] as number), together };
  const [a, b] = [of(detections, d), of(truths, g)];
  return a.category < b.category || (a.category === b.category && a.image < b.image) ? a : b;
}

function runEnd(order: Int32Array, start: number, image: Int32Array, category: Int32Array, cell: Cell): number {
  let end = start;
  while (end < order.length) {
    const at = order[end] as number;
    if (image[at] !== cell.image || (!cell.together && category[at] !== cell.category)) break;
    end++;
  }
  return end;
}

function truthFlags(rows: readonly TruthRecord[], settings: CocoSettings, rules: MatchRules): TruthFlags {
  return {
    ignore: Uint8Array.from(rows, (row) => Number(rules.ignore(row))),
    crowd: Uint8Array.from(rows, (row) => Number(rules.crowd(row))),
    unmatchable: Uint8Array.from(rows, (row) => Number(settings.ids === "cocoapi" && row.id === 0)),
  };
}

function finish(
  matcher: CellMatcher,
  columns: TaskColumns,
  together: boolean,
  tally: Pick<MatchTable, "seen" | "detections" | "truths">,
): Matching {
  const { rows, partner, source, ...table } = matcher.results(together ? 1 : columns.categories.length);
  const image = new Int32Array(rows);
  const category = new Int32Array(rows);
  const score = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = source[i] as number;
    image[i] = columns.detections.image[row] as number;
    category[i] = together ? 0 : (columns.detections.category[row] as number);
    score[i] = columns.scores[row] as number;
  }
  const categories = together ? ["all"] : columns.categories.map((c) => c.id);
  return { table: { images: columns.images.map((i) => i.id), categories, image, category, score, ...table, ...tally }, source, partner };
}
