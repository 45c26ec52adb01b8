/** Register tiles of convolutions on blocked channels: their accumulators, their ends, and the loops around them. */
import { add, broadcast, div, indexVar, int, load, max, min, mul, sub, typeOf, variable } from "../loop/expr.ts";
import { forLoop, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Geometry, Tile } from "./conv-geometry.ts";
import { channelRead } from "./epilogue.ts";
import type { Lowering } from "./lowering.ts";
import type { Turns } from "./share.ts";
import { eachRun, inputColumn, tileColumns, type TileRun } from "./tiles.ts";

const grid = <T>(rows: number, columns: number, f: (row: number, column: number) => T): T[] =>
  Array.from({ length: rows * columns }, (_, i) => f(Math.floor(i / columns), i % columns));

/** Everything that one tile of a kernel needs to be printed. */
export interface TileContext {
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
  /** Which part of the reduction this is. */
  readonly part: Expr;
}

export function accumulators(c: TileContext): { readonly vars: readonly Var[]; readonly at: (block: number, pixel: number) => Var } {
  const type = typeOf("float32", c.g.lanes);
  const vars = grid(c.blocks, c.run.width, (b, t) => variable(`${c.prefix}acc${b}_${t}`, type));
  return { vars, at: (b, t) => vars[b * c.run.width + t] ?? variable("?", type) };
}

/** Where the vector of a block and pixel of the tile lies in the result. */
function resultOffset(c: TileContext, b: number, t: number): Expr {
  const { g } = c;
  const block = add(mul(c.n, int(Math.ceil(g.channels / g.lanes))), add(c.block, int(b)));
  const pixel = add(add(mul(c.oh, int(g.columns)), c.ow), int(t));
  return mul(add(mul(block, int(g.rows * g.columns)), pixel), int(g.lanes));
}

/** Finishes and stores the tile: bias, activation, residual, all as vectors along the channels. */
export function epilogue(c: TileContext, at: (block: number, pixel: number) => Expr): readonly Stmt[] {
  const { l, g, prefix } = c;
  const target = l.place(l.nest.result);
  return grid(c.blocks, c.run.width, (b, t) => {
    const offset = resultOffset(c, b, t);
    const channel = mul(add(c.block, int(b)), int(g.lanes));
    return store(target.buffer, offset, finishVector(l, { prefix, channel, offset, lanes: g.lanes }, at(b, t)));
  });
}

interface VectorPlace {
  readonly prefix: string;
  /** First channel of the vector. */
  readonly channel: Expr;
  /** Where the vector lies in the result. */
  readonly offset: Expr;
  readonly lanes: number;
}

/** What becomes of a vector of sums: bias, activation, residual. */
export function finishVector(l: Lowering, { prefix, channel, offset, lanes }: VectorPlace, sum: Expr): Expr {
  const { nest } = l;
  const p = nest.result.dims.map((_, i) => indexVar(`${prefix}p${i}`));
  const read = channelRead(l, { dims: nest.result.dims, p, channel, offset, lanes });
  return broadcast(nest.reduction?.finish ? nest.reduction.finish(sum, { p, r: [], read }) : sum, lanes);
}

/** Takes up sums that an earlier part of the reduction left. */
export function resume(c: TileContext, buffer: Buffer, at: (block: number, pixel: number) => Var): readonly Stmt[] {
  return grid(c.blocks, c.run.width, (b, t) => setVar(at(b, t), load(buffer, resultOffset(c, b, t), c.g.lanes)));
}

/** Leaves sums for the next part. */
export function suspend(c: TileContext, buffer: Buffer, at: (block: number, pixel: number) => Var): readonly Stmt[] {
  return grid(c.blocks, c.run.width, (b, t) => store(buffer, resultOffset(c, b, t), at(b, t)));
}

/** The pixels of the tile whose tap at kernel column kw lies inside the input. */
export function validPixels(c: TileContext, kw: number): readonly number[] {
  const { g, run } = c;
  const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
  const all = Array.from({ length: run.width }, (_, t) => t);
  if (!run.edge) return all;
  return all.filter((t) => {
    const iw = inputColumn(columns, run.from + t, kw);
    return iw >= 0 && iw < g.inputColumns;
  });
}

