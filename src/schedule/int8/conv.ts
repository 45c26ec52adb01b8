/**
 * Direct quantised convolution on blocked channels. As in fp32 a tile of output channels × pixels stays in registers over the whole
 * reduction; one step multiplies the two (int16) or four (bytes) input channels of a pixel, in every lane, with those of `lanes` output
 * channels. vpdpbusd adds four products exactly; elsewhere bytes are widened to int16 for vpmaddwd, i32x4.dot_i16x8_s or smull, none
 * of which can saturate as vpmaddubsw does.
 */
import { add, cast, constant, dot2, dot4, indexVar, int, load, mul, sub, typeOf, variable } from "../../loop/expr.ts";
import { alloc, forLoop, letMutable, letVar, setVar, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../../loop/types.ts";
import { must } from "../../util/errors.ts";
import { finishVector } from "../conv-tile.ts";
import type { Lowering, Schedule } from "../lowering.ts";
import { eachRun, tileWhole } from "../tiles.ts";
import { int8Geometry, int8Tile, type Int8Geometry } from "./geometry.ts";
import { matchInt8Conv, type Int8Match } from "./match.ts";
import { packInt8 } from "./pack.ts";
import { startSums, type Started } from "./start.ts";
import { broadcastGroup, stagedRowLength, stagedType, stageRow, type Source } from "./stage.ts";

interface Kernel extends Started {
  readonly g: Int8Geometry;
  readonly match: Int8Match;
  readonly weights: Buffer;
}

interface Tile {
  readonly prefix: string;
  readonly n: Expr;
  readonly block: Expr;
  readonly blocks: number;
  readonly oh: Expr;
  readonly ow: Expr;
  readonly pixels: number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** One dot product for every accumulator of the tile. */
function step(
  k: Kernel,
  t: Tile,
  source: Source,
  at: (b: number, p: number) => Var,
  run: Expr,
  kh: Expr,
  kw: number,
  part: Expr,
): readonly Stmt[] {
  const { g, weights } = k;
  const { lanes, group, inner } = g;
  const perTap = inner * lanes;
  const perBlock = g.runs * g.kernelRows * g.kernelColumns * perTap;
  const tap = add(mul(add(mul(run, int(g.kernelRows)), kh), int(g.kernelColumns)), int(kw));
  const vectors = range(t.blocks).map((b) => variable(`${t.prefix}w${b}_${kw}`, typeOf(group === 2 ? "int16" : "int8", group * lanes)));
  const lets = vectors.map((v, b) => {
    const offset = add(mul(add(t.block, int(b)), int(perBlock)), add(mul(tap, int(perTap)), mul(part, int(group * lanes))));
    const bytes = load(weights, offset, group * lanes);
    return letVar(v, group === 2 ? cast(bytes, "int16") : bytes);
  });
  const row = add(source.row(kh), mul(run, int(source.runStride)));
  const updates = range(t.pixels).flatMap((p): Stmt[] => {
    const column = add(mul(t.ow, int(g.m.strides[1])), int(p * g.m.strides[1] + kw * g.m.dilations[1]));
    const place = add(add(row, mul(column, int(inner))), mul(part, int(group)));
    const x = variable(`${t.prefix}x${p}_${kw}`, typeOf(group === 2 ? "int16" : "uint8", group * lanes));
    const dot = group === 2 ? dot2 : dot4;
    return [letVar(x, broadcastGroup(g, source.buffer, place)), ...vectors.map((w, b) => setVar(at(b, p), dot(at(b, p), x, w)))];
  });
  return [...lets, ...updates];
}

/** Requantises the tile and stores it. */
function finishTile({ l, g }: Kernel, t: Tile, at: (b: number, p: number) => Expr): readonly Stmt[] {
  const target = l.place(l.nest.result);
  return range(t.blocks).flatMap((b) =>
    range(t.pixels).map((i) => {
      const block = add(t.block, int(b));
      const plane = add(mul(t.n, int(Math.ceil(g.channels / g.lanes))), block);
      const offset = mul(add(mul(plane, int(g.rows * g.columns)), add(add(mul(t.oh, int(g.columns)), t.ow), int(i))), int(g.lanes));
      const place = { prefix: t.prefix, channel: mul(block, int(g.lanes)), offset, lanes: g.lanes };
      return store(target.buffer, offset, finishVector(l, place, at(b, i)));
    }),
  );
}

function tile(k: Kernel, t: Tile, source: Source): readonly Stmt[] {
  const { g, start } = k;
  const type = typeOf("int32", g.lanes);
  const vars = range(t.blocks * t.pixels).map((i) => variable(`${t.prefix}acc${Math.floor(i / t.pixels)}_${i % t.pixels}`, type));
  const at = (b: number, p: number): Var => must(vars[b * t.pixels + p], "an accumulator");
  const first = (i: number): Expr =>
    start ? load(start, mul(add(t.block, int(Math.floor(i / t.pixels))), int(g.lanes)), g.lanes) : constant(0, "int32", g.lanes);
  const [run, kh, part] = [indexVar(`${t.prefix}run`), indexVar(`${t.prefix}kh`), indexVar(`${t.prefix}part`)];
  const parts = g.inner / g.group;
  const taps = range(g.kernelColumns).flatMap((kw) =>
    parts === 1 ? step(k, t, source, at, run, kh, kw, int(0)) : [forLoop(part, parts, step(k, t, source, at, run, kh, kw, part))],
  );
  return [...vars.map((v, i) => letMutable(v, first(i))), forLoop(run, g.runs, [forLoop(kh, g.kernelRows, taps)]), ...finishTile(k, t, at)];
}

/** Tiles of one output row and one group of channel blocks. */
function rowTiles(
  k: Kernel,
  at: { readonly n: Expr; readonly block: Expr; readonly blocks: number; readonly oh: Expr },
  source: Source,
  pixels: number,
  label: string,
): readonly Stmt[] {
  return eachRun(tileWhole(k.g.columns, pixels), `${k.l.prefix}${label}`, (ow, { width }, prefix) =>
    tile(k, { ...at, prefix, ow, pixels: width }, source),
  );
}

/** Loops over groups of channel blocks; `body` gets the first block and how many there are. */
function blockLoop(k: Kernel, blocks: number, body: (block: Expr, blocks: number, label: string) => readonly Stmt[]): readonly Stmt[] {
  const total = Math.ceil(k.g.channels / k.g.lanes);
  const even = total - (total % blocks);
  const ocb = indexVar(`${k.l.prefix}ocb`);
  return [
    ...(even > 0 ? [forLoop(ocb, even, body(ocb, blocks, "a"), { step: blocks })] : []),
    ...(total > even ? body(int(even), total - even, "b") : []),
  ];
}

/** Bytes of a staged image up to which it is staged at once, so that the weights of a few channels stay near over the whole image. */
const NEAR_IMAGE = 1 << 18;
/** Bytes of staged rows that may lie on the stack. */
const STACK = 1 << 19;

/** Input that needs no staging: bytes without padding. */
function direct(k: Kernel, n: Expr, oh: Expr): Source | undefined {
  const { g, l, match } = k;
  const x = l.place(match.conv.x);
  const last = (g.rows - 1) * g.m.strides[0] + (g.kernelRows - 1) * g.m.dilations[0];
  const inside = g.m.pads[0] === 0 && g.m.pads[1] === 0 && last < g.inputRows && g.stagedColumns <= g.inputColumns;
  if (g.group !== 4 || x.layout.kind !== "blocked" || !inside) return undefined;
  const row = (kh: Expr): Expr => {
    const ih = add(mul(oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0])));
    return mul(add(mul(mul(n, int(g.runs)), int(g.inputRows)), ih), int(g.inputColumns * g.inner));
  };
  return { buffer: x.buffer, row, runStride: g.inputRows * g.inputColumns * g.inner };
}

