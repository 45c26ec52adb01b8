/** Landmarks as a protocol of eval: which prediction belongs to which face, and what NME, AUC and failure rate come of it. */
import { evaluateLandmarks, INTER_OCULAR_68, type LandmarkPair } from "../metrics/landmarks.ts";
import type { BoxTuple, DetectionRecord, DetectionTask, Id, TruthRecord } from "../metrics/records.ts";
import { HoneError } from "../util/errors.ts";

const LEAST_OVERLAP = 0.1;

/**
 * Each labelled face is paired with the prediction of its image that overlaps it most and is not taken, the faces in their order; one without any is a
 * failure. 68 points are measured by the distance of the outer eye corners, others by √(w · h) of the face's box. NME is a mean over faces with a
 * prediction; AUC and failure rate count all. Faces of which not every point is labelled are left out.
 * @throws HoneError metrics.invalid without labelled faces, or where a prediction has another number of points
 */
export function landmarkNumbers({ truths, detections }: DetectionTask): Readonly<Record<string, number>> {
  const faces = truths.filter((t) => t.keypoints !== undefined && visible(t.keypoints));
  const [first] = faces;
  if (first === undefined) {
    throw new HoneError("metrics.invalid", "no face of the annotations has all its points labelled", {
      hint: "Landmarks come from dlib XML with parts, or from COCO keypoints.",
    });
  }
  const byImage = new Map<Id, Set<DetectionRecord>>();
  for (const d of detections) {
    if (d.keypoints === undefined) continue;
    const own = byImage.get(d.image) ?? new Set();
    byImage.set(d.image, own.add(d));
  }
  const pairs = faces.map((face) => pairOf(face, byImage.get(face.image)));
  const eyes = pairs.every((p) => p.truth.length === 136);
  const { nme, thresholds } = evaluateLandmarks(pairs, eyes ? INTER_OCULAR_68 : "box");
  const named = thresholds.flatMap(({ threshold, auc, failureRate }) => {
    const percent = Math.round(threshold * 100);
    return [[`AUC${percent}`, auc] as const, [`FR${percent}`, failureRate] as const];
  });
  return { NME: nme, ...Object.fromEntries(named) };
}

function pairOf(face: TruthRecord, candidates: Set<DetectionRecord> | undefined): LandmarkPair {
  const truth = points(face.keypoints ?? []);
  let [best, most]: [DetectionRecord | undefined, number] = [undefined, LEAST_OVERLAP];
  for (const candidate of candidates ?? []) {
    const overlap = share(face.box, candidate.box);
    if (overlap > most) [best, most] = [candidate, overlap];
  }
  if (best === undefined) return { truth, predicted: truth.map(() => NaN), box: face.box };
  candidates?.delete(best);
  return { truth, predicted: points(best.keypoints ?? []), box: face.box };
}

function visible(keypoints: readonly number[]): boolean {
  return keypoints.length > 0 && keypoints.every((v, i) => i % 3 !== 2 || v > 0);
}

/** x and y of each point, without its visibility. */
function points(keypoints: readonly number[]): number[] {
  return keypoints.filter((_, i) => i % 3 !== 2);
}

function share([ax, ay, aw, ah]: BoxTuple, [bx, by, bw, bh]: BoxTuple): number {
  const w = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const h = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  return w > 0 && h > 0 ? (w * h) / (aw * ah + bw * bh - w * h) : 0;
}
