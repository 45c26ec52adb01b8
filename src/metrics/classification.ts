import { HoneError } from "../util/errors.ts";

export interface ClassificationResult {
  readonly images: number;
  /** Share of images whose class is among the k best, by k. */
  readonly top: Readonly<Record<number, number>>;
}

/**
 * Top-k accuracy. Of equal scores the lower class comes first, as a stable sort of logits gives it; NaN ranks last.
 * @param scores n rows of `classes` scores, flat
 * @param labels the true class of each row
 * @throws HoneError metrics.invalid when the sizes do not fit or a label is no class
 */
export function topK(
  scores: ArrayLike<number>,
  classes: number,
  labels: ArrayLike<number>,
  ks: readonly number[] = [1, 5],
): ClassificationResult {
  const n = labels.length;
  if (!(Number.isInteger(classes) && classes >= 1) || scores.length !== n * classes) {
    throw new HoneError("metrics.invalid", `${scores.length} scores are not ${n} rows of ${classes} classes`);
  }
  const hits = ks.map(() => 0);
  for (let i = 0; i < n; i++) {
    const label = labels[i] as number;
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw new HoneError("metrics.invalid", `label ${label} of row ${i} is none of ${classes} classes`);
    const rank = rankOf(scores, i * classes, classes, label);
    ks.forEach((k, j) => (hits[j] = (hits[j] as number) + Number(rank < k)));
  }
  return { images: n, top: Object.fromEntries(ks.map((k, j) => [k, n > 0 ? (hits[j] as number) / n : -1])) };
}

function rankOf(scores: ArrayLike<number>, at: number, classes: number, label: number): number {
  const own = scores[at + label] as number;
  if (Number.isNaN(own)) return classes;
  let before = 0;
  for (let c = 0; c < classes; c++) {
    const other = scores[at + c] as number;
    if (other > own || (other === own && c < label)) before++;
  }
  return before;
}
