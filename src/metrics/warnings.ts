/**
 * What was odd about the records. Nothing here stops an evaluation: each kind says what was done about it.
 * Counts are exact; examples are the first few.
 */
export const WARNING_KINDS = {
  "truth-id-zero": "cocoapi reads a match to ground truth whose id is 0 as no match, so these objects can only produce false positives",
  "truth-id-repeated": "ground-truth ids occur more than once; cocoapi keeps the last record of an id and uses it each time",
  "box-not-finite": "a box has NaN or infinite numbers; it overlaps nothing",
  "box-empty": "a box has no area; it overlaps nothing",
  "box-outside": "a box reaches out of its image; it is used as it is",
  "score-not-finite": "a score is NaN or infinite; NaN sorts after every number",
  "area-not-finite": "an area is NaN; it counts as inside every range, as in cocoapi",
  "image-unknown": "detections name an image that has no entry in the image list; they are left out",
  "truth-image-unknown": "ground truth names an image that has no entry in the image list; it is left out",
  "category-unknown": "detections name a category that is not in the category list; they are left out",
  "truth-category-unknown": "ground truth names a category that is not in the category list; it is left out",
  "image-repeated": "the image list has an id more than once; one entry is kept",
  "truth-empty": "there is no ground truth: every number is undefined (-1)",
  "detections-empty": "there are no detections: every average precision with ground truth is 0",
  "mask-invalid": "a segmentation cannot be decoded or does not fit its image; it overlaps nothing",
  "keypoints-invalid": "keypoints have the wrong length; they are as if not labelled",
  "scores-equal": "all scores are equal, so they cannot be spread over 0 to 1; all become 1",
  cut: "an image and category has more detections than the largest limit; the lowest scores are left out",
} as const;

export type WarningKind = keyof typeof WARNING_KINDS;

export interface MetricWarning {
  readonly kind: WarningKind;
  readonly message: string;
  readonly count: number;
  readonly examples: readonly string[];
}

const EXAMPLES = 5;

/** Counts warnings by kind and keeps the first examples of each. */
export class WarningTally {
  readonly #kinds = new Map<WarningKind, { count: number; examples: string[] }>();

  add(kind: WarningKind, example?: () => string, count = 1): void {
    let entry = this.#kinds.get(kind);
    if (entry === undefined) this.#kinds.set(kind, (entry = { count: 0, examples: [] }));
    entry.count += count;
    if (example && entry.examples.length < EXAMPLES) entry.examples.push(example());
  }

  merge(other: readonly MetricWarning[]): void {
    for (const warning of other) {
      this.add(warning.kind, undefined, warning.count);
      const examples = this.#kinds.get(warning.kind)?.examples ?? [];
      examples.push(...warning.examples.slice(0, EXAMPLES - examples.length));
    }
  }

  list(): MetricWarning[] {
    return [...this.#kinds].map(([kind, { count, examples }]) => ({ kind, message: WARNING_KINDS[kind], count, examples: [...examples] }));
  }
}