type TileBody = (c: TileContext) => readonly Stmt[];

/** Rows of the input in memory of the kernel, and the geometry of a convolution that reads them; rows are the outer loop. */
export interface Rows {
  readonly g: Geometry;
  /** Makes the rows that row `oh` of the result is computed from. */
  readonly make: (n: Expr, oh: Expr) => readonly Stmt[];
  /** An element of the row under a row of the kernel. */
  readonly at: (kh: Expr, channel: Expr, iw: Expr) => Expr;
}

/**
 * Loops over batch, blocks of channels, parts of the reduction, rows and runs of tiles. With several parts, the weights of one
 * part stay in the nearest cache while all tiles are advanced by it.
 */
export function tileLoops(l: Lowering, g: Geometry, tile: Tile, body: TileBody, parts: number = 1, before?: Rows["make"]): readonly Stmt[] {
  const { prefix } = l;
  const total = Math.ceil(g.channels / g.lanes);
  const n = indexVar(`${prefix}n`);
  const oh = indexVar(`${prefix}oh`);
  const part = indexVar(`${prefix}part`);
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
  const tilesOf = (block: Expr, blocks: number, label: string): readonly Stmt[] =>
    eachRun(runs, `${prefix}${label}`, (ow, run, name) => body({ l, g, prefix: name, n, block, oh, ow, run, blocks, part }));
  const group = indexVar(`${prefix}group`);
  const even = Math.floor(total / tile.blocks);
  const rest = total - even * tile.blocks;
  // Threads share the rows of all groups of channels as one long row.
  const [outer, inner] = g.rowsOutside ? [g.rows, even + (rest > 0 ? 1 : 0)] : [even + (rest > 0 ? 1 : 0), g.rows];
  const mine = l.share(outer * inner);
  const within = (at: Expr, count: number): Turns => {
    const clamp = (e: Expr): Expr => max(int(0), min(int(count), sub(e, mul(at, int(inner)))));
    return { from: clamp(mine.from), to: clamp(mine.to) };
  };
  const whole: Turns = { from: div(mine.from, int(inner)), to: div(add(mine.to, int(inner - 1)), int(inner)) };
  const rowsOf = (stmts: readonly Stmt[], at: Expr): readonly Stmt[] => {
    const { from, to } = within(at, g.rows);
    const rows = [forLoop(oh, to, stmts, { from })];
    return parts > 1 ? [forLoop(part, parts, rows)] : rows;
  };
  if (!g.rowsOutside) {
    const groupsTo = min(whole.to, int(even));
    const stmts = [
      forLoop(group, groupsTo, rowsOf(tilesOf(mul(group, int(tile.blocks)), tile.blocks, "a"), group), { from: whole.from }),
      ...(rest > 0 ? rowsOf(tilesOf(int(even * tile.blocks), rest, "b"), int(even)) : []),
    ];
    return [forLoop(n, g.batch, stmts)];
  }
  const inPart = (stmts: readonly Stmt[]): readonly Stmt[] => (parts > 1 ? [forLoop(part, parts, stmts)] : stmts);
  const { from, to } = within(oh, even + (rest > 0 ? 1 : 0));
  const last = indexVar(`${prefix}last`);
  const groups = [
    forLoop(group, min(to, int(even)), inPart(tilesOf(mul(group, int(tile.blocks)), tile.blocks, "a")), { from }),
    ...(rest > 0 ? [forLoop(last, to, inPart(tilesOf(int(even * tile.blocks), rest, "b")), { from: max(from, int(even)) })] : []),
  ];
  return [forLoop(n, g.batch, [forLoop(oh, whole.to, [...(before?.(n, oh) ?? []), ...groups], { from: whole.from })])];
}

/** What sums of floats become: themselves, or the bytes that a quantised layer reads. */
const RESULTS: ReadonlySet<DType> = new Set(["float32", "uint8"]);

/** Whether floats are summed into a result in blocks of one vector. */
export function writesVectors({ nest, place, machine }: Lowering): boolean {
  const { layout } = place(nest.result);
  const sums = nest.reduction === undefined || nest.reduction.init.type.dtype === "float32";
  return sums && RESULTS.has(nest.result.dtype) && layout.kind === "blocked" && layout.block === machine.lanes;
}