function loops(k: Kernel): readonly Stmt[] {
  const { l, g, match } = k;
  const { blocks, pixels } = int8Tile(l.machine, g);
  const [n, oh, r] = [indexVar(`${l.prefix}n`), indexVar(`${l.prefix}oh`), indexVar(`${l.prefix}row`)];
  // Threads share the rows of the result, and each stages those of the input that it needs.
  const mine = l.share(g.rows);
  const inRows =
    (source: Source) =>
    (block: Expr, count: number, label: string): readonly Stmt[] => [
      forLoop(oh, mine.to, rowTiles(k, { n, block, blocks: count, oh }, source, pixels, label), { from: mine.from }),
    ];
  const asIs = direct(k, n, oh);
  if (asIs) return [forLoop(n, g.batch, blockLoop(k, blocks, inRows(asIs)))];
  const type = stagedType(g);
  const rowLength = stagedRowLength(g);
  const bytes = (rows: number): number => rows * rowLength * (type === "int16" ? 2 : 1);
  const runStride = g.stagedColumns * g.inner;
  const stage = (target: Buffer, to: Expr, ih: Expr): readonly Stmt[] =>
    stageRow({ l, g, match, target, to, n, ih, prefix: `${l.prefix}s` });
  const top = int(-g.m.pads[0]);
  if (bytes(g.stagedRows) <= NEAR_IMAGE || bytes(g.kernelRows) > STACK) {
    const buffer = l.scratch("staged", g.stagedRows * rowLength, type);
    const row = (kh: Expr): Expr => mul(add(mul(oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0]))), int(rowLength));
    const [from, last] = [mul(mine.from, int(g.m.strides[0])), mul(sub(mine.to, int(1)), int(g.m.strides[0]))];
    const to = add(last, int((g.kernelRows - 1) * g.m.dilations[0] + 1));
    const all = forLoop(r, to, stage(buffer, mul(r, int(rowLength)), add(r, top)), { from });
    return [forLoop(n, g.batch, [all, ...blockLoop(k, blocks, inRows({ buffer, row, runStride }))])];
  }
  const buffer: Buffer = { name: `${l.prefix}staged`, dtype: type, length: g.kernelRows * rowLength, access: "readwrite" };
  const source: Source = { buffer, row: (kh) => mul(kh, int(rowLength)), runStride };
  const first = add(mul(oh, int(g.m.strides[0])), top);
  const rows = forLoop(r, g.kernelRows, stage(buffer, mul(r, int(rowLength)), add(first, mul(r, int(g.m.dilations[0])))));
  const tiles = blockLoop(k, blocks, (block, count, label) => rowTiles(k, { n, block, blocks: count, oh }, source, pixels, label));
  return [forLoop(n, g.batch, [alloc(buffer, [forLoop(oh, mine.to, [rows, ...tiles], { from: mine.from })])])];
}

/** Whether the result lies in blocks of one vector. */
export function writesBlocks({ nest, place, machine }: Lowering): boolean {
  const { layout } = place(nest.result);
  return layout.kind === "blocked" && layout.block === machine.lanes;
}

/** Channels up to which a plain input is staged element by element. */
const FEW_CHANNELS = 16;

/** A dense quantised convolution with constant weights into a blocked result. */
export const int8Conv: Schedule = {
  name: "direct int8 convolution",
  lower: (l) => {
    const match = matchInt8Conv(l.nest);
    const w = match && l.constantOf(match.conv.w);
    if (!match || !w || match.conv.depthwise || !l.constantOf(match.xZero) || !writesBlocks(l)) return undefined;
    const { layout } = l.place(match.conv.x);
    const g = int8Geometry(l, match);
    const fits = layout.kind === "blocked" ? layout.block === l.machine.lanes : g.inputChannels <= FEW_CHANNELS;
    if (!fits || g.inner % g.group !== 0) return undefined;
    const weights = l.pack("weights", packInt8(w, g.lanes, g.inner, g.group));
    return loops({ ...startSums(l, g, match, g.group === 4), g, match, weights });
  },
};
