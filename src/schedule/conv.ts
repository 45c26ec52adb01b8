/**
 * Direct convolution on blocked channels (the loop order and register tile of Georganas et al., "Anatomy of high-performance
 * deep learning convolutions on SIMD architectures", SC 2018). A tile of output channels × pixels stays in registers over the
 * reduction; weights are read as vectors, inputs as broadcast scalars. Columns whose taps fall outside the input have tiles of
 * their own, in which those taps are left out, so nothing is padded or checked.
 */
import { offsetOf, type Placement } from "../loop/expand.ts";
import { add, binary, broadcast, compare, constant, fma, indexVar, int, load, mul, sub, typeOf, variable } from "../loop/expr.ts";
import { forLoop, ifThen, letMutable, letVar, prefetch, setVar } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import { chooseTile, geometryOf, kernelRowRange, type Geometry, type Tile } from "./conv-geometry.ts";
import {
  accumulators,
  epilogue,
  resume,
  suspend,
  tileLoops,
  validPixels,
  writesVectors,
  type Rows,
  type TileContext,
} from "./conv-tile.ts";
import { gatheredRows } from "./gathered-rows.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { matchConv, type ConvMatch } from "./match.ts";
import { packConv } from "./pack.ts";
import { photoRows } from "./photo-rows.ts";
import { inputColumn } from "./tiles.ts";
import { must } from "../util/errors.ts";
import { keepWeights, loadWeights } from "./weights.ts";

/** Where the input is read. */
interface Source {
  /** An element under row kh of the kernel. */
  readonly at: (c: TileContext, channel: Expr, kh: Expr, iw: Expr) => Expr;
  /** Whether that is far away: what comes next is then called for early. */
  readonly far: boolean;
}

/** Packed weights, and how the input channels are cut. */
interface Weights {
  /** Input channels that lie together: a block, or one when the input is plain. */
  readonly inner: number;
  /** Runs of `inner` channels in one part of the reduction. */
  readonly runs: number;
  /** Parts that the reduction is cut into. */
  readonly parts: number;
  /** Where sums lie between the parts. */
  readonly sums: Buffer;
  readonly at: (c: TileContext, block: number, run: Expr, tap: Expr, ic: Expr) => Expr;
}

/** One tap of the kernel, for one input channel: weights of every block times the inputs under every pixel. */
function tap(
  c: TileContext,
  w: Weights,
  source: Source,
  at: (block: number, pixel: number) => Var,
  index: { readonly run: Expr; readonly kh: Expr; readonly ic: Expr },
  kw: number,
): readonly Stmt[] {
  const { g, prefix } = c;
  const { m, lanes } = g;
  const type = typeOf("float32", lanes);
  const columns = { stride: m.strides[1], dilation: m.dilations[1], pad: m.pads[1] };
  const vectors = Array.from({ length: c.blocks }, (_, b) => variable(`${prefix}w${b}_${kw}`, type));
  const position = add(mul(index.kh, int(g.kernelColumns)), int(kw));
  const updates = validPixels(c, kw).flatMap((t): Stmt[] => {
    const iw = add(mul(c.ow, int(columns.stride)), int(inputColumn(columns, t, kw)));
    const v = variable(`${prefix}x${t}_${kw}`, type);
    const scalar = source.at(c, add(mul(index.run, int(w.inner)), index.ic), index.kh, iw);
    return [letVar(v, broadcast(scalar, lanes)), ...vectors.map((wv, b) => setVar(at(b, t), fma(v, wv, at(b, t))))];
  });
  return [...vectors.map((wv, b) => letVar(wv, w.at(c, b, index.run, position, index.ic))), ...updates];
}

const inputDims = (g: Geometry): readonly number[] => [g.batch, g.inputChannels, g.inputRows, g.inputColumns];

/** Reads the input where it lies. */
function fromMemory(x: Placement): Source {
  return {
    far: true,
    at: ({ g, n, oh }, channel, kh, iw) => {
      const { strides, dilations, pads } = g.m;
      const ih = sub(add(mul(oh, int(strides[0])), mul(kh, int(dilations[0]))), int(pads[0]));
      return load(x.buffer, offsetOf(inputDims(g), x.layout, [n, channel, ih, iw]));
    },
  };
}

const fromRows = (rows: Rows): Source => ({ far: false, at: (_, channel, kh, iw) => rows.at(kh, channel, iw) });

/**
 * One tile. From a plain input, as the first layer has, each input channel is summed by itself and the sums are added: shorter
 * chains round less, and it is the order of ONNX Runtime, whose results ours then equal to the bit.
 */
