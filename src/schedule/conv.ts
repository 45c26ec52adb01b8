/**
 * Direct convolution on blocked channels (the loop order and register tile of Georganas et al., "Anatomy of high-performance
 * deep learning convolutions on SIMD architectures", SC 2018). A tile of output channels × pixels stays in registers over the
 * whole reduction; weights are read as vectors, inputs as broadcast scalars. Columns whose taps fall outside the input have
 * tiles of their own, in which those taps are left out, so nothing is padded or checked.
 */
import { offsetOf } from "../loop/expand.ts";
import { add, binary, broadcast, constant, div, fma, indexVar, int, load, mul, sub, typeOf, variable } from "../loop/expr.ts";
import { forLoop, letMutable, letVar, prefetch, setVar, store } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import { physicalDims, type Layout } from "../tensor/layout.ts";
import { stridesOf } from "../tensor/tensor.ts";
import { channelRead } from "./epilogue.ts";
import type { Machine } from "../loop/machine.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { matchConv, type ConvMatch } from "./match.ts";
import { packConv } from "./pack.ts";
import { inputColumn, tileColumns, type TileRun } from "./tiles.ts";

interface Tile {
  /** Output channel blocks in registers. */
  readonly blocks: number;
  /** Pixels in registers. */
  readonly pixels: number;
}

/**
 * Register tiles by registers and channel blocks: accumulators, the weights of one step, and one broadcast input must fit.
 * Two blocks a pixel halve the broadcasts. From a plain input every accumulator has a sum beside it.
 */
export function chooseTile(machine: Machine, channelBlocks: number, input: Layout["kind"]): Tile {
  if (input === "plain") {
    const blocks = Math.min(2, channelBlocks);
    return { blocks, pixels: Math.floor(machine.registers / (2 * blocks)) };
  }
  const blocks = channelBlocks === 3 && machine.registers <= 16 ? 3 : Math.min(2, channelBlocks);
  const pixels = Math.floor((machine.registers - 1 - blocks) / blocks);
  return { blocks, pixels: Math.min(pixels, machine.registers > 16 ? 14 : 12) };
}

