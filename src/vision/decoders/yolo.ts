import type { DecoderRule } from "../../engine/recipe.ts";
import { boxFromCentre, boxFromCorners } from "../../geometry/box.ts";
import type { Candidate } from "../../geometry/nms.ts";
import { bestClass, cellCount, objectThresholds, type Decoder, type Rows, type Size } from "./decoder.ts";
import { ParamReader } from "./params.ts";

function cellsOf(size: Size, strides: readonly number[]): number {
  return strides.reduce((n, stride) => n + cellCount(size, stride), 0);
}

/**
 * YOLOv5's exported head: a row a prior, centre, size (pixels of the picture), objectness, then classes; all are probabilities already.
 * score = objectness · class.
 */
export function yolov5(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const perCell = params.number("anchorsPerCell", 1, 16);
  const thresholds = objectThresholds(params);
  params.finish();

  return {
    ...thresholds,
    rows: (size) => ({ rows: cellsOf(size, strides) * perCell }),
    candidates(output, size, threshold) {
      const rows = output("rows");
      const count = cellsOf(size, strides) * perCell;
      const columns = rows.length / count;
      const found: Candidate[] = [];
      for (let i = 0, at = 0; i < count; i++, at += columns) {
        const objectness = rows[at + 4] ?? NaN;
        if (!(objectness >= threshold)) continue; // No class can lift it.
        const { score, classId } = bestClass(rows, at + 5, columns - 5);
        if (!(objectness * score >= threshold)) continue;
        found.push({ box: centred(rows, at, 1), score: objectness * score, classId });
      }
      return found;
    },
  };
}

/** YOLOv8's and YOLO11's exported head: planes of centre x, centre y, width, height (pixels of the picture), then a plane of probabilities a class. */
export function yolov8(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const thresholds = objectThresholds(params);
  params.finish();

  return {
    ...thresholds,
    rowsAxis: 2,
    rows: (size) => ({ planes: cellsOf(size, strides) }),
    candidates(output, size, threshold) {
      const planes = output("planes");
      const count = cellsOf(size, strides);
      const classes = planes.length / count - 4;
      const found: Candidate[] = [];
      for (let i = 0; i < count; i++) {
        const { score, classId } = bestClass(planes, 4 * count + i, classes, count);
        if (score >= threshold) found.push({ box: centred(planes, i, count), score, classId });
      }
      return found;
    },
  };
}

/** Models that also suppress by themselves: rows of left, top, right, bottom (pixels of the picture), score, class; rows without use score 0. */
export function finished(rule: DecoderRule): Decoder {
  const params = new ParamReader(rule);
  const minScore = params.number("minScore", 0, 1);
  params.finish();

  return {
    points: [],
    minScore,
    iou: 1,
    merge: "greedy",
    suppressed: true,
    rows: () => ({}),
    candidates(output, _size, threshold) {
      const rows = output("rows");
      const found: Candidate[] = [];
      for (let at = 0; at + 6 <= rows.length; at += 6) {
        const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN, score = NaN, classId = NaN] = rows.subarray(at, at + 6);
        if (score >= threshold && Number.isInteger(classId)) found.push({ box: boxFromCorners(x1, y1, x2, y2), score, classId });
      }
      return found;
    },
  };
}

interface DistributionParams {
  readonly strides: readonly number[];
  readonly bins: number;
  readonly offset: number;
}

/** What both decoders of distributions say, and their thresholds. */
function distributionParams(rule: DecoderRule): DistributionParams & ReturnType<typeof objectThresholds> {
  const params = new ParamReader(rule);
  const strides = params.numbers("strides", 1, 4096);
  const bins = params.number("bins", 2, 64);
  const offset = params.number("offset", 0, 0.5);
  const thresholds = objectThresholds(params);
  params.finish();
  return { strides, bins, offset, ...thresholds };
}

