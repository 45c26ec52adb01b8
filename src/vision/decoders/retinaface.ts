import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre, type Point } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { cellCount, eachCell, type Decoder } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * RetinaFace (Deng et al., 2019) as its PyTorch ports export it: outputs not decoded, scores softmaxed [background, face]. For each stride, cell and
 * minimum size there is a prior, square, centred in its cell; offsets are in units of the first variance times the prior's size, sizes logarithmic
 * in units of the second.
 */
export function retinaface(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const minSizes = params.numberLists("minSizes", 1, 65_536, strides.length);
  const [centreVariance = 0, sizeVariance = 0] = params.numbers("variances", 1e-6, 10, 2);
  const points = params.names("points", 5);
  const minScore = params.number("minScore", 0, 1);
  const iou = params.number("iou", 0, 1);
  params.finish();

  return {
    points,
    minScore,
    iou,
    merge: "greedy",
    rows(size) {
      const count = strides.reduce((n, stride, i) => n + cellCount(size, stride) * (minSizes[i]?.length ?? 0), 0);
      return { boxes: count, scores: count, landmarks: count };
    },
    candidates(output, size, threshold) {
      const [boxes, scores, landmarks] = [output("boxes"), output("scores"), output("landmarks")];
      const found: Candidate[] = [];
      const decode = (prior: number, cx: number, cy: number, side: number): Candidate => {
        const at = (data: Float32Array, i: number): number => data[i] ?? NaN;
        const unit = centreVariance * side;
        const b = prior * 4;
        const x = cx + at(boxes, b) * unit;
        const y = cy + at(boxes, b + 1) * unit;
        const w = side * Math.exp(at(boxes, b + 2) * sizeVariance);
        const h = side * Math.exp(at(boxes, b + 3) * sizeVariance);
        const marks = points.map((_, k): Point => {
          const p = prior * 10 + k * 2;
          return { x: cx + at(landmarks, p) * unit, y: cy + at(landmarks, p + 1) * unit };
        });
        return { box: boxFromCentre(x, y, w, h), score: at(scores, prior * 2 + 1), points: marks };
      };
      let prior = 0;
      strides.forEach((stride, level) => {
        const sizes = minSizes[level] ?? [];
        eachCell(size, stride, (column, row) => {
          for (const side of sizes) {
            if ((scores[prior * 2 + 1] ?? 0) >= threshold) found.push(decode(prior, (column + 0.5) * stride, (row + 0.5) * stride, side));
            prior++;
          }
        });
      });
      return found;
    },
  };
}