function denseTile(c: TileContext, w: Weights, source: Source): readonly Stmt[] {
  const { g, l, prefix } = c;
  const { parts } = w;
  const { vars, at } = accumulators(c);
  const run = indexVar(`${prefix}icb`);
  const kh = indexVar(`${prefix}kh`);
  const ic = indexVar(`${prefix}ic`);
  const range = kernelRowRange(g, c.oh, prefix);
  const taps = (width: number): readonly Stmt[] =>
    Array.from({ length: g.kernelColumns }, (_, kw) => kw)
      .filter((kw) => validPixels(c, kw).length > 0)
      .map((kw) => forLoop(ic, width, tap(c, w, source, at, { run, kh, ic }, kw)));
  const rows = (width: number): readonly Stmt[] => [
    ...(source.far ? ahead(c, run, w.inner) : []),
    forLoop(kh, range.to, taps(width), { from: range.from }),
  ];
  const zero = constant(0, "float32", g.lanes);
  const zeroed = vars.map((v) => letMutable(v, zero));
  if (l.place(g.m.x).layout.kind === "plain") {
    const sums = vars.map((v) => variable(`${v.name}s`, v.type));
    const addUp = vars.map((v, i) => setVar(sums[i] ?? v, add(sums[i] ?? v, v)));
    const total = (b: number, t: number): Expr => sums[b * c.run.width + t] ?? zero;
    const channels = forLoop(run, g.inputChannels, [...zeroed, ...rows(1), ...addUp]);
    return [...range.lets, ...sums.map((v) => letMutable(v, zero)), channels, ...epilogue(c, total)];
  }
  const whole = Math.floor(g.inputChannels / w.inner);
  const rest = g.inputChannels % w.inner;
  const last = [...(rest > 0 ? [forLoop(run, whole + 1, rows(rest), { from: int(whole) })] : []), ...epilogue(c, at)];
  if (parts === 1) return [...range.lets, ...zeroed, forLoop(run, whole, rows(w.inner)), ...last];
  const from = mul(c.part, int(w.runs));
  const to = binary("min", int(whole), add(from, int(w.runs)));
  return [
    ...range.lets,
    ...zeroed,
    ifThen(compare("gt", c.part, int(0)), resume(c, w.sums, at)),
    forLoop(run, to, rows(w.inner), { from }),
    ifThen(compare("eq", c.part, int(parts - 1)), last, suspend(c, w.sums, at)),
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
  const [rowStride, columnStride] = g.m.strides;
  const nextRow = mul(add(c.oh, int(1)), int(rowStride));
  const at = offsetOf(inputDims(g), x.layout, [c.n, mul(run, int(inner)), nextRow, mul(c.ow, int(columnStride))]);
  const lines = Math.ceil((c.run.width * columnStride * g.lanes) / FLOATS_PER_LINE);
  return Array.from({ length: lines }, (_, i) => prefetch(x.buffer, add(at, int(i * FLOATS_PER_LINE))));
}

/** Of a 64-byte cache line. */
const FLOATS_PER_LINE = 16;

/** Bytes of weights that should stay in the nearest cache while the tiles of a row, or of the image, go by: half of 32 KB. */
const NEAR_WEIGHTS = 16384;

/** Packs the weights, and cuts the reduction into parts when those of one tile would not stay near. */
function packWeights(l: Lowering, g: Geometry, m: ConvMatch, tile: Tile, inner: number): Weights {
  const packed = packConv(must(l.constantOf(m.w), "constant weights"), g.lanes, inner);
  const buffer = keepWeights(l, m.w, "weights", packed.data);
  const perTap = inner * g.lanes;
  const perRun = g.kernelRows * g.kernelColumns * perTap;
  const perBlock = Math.ceil(g.inputChannels / inner) * perRun;
  const runs = Math.max(1, Math.floor(NEAR_WEIGHTS / (4 * perRun * tile.blocks)));
  const parts = inner > 1 ? Math.max(1, Math.ceil(Math.floor(g.inputChannels / inner) / runs)) : 1;
  const result = l.place(l.nest.result).buffer;
  return {
    inner,
    runs,
    parts,
    sums: parts === 1 || result.dtype === "float32" ? result : l.scratch("sums", result.length),
    at: (c, b, run, position, ic) => {
      const base = add(mul(add(c.block, int(b)), int(perBlock)), mul(run, int(perRun)));
      return loadWeights(buffer, add(base, add(mul(position, int(perTap)), mul(ic, int(g.lanes)))), g.lanes);
    },
  };
}

/** A dense convolution with constant weights into a blocked result. */
export const denseConv: Schedule = {
  name: "direct blocked convolution",
  lower: (l) => {
    const m = matchConv(l.nest);
    if (!m || m.depthwise || !l.constantOf(m.w) || !writesVectors(l)) return undefined;
    const cut = geometryOf(l, m);
    const rows = photoRows(l, cut) ?? gatheredRows(l, cut);
    const g = rows?.g ?? cut;
    const x = l.place(m.x);
    const source = rows ? fromRows(rows) : fromMemory(x);
    const tile = chooseTile(l.machine, Math.ceil(g.channels / g.lanes), x.layout.kind, g.columns);
    const weights = packWeights(l, g, m, tile, x.layout.kind === "blocked" ? x.layout.block : 1);
    return tileLoops(l, g, tile, (c) => denseTile(c, weights, source), weights.parts, rows?.make);
  },
};
