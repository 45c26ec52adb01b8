import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { bestClass, cellCount, objectThresholds, type Decoder, type Size } from "./decoder.ts";
import { ParamReader } from "./params.ts";

/**
 * SSD (Liu et al., 2016): at each cell of each level's grid, row by row, one prior for each [width, height] of `anchors` (pixels of the picture), its
 * centre in the middle of the cell. A centre moves in units of first variance × prior size, a size grows by exp(second variance × value).
 * `cells` tells how wide a cell is: "stride" pixels, or the picture's share of the "grid" (which differs where strides do not divide the picture).
 * Scores are probabilities, a column a class; `background` columns come first.
 */
export function ssd(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const flat = params.numberLists("anchors", 0.1, 65_536, strides.length);
  const cells = params.choice("cells", ["stride", "grid"]);
  const [centreVariance = 0, sizeVariance = 0] = params.numbers("variances", 1e-6, 10, 2);
  const background = params.number("background", 0, 1);
  const thresholds = objectThresholds(params);
  if (flat.some((list) => list.length % 2 === 1)) params.report("decoder.params.anchors must hold a width and a height for each prior");
  params.finish();
  const anchors = flat.map((list) => Array.from({ length: list.length / 2 }, (_, i) => [list[i * 2] ?? 1, list[i * 2 + 1] ?? 1] as const));
  const priorsOf = (size: Size): number => strides.reduce((n, stride, i) => n + cellCount(size, stride) * (anchors[i]?.length ?? 0), 0);

  return {
    ...thresholds,
    rows: (size) => ({ boxes: priorsOf(size), scores: priorsOf(size) }),
    candidates(output, size, threshold) {
      const [boxes, scores] = [output("boxes"), output("scores")];
      const columns = scores.length / priorsOf(size);
      const found: Candidate[] = [];
      const at = (i: number): number => boxes[i] ?? NaN;
      eachPrior(size, strides, anchors, cells, (prior, cx, cy, width, height) => {
        const { score, classId } = bestClass(scores, prior * columns + background, columns - background);
        if (!(score >= threshold)) return;
        const x = cx + at(prior * 4) * centreVariance * width;
        const y = cy + at(prior * 4 + 1) * centreVariance * height;
        const w = width * Math.exp(at(prior * 4 + 2) * sizeVariance);
        const h = height * Math.exp(at(prior * 4 + 3) * sizeVariance);
        found.push({ box: boxFromCentre(x, y, w, h), score, classId });
      });
      return found;
    },
  };
}

function eachPrior(
  size: Size,
  strides: readonly number[],
  anchors: readonly (readonly (readonly [number, number])[])[],
  cells: "stride" | "grid",
  visit: (prior: number, cx: number, cy: number, width: number, height: number) => void,
): void {
  let prior = 0;
  strides.forEach((stride, level) => {
    const [columns, rows] = [Math.ceil(size.width / stride), Math.ceil(size.height / stride)];
    const [stepX, stepY] = cells === "stride" ? [stride, stride] : [size.width / columns, size.height / rows];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (const [width, height] of anchors[level] ?? []) visit(prior++, (column + 0.5) * stepX, (row + 0.5) * stepY, width, height);
      }
    }
  });
}
