import { HoneError } from "../util/errors.ts";

export interface ParsingResult {
  readonly images: number;
  readonly perClass: readonly { readonly label: number; readonly iou: number; readonly f1: number; readonly pixels: number }[];
  /** Mean over the classes that occur in ground truth or prediction; −1 if none does. */
  readonly meanIou: number;
  readonly meanF1: number;
  readonly pixelAccuracy: number;
  /** Whether class 0 is in the two means. */
  readonly backgroundCounts: boolean;
}

/**
 * Semantic segmentation and face parsing: IoU and F1 of each class from one confusion matrix of the whole set.
 * Mergeable: matrices of shards add up.
 */
export class ParsingAccumulator {
  readonly classes: number;
  readonly #counts: Float64Array;
  #images = 0;

  /** @throws HoneError metrics.invalid unless there are 1 to 4096 classes */
  constructor(classes: number) {
    if (!(Number.isInteger(classes) && classes >= 1 && classes <= 4096))
      throw new HoneError("metrics.invalid", `${classes} classes; 1 to 4096 can be counted`);
    this.classes = classes;
    this.#counts = new Float64Array(classes * classes);
  }

  /**
   * Adds one picture. Ground truth of `ignore` (255 by default) is skipped.
   * @throws HoneError metrics.invalid when sizes differ or a label is no class
   */
  add(truth: ArrayLike<number>, predicted: ArrayLike<number>, ignore = 255): void {
    if (truth.length !== predicted.length)
      throw new HoneError("metrics.invalid", `label maps of ${truth.length} and ${predicted.length} pixels cannot be compared`);
    const n = this.classes;
    for (let i = 0; i < truth.length; i++) {
      const [t, p] = [truth[i] as number, predicted[i] as number];
      if (t === ignore && t >= n) continue;
      if (!(t >= 0 && t < n && p >= 0 && p < n))
        throw new HoneError("metrics.invalid", `pixel ${i}: labels ${t} and ${p} are not both of ${n} classes`);
      this.#counts[t * n + p] = (this.#counts[t * n + p] as number) + 1;
    }
    this.#images++;
  }

  /** The confusion matrix, truth by rows. */
  get counts(): Float64Array {
    return this.#counts.slice();
  }

  /** @throws HoneError metrics.invalid when the other counts other classes */
  merge(other: ParsingAccumulator): void {
    if (other.classes !== this.classes)
      throw new HoneError("metrics.invalid", `counts of ${other.classes} and ${this.classes} classes cannot be merged`);
    other.counts.forEach((count, i) => (this.#counts[i] = (this.#counts[i] as number) + count));
    this.#images += other.#images;
  }

  /** @param backgroundCounts whether class 0 is in the means: published figures differ in it, so it has to be said */
  result(backgroundCounts: boolean): ParsingResult {
    const n = this.classes;
    const sum = (start: number, step: number): number => {
      let total = 0;
      for (let i = 0; i < n; i++) total += this.#counts[start + i * step] as number;
      return total;
    };
    const perClass = Array.from({ length: n }, (_, label) => {
      const shared = this.#counts[label * n + label] as number;
      const [pixels, guessed] = [sum(label * n, 1), sum(label, n)];
      const either = pixels + guessed - shared;
      return { label, iou: either > 0 ? shared / either : -1, f1: pixels + guessed > 0 ? (2 * shared) / (pixels + guessed) : -1, pixels };
    });
    const meant = perClass.filter((c) => c.iou >= 0 && (backgroundCounts || c.label > 0));
    const mean = (key: "iou" | "f1"): number => (meant.length > 0 ? meant.reduce((a, c) => a + c[key], 0) / meant.length : -1);
    const right = sum(0, n + 1);
    const all = this.#counts.reduce((a, b) => a + b, 0);
    return {
      images: this.#images,
      perClass,
      meanIou: mean("iou"),
      meanF1: mean("f1"),
      pixelAccuracy: all > 0 ? right / all : -1,
      backgroundCounts,
    };
  }
}