/** Sizes and index helpers of one convolution. */
interface Geometry {
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
function geometryOf(l: Lowering, m: ConvMatch): Geometry {
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
  return { m, lanes: l.machine.lanes, ...channels, ...spatial, kernelRows, kernelColumns, rowsOutside: pointwise };
}

const isPointwise = (m: ConvMatch, taps: number): boolean => taps === 1 && [...m.strides, ...m.pads].join() === "1,1,0,0";

/** Into what rows the pixels of a pointwise convolution are cut: the longest divisor of at most 64, or all in one row. */
function rowLength(pixels: number): number {
  for (let d = 64; d >= 24; d--) if (pixels % d === 0) return d;
  return pixels;
}

/** Kernel rows that fall inside the input under output row `oh`: as bounds, and the statements that define them. */
function kernelRowRange(g: Geometry, oh: Expr, prefix: string): { readonly lets: readonly Stmt[]; readonly from: Expr; readonly to: Expr } {
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

const grid = <T>(rows: number, columns: number, f: (row: number, column: number) => T): T[] =>
  Array.from({ length: rows * columns }, (_, i) => f(Math.floor(i / columns), i % columns));

/** Everything that one tile of a kernel needs to be printed. */
interface TileContext {
  readonly l: Lowering;
  readonly g: Geometry;
  readonly prefix: string;
  readonly n: Expr;
  /** First block of output channels. */
  readonly block: Expr;
  readonly oh: Expr;
  /** First column: a number at an edge, an expression elsewhere. */
  readonly ow: Expr;
  readonly run: TileRun;
  readonly blocks: number;
}

function accumulators(c: TileContext): { readonly vars: readonly Var[]; readonly at: (block: number, pixel: number) => Var } {
  const type = typeOf("float32", c.g.lanes);
  const vars = grid(c.blocks, c.run.width, (b, t) => variable(`${c.prefix}acc${b}_${t}`, type));
  return { vars, at: (b, t) => vars[b * c.run.width + t] ?? variable("?", type) };
}

/** Finishes and stores the tile: bias, activation, residual, all as vectors along the channels. */
function epilogue(c: TileContext, at: (block: number, pixel: number) => Expr): readonly Stmt[] {
  const { l, g } = c;
  const { nest } = l;
  const target = l.place(nest.result);
  const p = nest.result.dims.map((_, i) => indexVar(`${c.prefix}p${i}`));
  const pixelsOf = g.rows * g.columns;
  const totalBlocks = Math.ceil(g.channels / g.lanes);
  return grid(c.blocks, c.run.width, (b, t) => {
    const block = add(c.block, int(b));
    const pixel = add(add(mul(c.oh, int(g.columns)), c.ow), int(t));
    const offset = mul(add(mul(add(mul(c.n, int(totalBlocks)), block), int(pixelsOf)), pixel), int(g.lanes));
    const read = channelRead(l, { dims: nest.result.dims, p, channel: mul(block, int(g.lanes)), offset, lanes: g.lanes });
    const acc = at(b, t);
    const value = nest.reduction?.finish ? nest.reduction.finish(acc, { p, r: [], read }) : acc;
    return store(target.buffer, offset, broadcast(value, g.lanes));
  });
}

/**
 * One tile of a dense convolution. From a plain input, as the first layer has, each input channel is summed by itself and the
 * sums are added: shorter chains round less, and it is the order of ONNX Runtime, whose results ours then equal to the bit.
 */
function denseTile(
  c: TileContext,
  weights: (block: number, run: Expr, kh: Expr, kw: number, ic: Expr) => Expr,
  inner: number,
): readonly Stmt[] {
  const { g, l, prefix } = c;
  const { vars, at } = accumulators(c);
  const x = l.place(g.m.x);
  const xDims = [g.batch, g.inputChannels, g.inputRows, g.inputColumns];
  const kh = indexVar(`${prefix}kh`);
  const run = indexVar(`${prefix}icb`);
  const ic = indexVar(`${prefix}ic`);
  const range = kernelRowRange(g, c.oh, prefix);
  const ih = sub(add(mul(c.oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0]))), int(g.m.pads[0]));
  const step = (kw: number): readonly Stmt[] => {
    const pixels = validPixels(c, kw);
    const w = Array.from({ length: c.blocks }, (_, b) => variable(`${prefix}w${b}_${kw}`, typeOf("float32", g.lanes)));
    const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
    const updates = pixels.flatMap((t): Stmt[] => {
      const iw = add(mul(c.ow, int(g.m.strides[1])), int(inputColumn(columns, t, kw)));
      const v = variable(`${prefix}x${t}_${kw}`, typeOf("float32", g.lanes));
      const scalar = load(x.buffer, offsetOf(xDims, x.layout, [c.n, add(mul(run, int(inner)), ic), ih, iw]));
      return [letVar(v, broadcast(scalar, g.lanes)), ...w.map((wv, b) => setVar(at(b, t), fma(v, wv, at(b, t))))];
    });
    return [...w.map((wv, b) => letVar(wv, weights(b, run, kh, kw, ic))), ...updates];
  };
  const taps = (width: number): readonly Stmt[] =>
    Array.from({ length: g.kernelColumns }, (_, kw) => kw)
      .filter((kw) => validPixels(c, kw).length > 0)
      .map((kw) => forLoop(ic, width, step(kw)));
  const whole = Math.floor(g.inputChannels / inner);
  const rest = g.inputChannels % inner;
  const rows = (width: number): readonly Stmt[] => [...ahead(c, run, inner), forLoop(kh, range.to, taps(width), { from: range.from })];
  const zero = constant(0, "float32", g.lanes);
  if (x.layout.kind === "plain") {
    const sums = vars.map((v) => variable(`${v.name}s`, v.type));
    const oneChannel = [
      ...vars.map((v) => letMutable(v, zero)),
      ...rows(1),
      ...vars.map((v, i) => setVar(sums[i] ?? v, add(sums[i] ?? v, v))),
    ];
    const total = (b: number, t: number): Expr => sums[b * c.run.width + t] ?? zero;
    return [...range.lets, ...sums.map((v) => letMutable(v, zero)), forLoop(run, g.inputChannels, oneChannel), ...epilogue(c, total)];
  }
  return [
    ...range.lets,
    ...vars.map((v) => letMutable(v, zero)),
    forLoop(run, whole, rows(inner)),
    ...(rest > 0 ? [forLoop(run, whole + 1, rows(rest), { from: int(whole) })] : []),
    ...epilogue(c, at),
  ];
}

