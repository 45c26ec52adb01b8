/** What Winograd convolutions share: an image cut into strips of tiles that stay in the cache, and transforms as statements. */
import { add, and, compare, div, indexVar, int, mod, mul, variable } from "../loop/expr.ts";
import { forLoop, ifThen, letVar } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import { must } from "../util/errors.ts";
import type { Geometry } from "./conv-geometry.ts";
import type { Lowering } from "./lowering.ts";
import { ALONE } from "./share.ts";
import { six, TILE, type Transform } from "./winograd.ts";

/** How the tiles of a batch are cut. */
export interface Strips {
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Tiles of the whole batch. */
  readonly tiles: number;
  /** Tiles of a strip. */
  readonly strip: number;
  readonly strips: number;
}

/** Strips of at most `fits` tiles, of nearly equal length and in whole register tiles of `width`. */
export function stripsOf(g: Geometry, fits: number, width: number): Strips {
  const [rows, columns] = [Math.ceil(g.rows / TILE), Math.ceil(g.columns / TILE)];
  const tiles = g.batch * rows * columns;
  const even = Math.ceil(tiles / Math.ceil(tiles / fits));
  const strip = tiles <= fits ? tiles : Math.min(fits, Math.ceil(even / width) * width);
  return { tileRows: rows, tileColumns: columns, tiles, strip, strips: Math.ceil(tiles / strip) };
}

/** Statements that evaluate a transform, and its results. */
export function applied(prefix: string, t: Transform): { readonly lets: readonly Stmt[]; readonly results: readonly Expr[] } {
  const vars = t.parts.map((e, i) => variable(`${prefix}t${i}`, e.type));
  return { lets: t.parts.map((e, i) => letVar(must(vars[i], "a part"), e)), results: t.results(vars) };
}

/** Names vectors. */
export function namedAll(prefix: string, values: readonly Expr[]): { readonly lets: readonly Stmt[]; readonly vars: readonly Var[] } {
  const vars = values.map((e, i) => variable(`${prefix}d${i}`, e.type));
  return { lets: values.map((e, i) => letVar(must(vars[i], "a vector"), e)), vars };
}

/** Names six vectors. */
export const named = (prefix: string, value: (i: number) => Expr): ReturnType<typeof namedAll> => namedAll(prefix, six(value));

export const inside = (e: Expr, extent: number): Expr => and(compare("ge", e, int(0)), compare("lt", e, int(extent)));

export interface TilePosition {
  readonly n: Expr;
  readonly row: Expr;
  readonly column: Expr;
}

/** Which tile of the batch number `t` of a strip is; the last strip may have fewer than the others. */
export function eachTile(plan: Strips, strip: Expr, name: string, body: (t: Expr, at: TilePosition) => readonly Stmt[]): Stmt {
  const t = indexVar(`${name}t`);
  const tile = indexVar(`${name}tile`);
  const perImage = plan.tileRows * plan.tileColumns;
  const at = {
    n: div(tile, int(perImage)),
    row: mod(div(tile, int(plan.tileColumns)), int(plan.tileRows)),
    column: mod(tile, int(plan.tileColumns)),
  };
  const lets = letVar(tile, add(mul(strip, int(plan.strip)), t));
  return forLoop(t, plan.strip, [lets, ifThen(compare("lt", tile, int(plan.tiles)), body(t, at))]);
}

/** Strips that divide well among threads. */
const MANY_STRIPS = 8;

/**
 * Loops over strips, and in each, after `input`, over groups of `blocks` blocks of output channels. Where there are few strips,
 * threads share the output channels, and each transforms the inputs for itself.
 */
export function stripLoops(
  l: Lowering,
  g: Geometry,
  plan: Strips & { readonly blocks: number },
  input: (strip: Expr) => Stmt,
  group: (strip: Expr, label: string, number: Expr, blocks: number) => readonly Stmt[],
): readonly Stmt[] {
  const total = Math.ceil(g.channels / g.lanes);
  const whole = Math.floor(total / plan.blocks);
  const [strip, og, last] = [indexVar(`${l.prefix}strip`), indexVar(`${l.prefix}og`), indexVar(`${l.prefix}last`)];
  const rest = total - whole * plan.blocks;
  const byStrip = plan.strips >= MANY_STRIPS;
  const strips = byStrip ? l.share(plan.strips) : ALONE(plan.strips);
  const groups = byStrip ? ALONE(whole) : l.share(whole);
  const one = byStrip ? ALONE(1) : l.share(1);
  const body = [
    input(strip),
    forLoop(og, groups.to, group(strip, "a", og, plan.blocks), { from: groups.from }),
    ...(rest > 0 ? [forLoop(last, one.to, group(strip, "b", int(whole), rest), { from: one.from })] : []),
  ];
  return [forLoop(strip, strips.to, body, { from: strips.from })];
}
