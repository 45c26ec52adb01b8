/** Sizes of a convolution on blocked channels, and how they are cut into register tiles. */
import { add, binary, div, indexVar, int, mul, sub } from "../loop/expr.ts";
import type { Machine } from "../loop/machine.ts";
import { letVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import type { Layout } from "../tensor/layout.ts";
import type { Lowering } from "./lowering.ts";
import type { ConvMatch } from "./match.ts";

export interface Tile {
  /** Output channel blocks in registers. */
  readonly blocks: number;
  /** Pixels in registers. */
  readonly pixels: number;
}

/** Cycles of a multiply-add until its sum can be used again, and how many start in one. */
const LATENCY = 4;
const PER_CYCLE = 2;

/** Cycles that a tile takes for one step of the reduction: its multiply-adds, its reads, and at least until its sums can be used. */
const stepCycles = (blocks: number, pixels: number): number =>
  Math.max((blocks * pixels) / PER_CYCLE, (blocks + pixels) / PER_CYCLE, LATENCY);

/** Cycles for a row of all blocks, when tiles have at most so many pixels. */
function rowCycles(columns: number, channelBlocks: number, { blocks, pixels }: Tile): number {
  const tiles = Math.ceil(columns / pixels);
  const wide = columns % tiles;
  const group = (b: number): number =>
    b === 0 ? 0 : wide * stepCycles(b, Math.ceil(columns / tiles)) + (tiles - wide) * stepCycles(b, Math.floor(columns / tiles));
  return Math.floor(channelBlocks / blocks) * group(blocks) + group(channelBlocks % blocks);
}

/**
 * Register tiles by registers and channel blocks: accumulators, the weights of one step, and one broadcast input must fit.
 * Two blocks a pixel halve the broadcasts; three keep more sums under way where rows are short. From a plain input every
 * accumulator has a sum beside it.
 */
export function chooseTile(machine: Machine, channelBlocks: number, input: Layout["kind"], columns: number): Tile {
  if (input === "plain") {
    const blocks = Math.min(2, channelBlocks);
    return { blocks, pixels: Math.floor(machine.registers / (2 * blocks)) };
  }
  const most = machine.registers > 16 ? 14 : 12;
  const tileOf = (blocks: number): Tile => ({ blocks, pixels: Math.min(Math.floor((machine.registers - 1 - blocks) / blocks), most) });
  const two = tileOf(Math.min(2, channelBlocks));
  const three = tileOf(3);
  return channelBlocks > 2 && rowCycles(columns, channelBlocks, three) < rowCycles(columns, channelBlocks, two) ? three : two;
}

/** Sizes and index helpers of one convolution. */
export interface Geometry {
  readonly m: ConvMatch;
  readonly lanes: number;
  readonly batch: number;
  readonly channels: number;
  readonly inputChannels: number;
  readonly inputRows: number;
  readonly inputColumns: number;
  readonly rows: number;
  readonly columns: number;
  readonly kernelRows: number;
  readonly kernelColumns: number;
  /**
   * Whether rows are the outer loop and channel blocks the inner: then a row of the input stays in the cache while every
   * output channel is computed from it. Otherwise the weights of a few output channels stay.
   */
  readonly rowsOutside: boolean;
}

/** A pointwise convolution of stride 1 does not care where rows end: its pixels are cut into rows that suit the cache. */
export function geometryOf(l: Lowering, m: ConvMatch): Geometry {
  const size = (dims: readonly number[], axis: number): number => dims[axis] ?? 1;
  const { dims } = l.nest.result;
  const [rows, columns, inputRows, inputColumns] = [size(dims, 2), size(dims, 3), size(m.x.dims, 2), size(m.x.dims, 3)];
  const [kernelRows, kernelColumns] = [size(m.w.dims, 2), size(m.w.dims, 3)];
  const pointwise = isPointwise(m, kernelRows * kernelColumns) && rows === inputRows && columns === inputColumns;
  const row = rowLength(rows * columns);
  const spatial = pointwise
    ? { rows: (rows * columns) / row, columns: row, inputRows: (rows * columns) / row, inputColumns: row }
    : { rows, columns, inputRows, inputColumns };
  const channels = { batch: size(dims, 0), channels: size(dims, 1), inputChannels: size(m.x.dims, 1) };
  return { m, lanes: l.machine.lanes, ...channels, ...spatial, kernelRows, kernelColumns, rowsOutside: kernelRows * kernelColumns === 1 };
}

/** Whether a convolution of so many taps gives each pixel from the one under it. */
export const isPointwise = (m: ConvMatch, taps: number): boolean => taps === 1 && [...m.strides, ...m.pads].join() === "1,1,0,0";

/** Into what rows the pixels of a pointwise convolution are cut: the longest divisor of at most 64, or all in one row. */
export function rowLength(pixels: number): number {
  for (let d = 64; d >= 24; d--) if (pixels % d === 0) return d;
  return pixels;
}

/** Kernel rows that fall inside the input under output row `oh`: as bounds, and the statements that define them. */
export function kernelRowRange(
  g: Geometry,
  oh: Expr,
  prefix: string,
): { readonly lets: readonly Stmt[]; readonly from: Expr; readonly to: Expr } {
  const [stride, dilation, pad] = [g.m.strides[0], g.m.dilations[0], g.m.pads[0]];
  const first = -pad;
  const last = (g.rows - 1) * stride - pad + (g.kernelRows - 1) * dilation;
  if (first >= 0 && last < g.inputRows) return { lets: [], from: int(0), to: int(g.kernelRows) };
  const start = sub(mul(oh, int(stride)), int(pad));
  const ceilDiv = (e: Expr): Expr => div(add(e, int(dilation - 1)), int(dilation));
  const from = indexVar(`${prefix}khFrom`);
  const to = indexVar(`${prefix}khTo`);
  return {
    lets: [
      letVar(from, ceilDiv(binary("max", int(0), sub(int(0), start)))),
      letVar(to, binary("min", int(g.kernelRows), ceilDiv(sub(int(g.inputRows), start)))),
    ],
    from,
    to,
  };
}