/**
 * Pulls in the same columns of the next row. A pointwise convolution jumps from channel block to channel block, which no
 * hardware prefetcher follows.
 */
function ahead(c: TileContext, run: Expr, inner: number): readonly Stmt[] {
  const { g, l } = c;
  const x = l.place(g.m.x);
  if (!g.rowsOutside || x.layout.kind !== "blocked") return [];
  const dims = [g.batch, g.inputChannels, g.inputRows, g.inputColumns];
  const at = offsetOf(dims, x.layout, [c.n, mul(run, int(inner)), add(c.oh, int(1)), c.ow]);
  const lines = Math.ceil((c.run.width * g.lanes) / FLOATS_PER_LINE);
  return Array.from({ length: lines }, (_, i) => prefetch(x.buffer, add(at, int(i * FLOATS_PER_LINE))));
}

/** Of a 64-byte cache line. */
const FLOATS_PER_LINE = 16;

/** The pixels of the tile whose tap at kernel column kw lies inside the input. */
function validPixels(c: TileContext, kw: number): readonly number[] {
  const { g, run } = c;
  const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
  const all = Array.from({ length: run.width }, (_, t) => t);
  if (!run.edge) return all;
  return all.filter((t) => {
    const iw = inputColumn(columns, run.from + t, kw);
    return iw >= 0 && iw < g.inputColumns;
  });
}

/** One tile of a depthwise convolution: inputs are vectors, each loaded once for all the taps that meet it. */
function depthwiseTile(c: TileContext, weights: (kh: Expr, kw: number) => Expr): readonly Stmt[] {
  const { g, l, prefix } = c;
  const { vars, at } = accumulators(c);
  const type = typeOf("float32", g.lanes);
  const x = l.place(g.m.x);
  const strides = stridesOf(physicalDims(g.m.x.dims, x.layout));
  const kh = indexVar(`${prefix}kh`);
  const range = kernelRowRange(g, c.oh, prefix);
  const ih = sub(add(mul(c.oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0]))), int(g.m.pads[0]));
  const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
  const base = add(add(mul(c.n, int(strides[0] ?? 1)), mul(c.block, int(strides[1] ?? 1))), mul(ih, int(strides[2] ?? 1)));
  const loads = new Map<number, Stmt>();
  const inputAt = (t: number, kw: number): Var => {
    const shift = inputColumn(columns, t, kw);
    const v = variable(`${prefix}x${shift + columns.pad}`, type);
    const iw = add(mul(c.ow, int(columns.stride)), int(shift));
    loads.set(shift, letVar(v, load(x.buffer, add(base, mul(iw, int(g.lanes))), g.lanes)));
    return v;
  };
  const updates = Array.from({ length: g.kernelColumns }, (_, kw) => kw).flatMap((kw) => {
    const w = variable(`${prefix}w${kw}`, type);
    const pixels = validPixels(c, kw);
    return pixels.length === 0
      ? []
      : [letVar(w, weights(kh, kw)), ...pixels.map((t) => setVar(at(0, t), fma(inputAt(t, kw), w, at(0, t))))];
  });
  return [
    ...range.lets,
    ...vars.map((v) => letMutable(v, constant(0, "float32", g.lanes))),
    forLoop(kh, range.to, [...loads.values(), ...updates], { from: range.from }),
    ...epilogue(c, at),
  ];
}

type TileBody = (c: TileContext) => readonly Stmt[];

