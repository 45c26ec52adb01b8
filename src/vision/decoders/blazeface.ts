import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre, type Point } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { cellCount, eachCell, type Decoder, type Size } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * BlazeFace (Bazarevsky et al., 2019) with MediaPipe's anchors: layers of equal stride that follow each other share one grid, whose cells hold the
 * anchors of them all. Anchors have a fixed size, so only their centres, in the middle of the cell, matter. Values are in pixels of a picture of
 * `scale`: centre, size, then the points, relative to the anchor. Scores are logits, clipped to ±`clip`.
 */
export function blazeface(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const perLayer = params.number("anchorsPerLayer", 1, 16);
  const scale = params.number("scale", 1, 65_536);
  const clip = params.number("clip", 1, 1000);
  const points = params.names("points", 6);
  const minScore = params.number("minScore", 0, 1);
  const iou = params.number("iou", 0, 1);
  params.finish();
  const columns = 4 + points.length * 2;

  return {
    points,
    minScore,
    iou,
    merge: "weighted",
    rows(size) {
      const count = strides.reduce((n, stride) => n + cellCount(size, stride) * perLayer, 0);
      return { regressors: count, scores: count };
    },
    candidates(output, size, threshold) {
      const [regressors, scores] = [output("regressors"), output("scores")];
      const [sx, sy] = [size.width / scale, size.height / scale];
      const decode = (i: number, anchor: Point, score: number): Candidate => {
        const x = (k: number): number => anchor.x + (regressors[i * columns + k] ?? NaN) * sx;
        const y = (k: number): number => anchor.y + (regressors[i * columns + k] ?? NaN) * sy;
        const w = (regressors[i * columns + 2] ?? NaN) * sx;
        const h = (regressors[i * columns + 3] ?? NaN) * sy;
        return { box: boxFromCentre(x(0), y(1), w, h), score, points: points.map((_, k) => ({ x: x(4 + k * 2), y: y(5 + k * 2) })) };
      };
      const found: Candidate[] = [];
      blazefaceAnchors(size, strides, perLayer).forEach((anchor, i) => {
        const logit = Math.min(Math.max(scores[i] ?? NaN, -clip), clip);
        const score = 1 / (1 + Math.exp(-logit));
        if (score >= threshold) found.push(decode(i, anchor, score));
      });
      return found;
    },
  };
}

/** Centres of MediaPipe's anchors in pixels, in the order of the model's rows. */
export function blazefaceAnchors(size: Size, strides: readonly number[], perLayer: number): Point[] {
  const anchors: Point[] = [];
  for (let layer = 0; layer < strides.length;) {
    const stride = strides[layer] ?? 1;
    let together = 0;
    while (strides[layer] === stride) {
      together += perLayer;
      layer++;
    }
    const [width, height] = [size.width / Math.ceil(size.width / stride), size.height / Math.ceil(size.height / stride)];
    eachCell(size, stride, (column, row) => {
      for (let k = 0; k < together; k++) anchors.push({ x: (column + 0.5) * width, y: (row + 0.5) * height });
    });
  }
  return anchors;
}
