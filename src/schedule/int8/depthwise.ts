/**
 * Depthwise quantised convolution on blocked channels. Every channel of a vector has its own kernel, so that a dot product takes
 * neighbouring pixels of each channel: the bytes of two or four columns are interleaved once, where they lie on even columns of a tile,
 * and serve all outputs of their row. An output whose window begins between them has weights that are moved by one.
 */
import {
  add,
  bitcast,
  cast,
  constant,
  div,
  dot2,
  dot4,
  indexVar,
  int,
  load,
  min,
  mod,
  mul,
  shuffle,
  sub,
  typeOf,
  variable,
} from "../../loop/expr.ts";
import type { Machine } from "../../loop/machine.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../../loop/types.ts";
import { must } from "../../util/errors.ts";
import { finishVector } from "../conv-tile.ts";
import type { Schedule } from "../lowering.ts";
import { eachRun, tileWhole } from "../tiles.ts";
import { writesBlocks } from "./conv.ts";
import { depthwiseTaps, type DepthwiseTaps } from "./depthwise-taps.ts";
import { depthwiseWeights, type DepthwiseWeights } from "./depthwise-weights.ts";
import { depthwiseGeometry, type Int8Geometry } from "./geometry.ts";
import { matchInt8Conv, type Int8Match } from "./match.ts";
import { stageRow } from "./stage.ts";
import { startSums, type Started } from "./start.ts";

interface Kernel extends Started {
  /** Of one block of channels. */
  readonly g: Int8Geometry;
  readonly match: Int8Match;
  readonly taps: DepthwiseTaps;
  readonly weights: DepthwiseWeights;
  /** Rows of the input that lie staged. */
  readonly staged: Buffer;
}