/** Loops over batch, blocks of channels, rows and runs of tiles. */
function tileLoops(l: Lowering, g: Geometry, tile: Tile, body: TileBody): readonly Stmt[] {
  const { prefix } = l;
  const total = Math.ceil(g.channels / g.lanes);
  const n = indexVar(`${prefix}n`);
  const oh = indexVar(`${prefix}oh`);
  const runs = tileColumns(
    {
      output: g.columns,
      input: g.inputColumns,
      kernel: g.kernelColumns,
      stride: g.m.strides[1],
      dilation: g.m.dilations[1],
      pad: g.m.pads[1],
    },
    tile.pixels,
  );
  const tilesOf = (block: Expr, blocks: number, part: string): readonly Stmt[] =>
    runs.flatMap((run, i): readonly Stmt[] => {
      const name = `${prefix}${part}${i}`;
      const context = { l, g, prefix: name, n, block, oh, run, blocks };
      if (run.count === 1) return body({ ...context, ow: int(run.from) });
      const at = indexVar(`${name}ow`);
      const end = run.from + run.count * run.width;
      return [forLoop(at, end, body({ ...context, ow: at }), { from: int(run.from), step: run.width })];
    });
  const ocb = indexVar(`${prefix}ocb`);
  const even = total - (total % tile.blocks);
  const rowOf = (stmts: readonly Stmt[]): readonly Stmt[] => (g.rowsOutside ? stmts : [forLoop(oh, g.rows, stmts)]);
  const groups = [
    ...(even > 0 ? [forLoop(ocb, even, rowOf(tilesOf(ocb, tile.blocks, "a")), { step: tile.blocks })] : []),
    ...(total > even ? rowOf(tilesOf(int(even), total - even, "b")) : []),
  ];
  return [forLoop(n, g.batch, g.rowsOutside ? [forLoop(oh, g.rows, groups)] : groups)];
}

/** A dense convolution with constant weights into a blocked result. */
export const denseConv: Schedule = {
  name: "direct blocked convolution",
  lower: (l) => {
    const m = matchConv(l.nest);
    const w = m && l.constantOf(m.w);
    const out = l.place(l.nest.result);
    if (
      !m ||
      !w ||
      m.depthwise ||
      out.layout.kind !== "blocked" ||
      out.layout.block !== l.machine.lanes ||
      l.nest.result.dtype !== "float32"
    )
      return undefined;
    const g = geometryOf(l, m);
    const x = l.place(m.x);
    const inner = x.layout.kind === "blocked" ? x.layout.block : 1;
    const packed = packConv(w, g.lanes, inner);
    const buffer = l.pack("weights", { type: "float32", dims: [packed.data.length], data: packed.data });
    const tile = chooseTile(l.machine, packed.blocks, x.layout.kind);
    const perTap = inner * g.lanes;
    const perRun = g.kernelRows * g.kernelColumns * perTap;
    const perBlock = Math.ceil(g.inputChannels / inner) * perRun;
    return tileLoops(l, g, tile, (c) =>
      denseTile(
        c,
        (b, run, kh, kw, ic) => {
          const tap = add(mul(kh, int(g.kernelColumns)), int(kw));
          const at = add(
            add(mul(add(c.block, int(b)), int(perBlock)), mul(run, int(perRun))),
            add(mul(tap, int(perTap)), mul(ic, int(g.lanes))),
          );
          return load(buffer, at, g.lanes);
        },
        inner,
      ),
    );
  },
};

/** As many pixels as leave room for their accumulators, the inputs they share, and the weights of one row. */
function depthwisePixels(machine: Machine, g: Geometry): number {
  const free = machine.registers - 1 - g.kernelColumns;
  const [, stride] = g.m.strides;
  return Math.max(1, Math.floor((free - g.kernelColumns + stride) / (1 + stride)));
}

/** A depthwise convolution with constant weights, blocked in and out. */
export const depthwiseConv: Schedule = {
  name: "blocked depthwise convolution",
  lower: (l) => {
    const m = matchConv(l.nest);
    const w = m && l.constantOf(m.w);
    const out = l.place(l.nest.result);
    if (!m || !w || !m.depthwise || out.layout.kind !== "blocked" || l.nest.result.dtype !== "float32") return undefined;
    const x = l.place(m.x);
    if (x.layout.kind !== "blocked" || x.layout.block !== l.machine.lanes || out.layout.block !== l.machine.lanes) return undefined;
    const g = geometryOf(l, m);
    const packed = packConv(w, g.lanes, 1);
    const buffer = l.pack("weights", { type: "float32", dims: [packed.data.length], data: packed.data });
    const pixels = depthwisePixels(l.machine, g);
    const taps = g.kernelRows * g.kernelColumns;
    return tileLoops(l, g, { blocks: 1, pixels }, (c) =>
      depthwiseTile(c, (kh, kw) =>
        load(buffer, mul(add(mul(c.block, int(taps)), add(mul(kh, int(g.kernelColumns)), int(kw))), int(g.lanes)), g.lanes),
      ),
    );
  },
};
