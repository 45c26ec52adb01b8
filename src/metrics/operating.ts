import type { PrecisionRecallCurve } from "./curve.ts";

/** What a detector does when all detections below a score are thrown away. */
export interface OperatingPoint {
  /** Detections of at least this score are kept; Infinity keeps none. */
  readonly score: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
}

/** The point at a score. Precision without any detection is 0. */
export function operatingPoint(curve: PrecisionRecallCurve, score: number): OperatingPoint {
  let kept = 0;
  while (kept < curve.score.length && (curve.score[kept] as number) >= score) kept++;
  return pointAt(curve, kept, score);
}

/** The point of largest F-measure; of equal ones that of the highest score. Equal scores are kept or thrown away together. */
export function bestOperatingPoint(curve: PrecisionRecallCurve): OperatingPoint {
  let best = pointAt(curve, 0, Infinity);
  for (let i = 0; i < curve.score.length; i++) {
    if (i + 1 < curve.score.length && curve.score[i + 1] === curve.score[i]) continue;
    const point = pointAt(curve, i + 1, curve.score[i] as number);
    if (point.f1 > best.f1) best = point;
  }
  return best;
}

function pointAt(curve: PrecisionRecallCurve, kept: number, score: number): OperatingPoint {
  const precision = kept > 0 ? (curve.precision[kept - 1] as number) : 0;
  const truePositives = Math.round(precision * kept);
  const recall = curve.positives > 0 ? truePositives / curve.positives : 0;
  return {
    ...{ score, precision, recall, truePositives },
    f1: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0,
    falsePositives: kept - truePositives,
    falseNegatives: curve.positives - truePositives,
  };
}
