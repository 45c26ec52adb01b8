/**
 * How far what a detector finds has moved: its candidates before suppression, each beside the same one of the float model. Needs no labels,
 * and knows, as the error of raw outputs does not, that a box matters where there is an object and nowhere else.
 */
import { iou } from "../geometry/box.ts";
import type { Candidate } from "../geometry/nms.ts";

/** Scores that evaluations count from. */
const LEAST_SCORE = 0.02;

/** Σ w·(1 − IoU) + |Δscore| over Σ w, where w is the greater score of the two, of candidates that either model gives at least {@link LEAST_SCORE}. */
export class Moved {
  #weight = 0;
  #moved = 0;

  /** Both models' candidates of one photo, one for each place that the decoder looks at. */
  add(want: readonly Candidate[], got: readonly Candidate[]): void {
    if (want.length !== got.length) this.#moved = Infinity;
    want.forEach((a, i) => {
      const b = got[i];
      if (b === undefined) return;
      const weight = Math.max(a.score, b.score);
      if (weight < LEAST_SCORE) return;
      this.#weight += weight;
      this.#moved += a.classId === b.classId ? weight * (1 - iou(a.box, b.box)) + Math.abs(a.score - b.score) : a.score + b.score;
    });
  }

  /** 0 when nothing has moved; Infinity when numbers are not finite any more. */
  get value(): number {
    if (this.#moved === 0) return 0;
    return Number.isNaN(this.#moved) ? Infinity : this.#moved / this.#weight;
  }
}