/** Where one level's class probabilities and logits of distances lie. */
interface LevelRows {
  readonly scores: Rows;
  readonly sides: Rows;
  readonly scoreColumns: number;
  readonly sideColumns: number;
  readonly classes: number;
  readonly scoresAt: number;
  readonly sidesAt: number;
}

/** A distance is the mean bin number under the softmax, in strides, measured from (cell + `offset`) · stride. */
function levelCandidates(
  rows: LevelRows,
  size: Size,
  stride: number,
  { bins, offset }: DistributionParams,
  threshold: number,
): Candidate[] {
  const found: Candidate[] = [];
  const [wide, cells] = [Math.ceil(size.width / stride), cellCount(size, stride)];
  for (let i = 0; i < cells; i++) {
    const { score, classId } = bestClass(rows.scores, rows.scoresAt + i * rows.scoreColumns, rows.classes);
    if (!(score >= threshold)) continue;
    const side = (k: number): number => meanBin(rows.sides, rows.sidesAt + i * rows.sideColumns + k * bins, bins) * stride;
    const [x, y] = [((i % wide) + offset) * stride, (Math.floor(i / wide) + offset) * stride];
    found.push({ box: boxFromCorners(x - side(0), y - side(1), x + side(2), y + side(3)), score, classId });
  }
  return found;
}

/**
 * Heads with distribution focal loss (Li et al., 2020), as NanoDet-Plus exports them: a row a cell, class probabilities, then `bins` logits for each
 * of left, top, right, bottom.
 */
export function distribution(rule: DecoderRule): Decoder {
  const { strides, bins, offset, ...thresholds } = distributionParams(rule);
  return {
    ...thresholds,
    rows: (size) => ({ rows: cellsOf(size, strides) }),
    candidates(output, size, threshold) {
      const rows = output("rows");
      const columns = rows.length / cellsOf(size, strides);
      const classes = columns - 4 * bins;
      const layout = { scores: rows, sides: rows, scoreColumns: columns, sideColumns: columns, classes };
      let at = 0;
      return strides.flatMap((stride) => {
        const level = { ...layout, scoresAt: at, sidesAt: at + classes };
        at += cellCount(size, stride) * columns;
        return levelCandidates(level, size, stride, { strides, bins, offset }, threshold);
      });
    },
  };
}

/** The same heads as PicoDet exports them (Yu et al., 2021): for each stride S class probabilities `cls_S` and logits `reg_S`, a row a cell. */
export function distributionLevels(rule: DecoderRule): Decoder {
  const { strides, bins, offset, ...thresholds } = distributionParams(rule);
  return {
    ...thresholds,
    rows: (size) => Object.fromEntries(strides.flatMap((s) => ["cls", "reg"].map((kind) => [`${kind}_${s}`, cellCount(size, s)]))),
    candidates: (output, size, threshold) =>
      strides.flatMap((stride) => {
        const [scores, sides] = [output(`cls_${stride}`), output(`reg_${stride}`)];
        const classes = scores.length / cellCount(size, stride);
        const level = { scores, sides, scoreColumns: classes, sideColumns: 4 * bins, classes, scoresAt: 0, sidesAt: 0 };
        return levelCandidates(level, size, stride, { strides, bins, offset }, threshold);
      }),
  };
}

function centred(values: Float32Array, at: number, step: number): Candidate["box"] {
  const value = (k: number): number => values[at + k * step] ?? NaN;
  return boxFromCentre(value(0), value(1), value(2), value(3));
}

function meanBin(values: Float32Array, start: number, bins: number): number {
  let top = -Infinity;
  for (let b = 0; b < bins; b++) top = Math.max(top, values[start + b] ?? NaN);
  let [sum, total] = [0, 0];
  for (let b = 0; b < bins; b++) {
    const weight = Math.exp((values[start + b] ?? NaN) - top);
    sum += weight * b;
    total += weight;
  }
  return sum / total;
}
