/** Ops that sample an image at computed places (ONNX operator specification: GridSample, RoiAlign). */
import { add, binary, cast, constant, int } from "../loop/expr.ts";
import type { Read } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { HoneError } from "../util/errors.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Computed, type Op } from "./define.ts";
import { safeIndex } from "./elements.ts";
import { gather, neutral, reduction } from "./nests.ts";
import { sample, type Tap } from "./resize.ts";

const GRID = { mode: "linear", padding: "zeros", alignCorners: false };

/** v mirrored at low and high until it lies between them. */
function reflected(v: Expr, low: number, high: number): Expr {
  const span = high - low;
  if (span <= 0) return a.constantLike(v, low);
  const distance = a.abs(a.sub(v, low));
  const t = a.sub(distance, a.mul(2 * span, a.floor(a.div(distance, 2 * span))));
  return a.add(a.min(t, a.sub(2 * span, t)), low);
}

/** Coordinates kept where casting them to an index is safe, outside still being outside. */
const bounded = (v: Expr, size: number): Expr => a.clamp(v, -4, size + 4);

interface GridAxis {
  readonly size: number;
  readonly low: number;
  readonly high: number;
}

const gridAxis = (size: number, align: boolean): GridAxis => ({ size, low: align ? 0 : -0.5, high: align ? size - 1 : size - 0.5 });

function placed(v: Expr, { size, low, high }: GridAxis, padding: string): Expr {
  if (padding === "zeros") return bounded(v, size);
  return padding === "border" ? a.clamp(v, 0, size - 1) : reflected(v, low, high);
}

function tapIndex(v: Expr, axis: GridAxis, padding: string): Expr {
  return cast(placed(v, axis, padding), "index");
}

const CUBIC = -0.75;

/** Keys' cubic weights of the four neighbours at distance t from the second. */
function cubicWeights(t: Expr): Expr[] {
  const near = (d: Expr): Expr => a.add(a.mul(a.sub(a.mul(CUBIC + 2, d), CUBIC + 3), a.mul(d, d)), 1);
  const far = (d: Expr): Expr => a.sub(a.mul(a.add(a.mul(a.sub(a.mul(CUBIC, d), 5 * CUBIC), d), 8 * CUBIC), d), 4 * CUBIC);
  return [far(a.add(t, 1)), near(t), near(a.sub(1, t)), far(a.sub(2, t))];
}

function gridTaps(raw: Expr, size: number, attrs: typeof GRID): Tap[] {
  const axis = gridAxis(size, attrs.alignCorners);
  const moved = attrs.alignCorners ? a.mul(a.div(a.add(raw, 1), 2), size - 1) : a.div(a.sub(a.mul(a.add(raw, 1), size), 1), 2);
  const index = (v: Expr): Expr => tapIndex(v, axis, attrs.padding);
  if (attrs.mode === "nearest")
    return [{ index: index(roundEven(bounded(placed(roundEven(moved), axis, attrs.padding), size))), weight: undefined }];
  const at = placed(moved, axis, attrs.padding);
  const low = a.floor(at);
  const t = a.sub(at, low);
  if (attrs.mode === "cubic") return cubicWeights(t).map((weight, k) => ({ index: index(a.add(low, k - 1)), weight }));
  return [
    { index: index(low), weight: a.sub(1, t) },
    { index: index(a.add(low, 1)), weight: t },
  ];
}

const roundEven = (v: Expr): Expr => ({ kind: "unary", type: v.type, op: "roundEven", a: v });

/** x[N,C,…] at the places of grid[N,…,rank], whose last axis counts from the last spatial axis, from -1 to 1. */
export const gridSample: Op = defineOp({
  name: "gridSample",
  inputs: { x: "float", grid: "float" },
  attrs: GRID,
  infer: ({ x, grid }) => {
    if (grid.shape.length !== x.shape.length || grid.shape.at(-1) !== x.shape.length - 2)
      throw misfit("gridSample", "the grid does not fit x", [x, grid]);
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...grid.shape.slice(1, -1)] }];
  },
  compute: ({ out }, { x, grid }, attrs) => {
    const spatial = x.dims.slice(2);
    const rank = spatial.length;
    if (!["linear", "nearest", "cubic"].includes(attrs.mode))
      throw new HoneError("model.unsupported", `gridSample: mode ${attrs.mode}`, { at: { op: "gridSample" } });
    return gather(out, ({ p: [n = int(0), c = int(0), ...o], read }) => {
      const taps = spatial.map((size, axis) => gridTaps(read(grid, [n, ...o, int(rank - 1 - axis)]), size, attrs));
      return sample((index) => read(x, [n, c, ...index], constant(0, x.dtype)), taps);
    });
  },
});

