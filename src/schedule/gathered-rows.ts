/**
 * Pixels of a pointwise convolution, gathered in rows that suit the cache before all output channels are computed from them. With a
 * stride only every second pixel of a line is wanted; with many channels each pixel lies on as many pages. Read again and again from
 * where they are, either costs more than one copy.
 */
import { offsetOf } from "../loop/expand.ts";
import { add, div, indexVar, int, load, mod, mul } from "../loop/expr.ts";
import { forLoop, store } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import { isPointwise, rowLength, type Geometry } from "./conv-geometry.ts";
import type { Rows } from "./conv-tile.ts";
import type { Lowering } from "./lowering.ts";

/** Groups of output channels from which on the copy pays. */
const READERS = 8;
/** Channels whose pages are more than the nearest table of addresses holds (64 entries), with those of weights and result. */
const MANY_CHANNELS = 512;
const PAGE = 4096;

/** Whether a pointwise convolution without padding gains by the copy. */
function gains({ m, lanes, channels, inputChannels, inputRows, inputColumns, kernelRows, kernelColumns }: Geometry): boolean {
  if (kernelRows * kernelColumns > 1 || m.pads.some((p) => p !== 0)) return false;
  if (channels < READERS * lanes || inputChannels % lanes !== 0) return false;
  const onPages = inputChannels > MANY_CHANNELS && inputRows * inputColumns * lanes * 4 >= PAGE;
  return isPointwise(m, 1) ? onPages : m.strides.some((stride) => stride > 1);
}

/** The gathered rows of a convolution that gains by them. */
export function gatheredRows(l: Lowering, g: Geometry): Rows | undefined {
  const { m, lanes, inputChannels } = g;
  const x = l.place(m.x);
  if (x.layout.kind !== "blocked" || !gains(g)) return undefined;
  const [stride, across] = m.strides;
  const { layout } = x;
  const dims = [g.batch, inputChannels, m.x.dims[2] ?? 1, m.x.dims[3] ?? 1];
  const [, , height = 1, width = 1] = l.nest.result.dims;
  const row = rowLength(height * width);
  const buffer = l.scratch("gathered", inputChannels * row);
  const own = [1, inputChannels, 1, row];
  const make = (n: Expr, r: Expr): readonly Stmt[] => {
    const [block, t] = [indexVar(`${l.prefix}gatherBlock`), indexVar(`${l.prefix}gather`)];
    const channel = mul(block, int(lanes));
    const pixel = add(mul(r, int(row)), t);
    const from = offsetOf(dims, layout, [n, channel, mul(div(pixel, int(width)), int(stride)), mul(mod(pixel, int(width)), int(across))]);
    const copy = store(buffer, offsetOf(own, layout, [int(0), channel, int(0), t]), load(x.buffer, from, lanes));
    return [forLoop(block, inputChannels / lanes, [forLoop(t, row, [copy])])];
  };
  const rows = (height * width) / row;
  const size = { rows, columns: row, inputRows: rows, inputColumns: row };
  return {
    g: { ...g, ...size, m: { ...m, strides: [1, 1] }, rowsOutside: true },
    make,
    at: (_, channel, iw) => load(buffer, offsetOf(own, layout, [int(0), channel, int(0), iw])),
  };
}