interface Tile {
  readonly prefix: string;
  /** Batch and block of channels in one. */
  readonly plane: Expr;
  readonly block: Expr;
  readonly oh: Expr;
  /** The first row of the result that is computed from what lies staged. */
  readonly top: Expr;
  readonly ow: Expr;
  readonly pixels: number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The columns of one dot product, interleaved: those of a channel lie together. */
function interleaved({ g, staged, taps }: Kernel, at: Expr): Expr {
  const { lanes } = g;
  const channels = range(lanes);
  if (taps.group === 1) return cast(load(staged, at, lanes), "int16");
  const bytes = load(staged, at, taps.group * lanes);
  if (taps.group === 4)
    return shuffle(
      bytes,
      bytes,
      channels.flatMap((c) => [c, lanes + c, 2 * lanes + c, 3 * lanes + c]),
    );
  const none = 2 * lanes;
  const widened = channels.flatMap((c) => [c, none, lanes + c, none]);
  return bitcast(shuffle(bytes, constant(0, "uint8", 2 * lanes), widened), "int16", 2 * lanes);
}

/** A sum with the products of the columns of one vector added. */
function advance({ group }: DepthwiseTaps, acc: Expr, x: Expr, w: Expr): Expr {
  if (group === 1) return add(acc, mul(cast(x, "int32"), cast(w, "int32")));
  return group === 2 ? dot2(acc, x, w) : dot4(acc, x, w);
}

/** What the kernel's row `kh` adds to every sum of the tile. */
function rowOf(k: Kernel, t: Tile, at: (p: number) => Var, kh: Expr): readonly Stmt[] {
  const { g, taps, weights } = k;
  const { lanes } = g;
  const stride = g.m.strides[1];
  const perVector = lanes * taps.group;
  const used = taps.vectors.filter((v) => v.phase === 0 || t.pixels > 1);
  const type = typeOf(weights.buffer.dtype, perVector);
  const named = used.map((v) => variable(`${t.prefix}w${v.place}`, type));
  const row = weights.row(t.block, kh);
  const lets = used.map((v, i) =>
    letVar(must(named[i], "a name"), load(weights.buffer, mul(add(row, int(v.place)), int(perVector)), perVector)),
  );
  const ih = add(mul(sub(t.oh, t.top), int(g.m.strides[0])), mul(kh, int(g.m.dilations[0])));
  const base = add(mul(ih, int(g.stagedColumns * lanes)), mul(t.ow, int(stride * lanes)));
  // By the column at which a vector begins: which sums it is added to, and with which weights.
  const uses = new Map<number, Stmt[]>();
  const inputs = new Map<number, Var>();
  for (const p of range(t.pixels)) {
    const phase = (p * stride) % taps.spacing;
    used.forEach((v, i) => {
      if (v.phase !== phase) return;
      const column = p * stride - phase + v.column;
      const x = inputs.get(column) ?? variable(`${t.prefix}x${column}`, typeOf(taps.group === 4 ? "uint8" : "int16", perVector));
      inputs.set(column, x);
      uses.set(column, [...(uses.get(column) ?? []), setVar(at(p), advance(taps, at(p), x, must(named[i], "a name")))]);
    });
  }
  const columns = [...inputs].sort(([a], [b]) => a - b);
  return [
    ...lets,
    ...columns.flatMap(([column, x]) => [letVar(x, interleaved(k, add(base, int(column * lanes)))), ...(uses.get(column) ?? [])]),
  ];
}

function tile(k: Kernel, t: Tile): readonly Stmt[] {
  const { g, l, start } = k;
  const vars = range(t.pixels).map((p) => variable(`${t.prefix}acc${p}`, typeOf("int32", g.lanes)));
  const at = (p: number): Var => must(vars[p], "an accumulator");
  const kh = indexVar(`${t.prefix}kh`);
  const channel = mul(t.block, int(g.lanes));
  const target = l.place(l.nest.result);
  const pixel = add(mul(add(mul(t.plane, int(g.rows)), t.oh), int(g.columns)), t.ow);
  return [
    ...vars.map((v) => letMutable(v, start ? load(start, channel, g.lanes) : constant(0, "int32", g.lanes))),
    forLoop(kh, g.kernelRows, rowOf(k, t, at, kh)),
    ...vars.map((v, p) => {
      const offset = mul(add(pixel, int(p)), int(g.lanes));
      return store(target.buffer, offset, finishVector(l, { prefix: t.prefix, channel, offset, lanes: g.lanes }, v));
    }),
  ];
}

/** The tiles of one row of the result. */
function rowTiles(k: Kernel, at: Pick<Tile, "plane" | "block" | "oh" | "top">, most: number): readonly Stmt[] {
  const { g, l } = k;
  return eachRun(tileWhole(g.columns, most), `${l.prefix}t`, (ow, { width }, prefix) => tile(k, { ...at, prefix, ow, pixels: width }));
}

/** Bytes of staged rows that the nearest cache keeps beside weights and results. */
const NEAR = 1 << 14;

/** Rows of the result that are computed from what is staged at once. */
function stripRows(g: Int8Geometry): number {
  const row = g.stagedColumns * g.lanes;
  const reach = (g.kernelRows - 1) * g.m.dilations[0] + 1;
  return Math.max(1, Math.min(g.rows, Math.floor((NEAR / row - reach) / g.m.strides[0]) + 1));
}

/**
 * Pixels of a tile: on machines of few registers weights and inputs come from memory beside so many sums, which costs less than
 * reading all weights for fewer would.
 */
const pixelsOf = (machine: Machine): number => (machine.registers > 16 ? 12 : 8);

function loops(k: Kernel, strip: number): readonly Stmt[] {
  const { l, g, match, weights, staged } = k;
  const blocks = Math.ceil(g.channels / g.lanes);
  const strips = Math.ceil(g.rows / strip);
  const [stride, dilation] = [g.m.strides[0], g.m.dilations[0]];
  const name = (stem: string): Var => indexVar(`${l.prefix}${stem}`);
  const [turn, plane, block, top, bottom, row, oh] = [
    name("turn"),
    name("plane"),
    name("block"),
    name("top"),
    name("bottom"),
    name("row"),
    name("oh"),
  ];
  const mine = l.share(g.batch * blocks * strips);
  const ih = add(sub(mul(top, int(stride)), int(g.m.pads[0])), row);
  const to = mul(row, int(g.stagedColumns * g.lanes));
  const stage = stageRow({ l, g, match, target: staged, to, n: plane, ih, prefix: `${l.prefix}s` });
  const last = add(mul(sub(sub(bottom, top), int(1)), int(stride)), int((g.kernelRows - 1) * dilation + 1));
  return [
    forLoop(
      turn,
      mine.to,
      [
        letVar(plane, div(turn, int(strips))),
        letVar(block, g.batch === 1 ? plane : mod(plane, int(blocks))),
        letVar(top, mul(sub(turn, mul(plane, int(strips))), int(strip))),
        letVar(bottom, min(int(g.rows), add(top, int(strip)))),
        forLoop(row, last, stage),
        ...weights.forBlock(block, [forLoop(oh, bottom, rowTiles(k, { plane, block, oh, top }, pixelsOf(l.machine)), { from: top })]),
      ],
      { from: mine.from },
    ),
  ];
}

/** A depthwise quantised convolution with constant weights, blocked in and out. */
export const int8Depthwise: Schedule = {
  name: "int8 depthwise convolution",
  lower: (l) => {
    const match = matchInt8Conv(l.nest);
    const w = match && l.constantOf(match.conv.w);
    if (!match?.conv.depthwise || !w || !l.constantOf(match.xZero) || !writesBlocks(l)) return undefined;
    const { layout } = l.place(match.conv.x);
    if (layout.kind !== "blocked" || layout.block !== l.machine.lanes) return undefined;
    const g = depthwiseGeometry(l, match);
    const taps = depthwiseTaps(l.machine, match);
    const strip = stripRows(g);
    const rows = (strip - 1) * g.m.strides[0] + (g.kernelRows - 1) * g.m.dilations[0] + 1;
    // The last vector of a row may reach over columns without weights.
    const length = (rows * g.stagedColumns + taps.reach) * g.lanes;
    const weights = depthwiseWeights(l, g, w, taps);
    const staged = l.scratch("staged", length, "uint8");
    return loops({ ...startSums(l, g, match, true), g, match, taps, weights, staged }, strip);
  },
};