const ROI = { height: 1, width: 1, samples: 2, scale: 1, halfPixel: true, mode: "avg" };

/** The two neighbours of a coordinate inside 0 … size-1; their weights are 0 outside of -1 … size. */
function roiTaps(v: Expr, size: number): Tap[] {
  const inside = binary("and", a.ge(v, -1), a.le(v, size));
  const at = a.clamp(v, 0, size - 1);
  const low = a.floor(at);
  const t = a.sub(at, low);
  const index = cast(low, "index");
  const weight = (w: Expr): Expr => a.select(inside, w, 0);
  return [
    { index, weight: weight(a.sub(1, t)) },
    { index: binary("min", add(index, int(1)), int(size - 1)), weight: weight(t) },
  ];
}

/** Averages (or takes the largest weighted neighbour of) `samples`² points in each cell of each region (He 2017, Mask R-CNN). */
export const roiAlign: Op = defineOp({
  name: "roiAlign",
  inputs: { x: "float", rois: "float", batch: "integer" },
  attrs: ROI,
  infer: ({ x, rois }, { height, width }) => [{ dtype: x.dtype, shape: [rois.shape[0] ?? 1, x.shape[1] ?? 1, height, width] }],
  compute: ({ out }, { x, rois, batch }, attrs) => {
    const { samples, mode } = attrs;
    const combine = mode === "max" ? "max" : "add";
    return reduction(
      "reduce",
      out,
      ({ p: [n = int(0), c = int(0), oy = int(0), ox = int(0)], r: [sy = int(0), sx = int(0)], read }) => {
        const image = safeIndex(read(batch, [n]), x.dims[0] ?? 1);
        const y = roiPoint({ rois, read, n, from: 1, cell: oy, cells: attrs.height, sample: sy }, attrs);
        const at = roiPoint({ rois, read, n, from: 0, cell: ox, cells: attrs.width, sample: sx }, attrs);
        const rows = roiTaps(y, x.dims[2] ?? 1);
        const columns = roiTaps(at, x.dims[3] ?? 1);
        const pixel = (index: readonly Expr[]): Expr => read(x, [image, c, ...index]);
        if (mode !== "max") return sample(pixel, [rows, columns]);
        const products = rows.flatMap((row) => columns.map((column) => weighted(pixel([row.index, column.index]), row, column)));
        return products.reduce((best, v) => a.max(best, v));
      },
      {
        extents: [samples, samples],
        combine,
        init: neutral(combine, x.dtype),
        finish: (acc) => (mode === "max" ? acc : a.div(acc, samples * samples)),
      },
    );
  },
});

const weighted = (value: Expr, row: Tap, column: Tap): Expr => {
  const by = row.weight && column.weight ? a.mul(row.weight, column.weight) : undefined;
  return by ? a.mul(value, by) : value;
};

interface RoiPoint {
  readonly rois: Computed;
  readonly read: Read;
  readonly n: Expr;
  /** Which of x1, y1 (x2, y2 come two later). */
  readonly from: number;
  readonly cell: Expr;
  readonly cells: number;
  readonly sample: Expr;
}

/** The coordinate of a sample point along one axis. */
function roiPoint({ rois, read, n, from, cell, cells, sample: at }: RoiPoint, { scale, halfPixel, samples }: typeof ROI): Expr {
  const offset = halfPixel ? 0.5 : 0;
  const start = a.sub(a.mul(read(rois, [n, int(from)]), scale), offset);
  const end = a.sub(a.mul(read(rois, [n, int(from + 2)]), scale), offset);
  const size = a.sub(end, start);
  const step = a.div(halfPixel ? size : a.max(size, 1), cells);
  const number = (i: Expr): Expr => a.fromIndex(i, rois.dtype);
  return a.add(a.add(start, a.mul(number(cell), step)), a.div(a.mul(a.add(number(at), 0.5), step), samples));
}
