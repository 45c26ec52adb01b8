import { identity, orderByKey, orderByScore, runStarts } from "./order.ts";
import { positivesOf, type MatchTable } from "./table.ts";

/** Precision and recall of one category down the ranking, a point a detection that counts. */
export interface PrecisionRecallCurve {
  /** Ground truths that count. */
  readonly positives: number;
  readonly score: Float64Array;
  readonly recall: Float64Array;
  readonly precision: Float64Array;
  readonly truePositives: number;
  readonly falsePositives: number;
}

/**
 * The curves of all categories at one IoU threshold and area range (indices). Rows of all images go by falling score, ties in image
 * order; ignored rows leave no point.
 */
export function curvesOf(table: MatchTable, threshold = 0, area = 0): PrecisionRecallCurve[] {
  const { order, starts } = rankedRows(table);
  const areas = table.matched.length;
  const positives = positivesOf(table, areas);
  return table.categories.map((_, k) =>
    curveOf(table, order.subarray(starts[k], starts[k + 1]), positives[k * areas + area] as number, threshold, area),
  );
}

/** Rows by category, then falling score, then image; starts[k] is where category k begins. */
export function rankedRows(table: MatchTable): { order: Int32Array; starts: Int32Array } {
  const byImage = orderByKey(identity(table.score.length), table.image, table.images.length);
  const order = orderByKey(orderByScore(byImage, table.score), table.category, table.categories.length);
  return { order, starts: runStarts(order, table.category, table.categories.length) };
}

function curveOf(table: MatchTable, rows: Int32Array, positives: number, threshold: number, area: number): PrecisionRecallCurve {
  const matched = table.matched[area] as Int32Array;
  const ignored = table.ignored[area] as Int32Array;
  const counted = rows.filter((row) => (((ignored[row] as number) >> threshold) & 1) === 0);
  const n = counted.length;
  const score = new Float64Array(n);
  const recall = new Float64Array(n);
  const precision = new Float64Array(n);
  let hits = 0;
  counted.forEach((row, i) => {
    hits += ((matched[row] as number) >> threshold) & 1;
    score[i] = table.score[row] as number;
    recall[i] = positives > 0 ? hits / positives : 0;
    precision[i] = hits / (i + 1);
  });
  return { positives, score, recall, precision, truePositives: hits, falsePositives: n - hits };
}

/** How the area under a curve is read: VOC 2007's eleven points, VOC 2010's exact area, COCO's 101 points. */
export type Interpolation = "eleven" | "area" | "101";

/** Average precision of a curve; −1 when there is no ground truth. */
export function averagePrecisionOf(curve: Pick<PrecisionRecallCurve, "positives" | "recall" | "precision">, how: Interpolation): number {
  if (curve.positives <= 0) return -1;
  if (how === "area") return exactArea(curve);
  return how === "eleven" ? sampledArea(curve, 11) : sampledArea(curve, 101);
}

/** Mean over recalls 0 … 1 of the largest precision at that recall or beyond; 0 where the recall is not reached. */
function sampledArea({ recall, precision }: Pick<PrecisionRecallCurve, "recall" | "precision">, points: number): number {
  const envelope = envelopeOf(precision);
  let sum = 0;
  let i = 0;
  for (let p = 0; p < points; p++) {
    const wanted = p === points - 1 ? 1 : p * (1 / (points - 1));
    while (i < recall.length && (recall[i] as number) < wanted) i++;
    if (i < recall.length) sum += envelope[i] as number;
  }
  return sum / points;
}

function exactArea({ recall, precision }: Pick<PrecisionRecallCurve, "recall" | "precision">): number {
  const envelope = envelopeOf(precision);
  let area = 0;
  let before = 0;
  for (let i = 0; i < recall.length; i++) {
    const now = recall[i] as number;
    area += (now - before) * (envelope[i] as number);
    before = now;
  }
  return area;
}

/** The right-to-left maximum; undefined precisions (0/0) do not take part. */
export function envelopeOf(precision: Float64Array): Float64Array {
  const envelope = new Float64Array(precision.length);
  let top = 0;
  for (let i = precision.length - 1; i >= 0; i--) {
    const value = precision[i] as number;
    if (value > top) top = value;
    envelope[i] = top;
  }
  return envelope;
}
