/**
 * 3×3 quantised convolution of stride 1 by Winograd's F(4×4, 3×3) in integers, for machines that multiply int16 in pairs. As in
 * fp32 the image is cut into strips of tiles. Weights stay bytes in the engine: for every strip a pair of blocks of output
 * channels has its weights transformed, into memory of the kernel, just before its products are summed.
 */
import {
  add,
  broadcast,
  cast,
  compare,
  constant,
  dot2,
  indexVar,
  int,
  load,
  min,
  mul,
  select,
  sub,
  typeOf,
  variable,
} from "../../loop/expr.ts";
import { alloc, forLoop, ifThen, letMutable, letVar, setVar, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../../loop/types.ts";
import { must } from "../../util/errors.ts";
import { geometryOf, type Geometry } from "../conv-geometry.ts";
import { finishVector } from "../conv-tile.ts";
import type { Lowering, Schedule } from "../lowering.ts";
import { eachRun, tileWhole } from "../tiles.ts";
import { PATCH, PRODUCTS, six, TILE } from "../winograd.ts";
import { applied, eachTile, inside, named, namedAll, stripLoops, stripsOf, type Strips, type TilePosition } from "../winograd-strips.ts";
import { writesBlocks } from "./conv.ts";
import { groupOf } from "./geometry.ts";
import { matchInt8Conv, type Int8Match } from "./match.ts";
import { packInt8 } from "./pack.ts";
import { broadcastGroup } from "./stage.ts";
import { isExact, transformColumn, transformInput, transformRow, transformTaps } from "./winograd.ts";

/** How the work is cut. */
interface Plan extends Strips {
  /** Tiles in registers. */
  readonly width: number;
  /** Blocks of output channels in registers. */
  readonly blocks: number;
  /** Input channels whose weights are transformed at once, and how many times that is done. */
  readonly chunk: number;
  readonly parts: number;
}

/** Everything that the parts of one kernel need. */
interface Context {
  readonly l: Lowering;
  readonly g: Geometry;
  readonly match: Int8Match;
  readonly plan: Plan;
  readonly strip: Expr;
  /** [O/lanes][I/2][3][3][lanes][2]. */
  readonly weights: Buffer;
  /** [36][tiles][I], int16, the products a little apart so that they do not meet in one set of the cache. */
  readonly inputs: Buffer;
  /** [36][chunk/2][blocks][lanes][2], int16. */
  readonly taps: Buffer;
  /** [blocks][36][tiles][lanes], int32. */
  readonly sums: Buffer;
}

/** Bytes that a strip's transformed inputs may take: most of a usual second-level cache, since each strip transforms all weights. */
const STRIP_BYTES = 491520;
/** Input channels whose transformed weights stay in the second-level cache beside that. */
const CHUNK = 128;
/** Elements that products lie apart: a cache line of each type. */
const [APART_SHORT, APART_LONG] = [32, 16];

const inputStride = ({ g, plan }: Pick<Context, "g" | "plan">): number => g.inputChannels * plan.strip + APART_SHORT;
const tapStride = ({ g, plan }: Pick<Context, "g" | "plan">): number => plan.chunk * plan.blocks * g.lanes + APART_SHORT;
const sumStride = ({ g, plan }: Pick<Context, "g" | "plan">): number => g.lanes * plan.strip + APART_LONG;

function planOf(l: Lowering, g: Geometry): Plan {
  const blocks = Math.min(2, Math.ceil(g.channels / g.lanes));
  // Beside the sums: the weights, one input and one product.
  const width = Math.min(12, Math.floor((l.machine.registers - 2 - blocks) / blocks));
  const fits = Math.max(width, Math.floor(STRIP_BYTES / (2 * PRODUCTS * g.inputChannels)));
  const chunk = Math.ceil(g.inputChannels / Math.ceil(g.inputChannels / CHUNK) / g.lanes) * g.lanes;
  return { ...stripsOf(g, fits, width), width, blocks, chunk, parts: Math.ceil(g.inputChannels / chunk) };
}

/** Transforms the inputs of a strip: columns into a small buffer, then its rows. What lies outside the image is zero. */
function inputTransform(c: Context): Stmt {
  const { l, g } = c;
  const { lanes, m } = g;
  const prefix = `${l.prefix}i`;
  const x = l.place(m.x).buffer;
  const [icb, i, j] = [indexVar(`${prefix}cb`), indexVar(`${prefix}i`), indexVar(`${prefix}j`)];
  const small: Buffer = { name: `${prefix}small`, dtype: "int16", length: PRODUCTS * lanes, access: "readwrite" };
  const smallAt = (row: Expr, column: Expr): Expr => mul(add(mul(row, int(PATCH)), column), int(lanes));
  const zero = cast(load(l.place(c.match.xZero).buffer, int(0)), "int16");
  const body = (t: Expr, at: TilePosition): readonly Stmt[] => {
    const [ih, iw] = [indexVar(`${prefix}h`), indexVar(`${prefix}w`)];
    const plane = mul(add(mul(at.n, int(g.inputChannels / lanes)), icb), int(g.inputRows));
    const pixels = (row: Expr, width: number): Expr => {
      const from = mul(add(mul(add(plane, row), int(g.inputColumns)), add(iw, j)), int(lanes));
      return sub(cast(load(x, from, width), "int16"), broadcast(zero, width));
    };
    const down = (label: string, width: number, value: (row: Expr) => Expr): readonly Stmt[] => {
      const column = named(`${prefix}${label}c`, (k) => value(add(ih, int(k))));
      const t6 = applied(`${prefix}${label}v`, transformInput(six((k) => must(column.vars[k], "an input"))));
      return [...column.lets, ...t6.lets, ...t6.results.map((e, k) => store(small, smallAt(int(k), j), broadcast(e, width)))];
    };
    const nothing = constant(0, "int16", lanes);
    const checked = ifThen(
      inside(add(iw, j), g.inputColumns),
      down("e", lanes, (row) => select(inside(row, g.inputRows), pixels(row, lanes), nothing)),
      six(() => nothing).map((e, k) => store(small, smallAt(int(k), j), e)),
    );
    // Two neighbouring pixels at once where the whole tile lies in the image.
    const whole = down("", 2 * lanes, (row) => pixels(row, 2 * lanes));
    const row = named(`${prefix}r`, (k) => load(small, smallAt(i, int(k)), lanes));
    const across = applied(`${prefix}u`, transformInput(six((k) => must(row.vars[k], "a row"))));
    const target = (k: number): Expr =>
      add(mul(add(mul(i, int(PATCH)), int(k)), int(inputStride(c))), add(mul(t, int(g.inputChannels)), mul(icb, int(lanes))));
    const fits = (from: Expr, extent: number): Expr => inside(from, Math.max(0, extent - PATCH + 1));
    return [
      letVar(ih, sub(mul(at.row, int(TILE)), int(m.pads[0]))),
      letVar(iw, sub(mul(at.column, int(TILE)), int(m.pads[1]))),
      forLoop(icb, g.inputChannels / lanes, [
        ifThen(
          fits(ih, g.inputRows),
          [ifThen(fits(iw, g.inputColumns), [forLoop(j, PATCH, whole, { step: 2 })], [forLoop(j, PATCH, [checked])])],
          [forLoop(j, PATCH, [checked])],
        ),
        forLoop(i, PATCH, [...row.lets, ...across.lets, ...across.results.map((e, k) => store(c.inputs, target(k), e))]),
      ]),
    ];
  };
  return alloc(small, [eachTile(c.plan, c.strip, prefix, body)]);
}

/** Transforms the weights of a group of blocks and of the input channels of one part. */
function weightTransform(c: Context, prefix: string, block: Expr, blocks: number, part: Expr, pairs: Expr): Stmt {
  const { g, plan } = c;
  const width = 2 * g.lanes;
  const pair = indexVar(`${prefix}pair`);
  const b = indexVar(`${prefix}b`);
  const perPair = 9 * width;
  const first = add(mul(part, int(plan.chunk / 2)), pair);
  const from = add(mul(add(block, b), int((g.inputChannels / 2) * perPair)), mul(first, int(perPair)));
  const taps = namedAll(
    `${prefix}g`,
    Array.from({ length: 9 }, (_, k) => cast(load(c.weights, add(from, int(k * width)), width), "int16")),
  );
  const tap = (k: number): Expr => must(taps.vars[k], "a tap");
  const columns = [0, 1, 2].map((k) => {
    const down = applied(`${prefix}v${k}`, transformTaps([tap(k), tap(3 + k), tap(6 + k)]));
    const results = namedAll(`${prefix}y${k}`, down.results);
    return { lets: [...down.lets, ...results.lets], at: (i: number): Expr => must(results.vars[i], "a tap of a column") };
  });
  const [left, middle, right] = columns;
  const rows = Array.from({ length: PATCH }, (_, i): readonly Stmt[] => {
    const of = (column: typeof left): Expr => must(column, "a column").at(i);
    const across = applied(`${prefix}u${i}`, transformTaps([of(left), of(middle), of(right)]));
    const place = add(mul(pair, int(blocks * width)), mul(b, int(width)));
    return [...across.lets, ...across.results.map((e, k) => store(c.taps, add(int((i * PATCH + k) * tapStride(c)), place), e))];
  });
  return forLoop(pair, pairs, [forLoop(b, blocks, [...taps.lets, ...columns.flatMap((v) => v.lets), ...rows.flat()])]);
}

/** The products of one group of blocks, summed over the input channels of one part. */
function products(c: Context, prefix: string, blocks: number, part: Expr, pairs: Expr): Stmt {
  const { g, plan } = c;
  const { lanes } = g;
  const type = typeOf("int32", lanes);
  const xi = indexVar(`${prefix}xi`);
  const tileOf = (name: string, from: Expr, width: number): readonly Stmt[] => {
    const pair = indexVar(`${name}pair`);
    const acc = Array.from({ length: blocks }, (_, b) => Array.from({ length: width }, (__, t) => variable(`${name}acc${b}_${t}`, type)));
    const w = acc.map((_, b) => variable(`${name}w${b}`, typeOf("int16", 2 * lanes)));
    const tapAt = (b: number): Expr => add(mul(xi, int(tapStride(c))), add(mul(pair, int(blocks * 2 * lanes)), int(b * 2 * lanes)));
    const base = add(mul(xi, int(inputStride(c))), add(mul(from, int(g.inputChannels)), mul(part, int(plan.chunk))));
    const step = Array.from({ length: width }, (_, t) => t).flatMap((t): Stmt[] => {
      const v = variable(`${name}x${t}`, typeOf("int16", 2 * lanes));
      const place = add(add(base, int(t * g.inputChannels)), mul(pair, int(2)));
      const sum = (row: readonly Var[]): Var => must(row[t], "a sum");
      return [
        letVar(v, broadcastGroup({ group: 2, lanes }, c.inputs, place)),
        ...acc.map((row, b) => setVar(sum(row), dot2(sum(row), v, must(w[b], "a weight")))),
      ];
    });
    const sumAt = (b: number, t: number): Expr =>
      add(mul(add(int(b * PRODUCTS), xi), int(sumStride(c))), mul(add(from, int(t)), int(lanes)));
    const each = (f: (v: Var, at: Expr) => Stmt): readonly Stmt[] => acc.flatMap((row, b) => row.map((v, t) => f(v, sumAt(b, t))));
    return [
      ...each((v) => letMutable(v, constant(0, "int32", lanes))),
      ...(plan.parts > 1
        ? [
            ifThen(
              compare("gt", part, int(0)),
              each((v, at) => setVar(v, load(c.sums, at, lanes))),
            ),
          ]
        : []),
      forLoop(pair, pairs, [...w.map((v, b) => letVar(v, load(c.taps, tapAt(b), 2 * lanes))), ...step]),
      ...each((v, at) => store(c.sums, at, v)),
    ];
  };
  const runs = tileWhole(plan.strip, plan.width);
  return forLoop(
    xi,
    PRODUCTS,
    eachRun(runs, `${prefix}g`, (from, { width }, name) => tileOf(name, from, width)),
  );
}

/** Transforms the sums of one group of blocks back, requantises them and writes what lies inside the result. */
function outputTransform(c: Context, prefix: string, block: Expr, blocks: number): Stmt {
  const { l, g } = c;
  const { lanes } = g;
  const [b, i, j] = [indexVar(`${prefix}b`), indexVar(`${prefix}i`), indexVar(`${prefix}j`)];
  const small: Buffer = { name: `${prefix}small`, dtype: "int32", length: TILE * PATCH * lanes, access: "readwrite" };
  const smallAt = (row: Expr, column: Expr): Expr => mul(add(mul(row, int(PATCH)), column), int(lanes));
  const target = l.place(l.nest.result).buffer;
  const body = (t: Expr, at: TilePosition): readonly Stmt[] => {
    const [oh, ow] = [indexVar(`${prefix}h`), indexVar(`${prefix}w`)];
    const channelBlock = add(block, b);
    const sum = (k: number): Expr => mul(add(mul(b, int(PRODUCTS)), add(int(k * PATCH), j)), int(sumStride(c)));
    const column = named(`${prefix}c`, (k) => load(c.sums, add(sum(k), mul(t, int(lanes))), lanes));
    const down = applied(`${prefix}v`, transformColumn(six((k) => must(column.vars[k], "a sum"))));
    const row = named(`${prefix}r`, (k) => load(small, smallAt(i, int(k)), lanes));
    const across = applied(`${prefix}u`, transformRow(six((k) => must(row.vars[k], "a row"))));
    const plane = add(mul(at.n, int(Math.ceil(g.channels / lanes))), channelBlock);
    const writes = across.results.map((e, k) => {
      const offset = mul(add(mul(add(mul(plane, int(g.rows)), add(oh, i)), int(g.columns)), add(ow, int(k))), int(lanes));
      const acc = variable(`${prefix}sum${k}`, e.type);
      const value = finishVector(l, { prefix, channel: mul(channelBlock, int(lanes)), offset, lanes }, acc);
      return ifThen(compare("lt", add(ow, int(k)), int(g.columns)), [letVar(acc, e), store(target, offset, value)]);
    });
    return [
      letVar(oh, mul(at.row, int(TILE))),
      letVar(ow, mul(at.column, int(TILE))),
      forLoop(j, PATCH, [...column.lets, ...down.lets, ...down.results.map((e, k) => store(small, smallAt(int(k), j), e))]),
      forLoop(i, TILE, [ifThen(compare("lt", add(oh, i), int(g.rows)), [...row.lets, ...across.lets, ...writes])]),
    ];
  };
  return forLoop(b, blocks, [alloc(small, [eachTile(c.plan, c.strip, prefix, body)])]);
}

/** Everything for one group of blocks. */
function groupOfBlocks(c: Context, label: string, block: Expr, blocks: number): readonly Stmt[] {
  const { g, l, plan } = c;
  const prefix = `${l.prefix}${label}`;
  const part = indexVar(`${prefix}part`);
  const inPart = (at: Expr, pairs: Expr): readonly Stmt[] => [
    weightTransform(c, `${prefix}w`, block, blocks, at, pairs),
    products(c, `${prefix}p`, blocks, at, pairs),
  ];
  const rest = sub(int(g.inputChannels / 2), mul(part, int(plan.chunk / 2)));
  const all =
    plan.parts === 1 ? inPart(int(0), int(plan.chunk / 2)) : [forLoop(part, plan.parts, inPart(part, min(int(plan.chunk / 2), rest)))];
  return [...all, outputTransform(c, `${prefix}o`, block, blocks)];
}

function loops(l: Lowering, g: Geometry, match: Int8Match, plan: Plan): readonly Stmt[] {
  const weights = l.pack("weights", packInt8(must(l.constantOf(match.conv.w), "constant weights"), g.lanes, 2, 2));
  const inputs = l.scratch("transformed", PRODUCTS * inputStride({ g, plan }), "int16");
  const taps = l.scratch("taps", PRODUCTS * tapStride({ g, plan }), "int16");
  const sums = l.scratch("sums", plan.blocks * PRODUCTS * sumStride({ g, plan }), "int32");
  const context = (strip: Expr): Context => ({ l, g, match, plan, strip, weights, inputs, taps, sums });
  return stripLoops(
    l,
    g,
    plan,
    (strip) => inputTransform(context(strip)),
    (strip, label, number, blocks) => groupOfBlocks(context(strip), label, mul(number, int(plan.blocks)), blocks),
  );
}

/** What transforms take, in dot products of vectors: of a tile's inputs and results for each block, of a vector of weights. */
const [INPUT_COST, OUTPUT_COST, WEIGHT_COST] = [130, 210, 170];

/** Whether fewer vector operations are the price. */
function pays(g: Geometry, plan: Plan): boolean {
  const [inputBlocks, outputBlocks] = [g.inputChannels / g.lanes, Math.ceil(g.channels / g.lanes)];
  const vectors = (g.inputChannels / 2) * outputBlocks;
  const direct = g.batch * g.rows * g.columns * 9 * vectors;
  const multiplied = plan.strips * plan.strip * PRODUCTS * vectors;
  const transformed = plan.tiles * (INPUT_COST * inputBlocks + OUTPUT_COST * outputBlocks) + plan.strips * WEIGHT_COST * vectors;
  return multiplied + transformed < 0.9 * direct;
}

/** Whether the convolution is a dense 3×3 one of stride 1 from and to blocks of one vector. */
function hasForm(l: Lowering, { conv }: Int8Match, g: Geometry): boolean {
  const { layout } = l.place(conv.x);
  const size = [g.kernelRows, g.kernelColumns, ...conv.strides, ...conv.dilations].join();
  const blocks = layout.kind === "blocked" && layout.block === g.lanes && g.inputChannels % g.lanes === 0;
  return !conv.depthwise && size === "3,3,1,1,1,1" && blocks && writesBlocks(l);
}

/** A dense quantised 3×3 convolution of stride 1 with constant weights, of which no sum can be too large for the division. */
export const int8Winograd: Schedule = {
  name: "Winograd F(4×4, 3×3) int8 convolution",
  lower: (l) => {
    const match = matchInt8Conv(l.nest);
    const w = match && l.constantOf(match.conv.w);
    const zero = match && l.constantOf(match.xZero);
    if (!match || !w || !zero || groupOf(l.machine, match) !== 2) return undefined;
    const g = geometryOf(l, match.conv);
    if (!hasForm(l, match, g)) return undefined;
    const plan = planOf(l, g);
    return pays(g, plan) && isExact(w, Number(zero.data[0] ?? 0)) ? loops(l, g, match, plan) : undefined;
  },
};
