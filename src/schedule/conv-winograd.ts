/**
 * 3×3 convolution of stride 1 by Winograd's F(4×4, 3×3), blocked channels in and out. The image is cut into strips of tiles
 * that stay in the cache: a strip's inputs are transformed once, then for a pair of blocks of output channels all 36 products
 * are summed over the input channels, each as a small matrix product in registers, and transformed back into the result.
 */
import { add, broadcast, compare, fma, indexVar, int, load, mul, select, sub, typeOf, variable } from "../loop/expr.ts";
import { alloc, forLoop, ifThen, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../loop/types.ts";
import { must } from "../util/errors.ts";
import { geometryOf, type Geometry } from "./conv-geometry.ts";
import { finishVector, writesVectors } from "./conv-tile.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { matchConv, type ConvMatch } from "./match.ts";
import { eachRun, tileWhole } from "./tiles.ts";
import { keepWeights, loadWeights } from "./weights.ts";
import { packWinograd, PATCH, PRODUCTS, six, TILE, transformInput, transformOutput, zero } from "./winograd.ts";
import { applied, eachTile, inside, named, stripLoops, stripsOf, type Strips, type TilePosition } from "./winograd-strips.ts";

/** How the work is cut. */
interface Plan extends Strips {
  /** Tiles in registers. */
  readonly width: number;
  /** Blocks of output channels in registers. */
  readonly blocks: number;
}

/** Everything that the parts of one kernel need. */
interface Context {
  readonly l: Lowering;
  readonly g: Geometry;
  readonly plan: Plan;
  /** Number of the strip. */
  readonly strip: Expr;
  /** [36][input blocks][tiles][lanes], the products a little apart so that they do not meet in one set of the cache. */
  readonly inputs: Buffer;
  /** [blocks][36][tiles][lanes]. */
  readonly sums: Buffer;
}

/** Bytes that a strip's transformed inputs may take: half of a usual second-level cache. */
const STRIP_BYTES = 262144;
/** Floats between the ends of one product and the start of the next: a cache line. */
const APART = 16;

const inputStride = ({ g, plan }: Pick<Context, "g" | "plan">): number => g.inputChannels * plan.strip + APART;
const sumStride = ({ g, plan }: Pick<Context, "g" | "plan">): number => g.lanes * plan.strip + APART;

function planOf(l: Lowering, g: Geometry): Plan {
  const blocks = Math.min(2, Math.ceil(g.channels / g.lanes));
  const width = Math.min(12, Math.floor((l.machine.registers - 1 - blocks) / blocks));
  const fits = Math.max(width, Math.floor(STRIP_BYTES / (4 * PRODUCTS * g.inputChannels)));
  return { ...stripsOf(g, fits, width), width, blocks };
}

/** Transforms the inputs of a strip: columns into a small buffer, then its rows. What lies outside the image is zero. */
function inputTransform(c: Context): Stmt {
  const { l, g } = c;
  const { lanes, m } = g;
  const prefix = `${l.prefix}i`;
  const x = l.place(m.x).buffer;
  const [icb, i, j] = [indexVar(`${prefix}cb`), indexVar(`${prefix}i`), indexVar(`${prefix}j`)];
  const small: Buffer = { name: `${prefix}small`, dtype: "float32", length: PRODUCTS * lanes, access: "readwrite" };
  const smallAt = (row: Expr, column: Expr): Expr => mul(add(mul(row, int(PATCH)), column), int(lanes));
  const body = (t: Expr, at: TilePosition): readonly Stmt[] => {
    const [ih, iw] = [indexVar(`${prefix}h`), indexVar(`${prefix}w`)];
    const plane = mul(add(mul(at.n, int(g.inputChannels / lanes)), icb), int(g.inputRows));
    const pixel = (row: Expr, column: Expr): Expr => mul(add(mul(add(plane, row), int(g.inputColumns)), column), int(lanes));
    const column = named(`${prefix}c`, (k) => {
      const row = add(ih, int(k));
      return select(inside(row, g.inputRows), load(x, pixel(row, add(iw, j)), lanes), zero(lanes));
    });
    const down = applied(`${prefix}v`, transformInput(six((k) => must(column.vars[k], "an input"))));
    const row = named(`${prefix}r`, (k) => load(small, smallAt(i, int(k)), lanes));
    const across = applied(`${prefix}u`, transformInput(six((k) => must(row.vars[k], "a row"))));
    const target = (k: number): Expr =>
      add(mul(add(mul(i, int(PATCH)), int(k)), int(inputStride(c))), mul(add(mul(icb, int(c.plan.strip)), t), int(lanes)));
    return [
      letVar(ih, sub(mul(at.row, int(TILE)), int(m.pads[0]))),
      letVar(iw, sub(mul(at.column, int(TILE)), int(m.pads[1]))),
      forLoop(j, PATCH, [
        ifThen(
          inside(add(iw, j), g.inputColumns),
          [...column.lets, ...down.lets, ...down.results.map((e, k) => store(small, smallAt(int(k), j), e))],
          six(() => zero(lanes)).map((e, k) => store(small, smallAt(int(k), j), e)),
        ),
      ]),
      forLoop(i, PATCH, [...row.lets, ...across.lets, ...across.results.map((e, k) => store(c.inputs, target(k), e))]),
    ];
  };
  return forLoop(icb, g.inputChannels / lanes, [alloc(small, [eachTile(c.plan, c.strip, prefix, body)])]);
}

/** The products of one group of blocks, summed over the input channels. */
function products(c: Context, prefix: string, weights: Buffer, base: Expr, blocks: number): Stmt {
  const { g, plan } = c;
  const { lanes } = g;
  const type = typeOf("float32", lanes);
  const xi = indexVar(`${prefix}xi`);
  const perProduct = g.inputChannels * blocks * lanes;
  const tileOf = (name: string, from: Expr, width: number): readonly Stmt[] => {
    const [icb, ic] = [indexVar(`${name}cb`), indexVar(`${name}ic`)];
    const acc = Array.from({ length: blocks }, (_, b) => Array.from({ length: width }, (__, t) => variable(`${name}acc${b}_${t}`, type)));
    const w = acc.map((_, b) => variable(`${name}w${b}`, type));
    const weightAt = add(add(base, mul(xi, int(perProduct))), mul(add(mul(icb, int(lanes)), ic), int(blocks * lanes)));
    const inputAt = add(mul(xi, int(inputStride(c))), add(mul(add(mul(icb, int(plan.strip)), from), int(lanes)), ic));
    const step = Array.from({ length: width }, (_, t) => t).flatMap((t): Stmt[] => {
      const v = variable(`${name}x${t}`, type);
      return [
        letVar(v, broadcast(load(c.inputs, add(inputAt, int(t * lanes))), lanes)),
        ...acc.map((row, b) => setVar(must(row[t], "a sum"), fma(v, must(w[b], "a weight"), must(row[t], "a sum")))),
      ];
    });
    const sumAt = (b: number, t: number): Expr =>
      add(mul(add(int(b * PRODUCTS), xi), int(sumStride(c))), mul(add(from, int(t)), int(lanes)));
    return [
      ...acc.flat().map((v) => letMutable(v, zero(lanes))),
      forLoop(icb, g.inputChannels / lanes, [
        forLoop(ic, lanes, [...w.map((v, b) => letVar(v, loadWeights(weights, add(weightAt, int(b * lanes)), lanes))), ...step]),
      ]),
      ...acc.flatMap((row, b) => row.map((v, t) => store(c.sums, sumAt(b, t), v))),
    ];
  };
  const runs = tileWhole(plan.strip, plan.width);
  return forLoop(
    xi,
    PRODUCTS,
    eachRun(runs, `${prefix}g`, (from, { width }, name) => tileOf(name, from, width)),
  );
}

/** Transforms the sums of one group of blocks back, finishes them and writes what lies inside the result. */
function outputTransform(c: Context, prefix: string, block: Expr, blocks: number): Stmt {
  const { l, g } = c;
  const { lanes } = g;
  const [b, i, j] = [indexVar(`${prefix}b`), indexVar(`${prefix}i`), indexVar(`${prefix}j`)];
  const small: Buffer = { name: `${prefix}small`, dtype: "float32", length: TILE * PATCH * lanes, access: "readwrite" };
  const smallAt = (row: Expr, column: Expr): Expr => mul(add(mul(row, int(PATCH)), column), int(lanes));
  const target = l.place(l.nest.result).buffer;
  const body = (t: Expr, at: TilePosition): readonly Stmt[] => {
    const [oh, ow] = [indexVar(`${prefix}h`), indexVar(`${prefix}w`)];
    const channelBlock = add(block, b);
    const sum = (k: number): Expr => mul(add(mul(b, int(PRODUCTS)), add(int(k * PATCH), j)), int(sumStride(c)));
    const column = named(`${prefix}c`, (k) => load(c.sums, add(sum(k), mul(t, int(lanes))), lanes));
    const down = applied(`${prefix}v`, transformOutput(six((k) => must(column.vars[k], "a sum"))));
    const row = named(`${prefix}r`, (k) => load(small, smallAt(i, int(k)), lanes));
    const across = applied(`${prefix}u`, transformOutput(six((k) => must(row.vars[k], "a row"))));
    const plane = add(mul(at.n, int(Math.ceil(g.channels / lanes))), channelBlock);
    const offset = (k: number): Expr =>
      mul(add(mul(add(mul(plane, int(g.rows)), add(oh, i)), int(g.columns)), add(ow, int(k))), int(lanes));
    const writes = across.results.map((e, k) => {
      const value = finishVector(l, { prefix, channel: mul(channelBlock, int(lanes)), offset: offset(k), lanes }, e);
      return ifThen(compare("lt", add(ow, int(k)), int(g.columns)), [store(target, offset(k), value)]);
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

function lowerWinograd(l: Lowering, g: Geometry, m: ConvMatch, plan: Plan): readonly Stmt[] {
  const packed = packWinograd(must(l.constantOf(m.w), "constant weights"), g.lanes, plan.blocks);
  const weights = keepWeights(l, m.w, "weights", packed.data);
  const inputs = l.scratch("transformed", PRODUCTS * inputStride({ g, plan }));
  const sums = l.scratch("sums", plan.blocks * PRODUCTS * sumStride({ g, plan }));
  const context = (strip: Expr): Context => ({ l, g, plan, strip, inputs, sums });
  return stripLoops(
    l,
    g,
    plan,
    (strip) => inputTransform(context(strip)),
    (strip, label, number, blocks) => [
      products(context(strip), `${l.prefix}${label}p`, weights, mul(number, int(packed.groupLength)), blocks),
      outputTransform(context(strip), `${l.prefix}${label}o`, mul(number, int(plan.blocks)), blocks),
    ],
  );
}

/** Vector operations that a tile's transforms take for one block of channels, loads and stores included. */
const TRANSFORM_COST = 300;

/** Whether fewer vector operations, and not too much memory, are the price: small images have weights to read for few tiles. */
function pays(g: Geometry, plan: Plan): boolean {
  const [inputBlocks, outputBlocks] = [g.inputChannels / g.lanes, Math.ceil(g.channels / g.lanes)];
  const direct = g.batch * g.rows * g.columns * 9 * g.inputChannels * outputBlocks;
  const multiplied = plan.strips * plan.strip * PRODUCTS * g.inputChannels * outputBlocks;
  const transformed = plan.tiles * TRANSFORM_COST * (inputBlocks + outputBlocks);
  // A vector of weights from far away takes as long as some twelve multiply-adds.
  const read = plan.strips * PRODUCTS * g.inputChannels * outputBlocks * 12;
  return Math.max(multiplied, read) + transformed < 0.8 * direct;
}

/** A dense 3×3 convolution of stride 1 with constant weights. */
export const winogradConv: Schedule = {
  name: "Winograd F(4×4, 3×3) convolution",
  lower: (l) => {
    const m = matchConv(l.nest);
    if (!m || m.depthwise || !l.constantOf(m.w) || !writesVectors(l)) return undefined;
    const g = geometryOf(l, m);
    const { layout } = l.place(m.x);
    const fits = [g.kernelRows, g.kernelColumns, ...m.strides, ...m.dilations].join() === "3,3,1,1,1,1";
    if (!fits || layout.kind !== "blocked" || layout.block !== g.lanes || g.inputChannels % g.lanes !== 0) return undefined;
    const plan = planOf(l, g);
    return pays(g, plan) ? lowerWinograd(l, g, m, plan) : undefined;
  },
};
