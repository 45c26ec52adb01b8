import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { bestClass, cellCount, eachCell, objectThresholds, type Decoder } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * FastestDet (dog-qiuqiu, 2022), anchor-free on one grid, values in planes [5 + classes, rows, columns]: objectness, x, y, width, height, then classes.
 * centre = (cell + tanh(value)) · stride, size = sigmoid(value) · picture, score = objectness^`power` · class^(1 − `power`). Objectness and classes are
 * probabilities already.
 */
export function fastestdet(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const stride = params.number("stride", 1, 4096);
  const power = params.number("power", 0, 1);
  const thresholds = objectThresholds(params);
  params.finish();

  return {
    ...thresholds,
    rows: () => ({}),
    candidates(output, size, threshold) {
      const map = output("map");
      const plane = cellCount(size, stride);
      const classes = map.length / plane - 5;
      const found: Candidate[] = [];
      let cell = 0;
      eachCell(size, stride, (column, row) => {
        const i = cell++;
        const value = (k: number): number => map[k * plane + i] ?? NaN;
        const { score: best, classId } = bestClass(map, 5 * plane + i, classes, plane);
        const score = value(0) ** power * best ** (1 - power);
        if (!(score >= threshold)) return;
        const [x, y] = [(column + Math.tanh(value(1))) * stride, (row + Math.tanh(value(2))) * stride];
        found.push({ box: boxFromCentre(x, y, sigmoid(value(3)) * size.width, sigmoid(value(4)) * size.height), score, classId });
      });
      return found;
    },
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
