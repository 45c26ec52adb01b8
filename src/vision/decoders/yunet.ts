import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre, type Point } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { cellCount, eachCell, type Decoder } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * YuNet (Wu et al., 2023), anchor-free: at each stride and cell, score = √(class · objectness), centre = (cell + offset)·stride,
 * size = exp(value)·stride, points like centres. The model ends in sigmoids; scores are clamped to 0…1 before the root.
 */
export function yunet(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
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
      const kinds = ["cls", "obj", "bbox", "kps"];
      return Object.fromEntries(strides.flatMap((s) => kinds.map((kind) => [`${kind}_${s}`, cellCount(size, s)])));
    },
    candidates(output, size, threshold) {
      const found: Candidate[] = [];
      for (const stride of strides) {
        const [cls, obj, bbox, kps] = [output(`cls_${stride}`), output(`obj_${stride}`), output(`bbox_${stride}`), output(`kps_${stride}`)];
        let cell = 0;
        eachCell(size, stride, (column, row) => {
          const i = cell++;
          const score = Math.sqrt(unit(cls[i]) * unit(obj[i]));
          if (!(score >= threshold)) return;
          const value = (k: number): number => bbox[i * 4 + k] ?? NaN;
          const box = boxFromCentre(
            (column + value(0)) * stride,
            (row + value(1)) * stride,
            Math.exp(value(2)) * stride,
            Math.exp(value(3)) * stride,
          );
          const marks = points.map((_, k): Point => {
            const p = i * 10 + k * 2;
            return { x: (column + (kps[p] ?? NaN)) * stride, y: (row + (kps[p + 1] ?? NaN)) * stride };
          });
          found.push({ box, score, points: marks });
        });
      }
      return found;
    },
  };
}

function unit(value: number | undefined): number {
  return Math.min(Math.max(value ?? NaN, 0), 1);
}
