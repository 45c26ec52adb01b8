import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCorners } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { bestClass, objectThresholds, type Decoder } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * Models that decode their boxes themselves: `boxes` are left, top, right, bottom as shares of the picture, `scores` probabilities, a column a class;
 * `background` columns come first.
 */
export function corners(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const background = params.number("background", 0, 1);
  const thresholds = objectThresholds(params);
  params.finish();

  return {
    ...thresholds,
    rows: () => ({}),
    candidates(output, { width, height }, threshold) {
      const [boxes, scores] = [output("boxes"), output("scores")];
      const count = boxes.length / 4;
      const columns = scores.length / count;
      const found: Candidate[] = [];
      const at = (i: number): number => boxes[i] ?? NaN;
      for (let i = 0; i < count; i++) {
        const { score, classId } = bestClass(scores, i * columns + background, columns - background);
        if (!(score >= threshold)) continue;
        const b = i * 4;
        const box = boxFromCorners(at(b) * width, at(b + 1) * height, at(b + 2) * width, at(b + 3) * height);
        found.push({ box, score, classId });
      }
      return found;
    },
  };
}
