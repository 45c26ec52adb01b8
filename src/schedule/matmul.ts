/**
 * Matrix products: a tile of rows × vectors of columns stays in registers over the reduction (the micro-kernel of Goto and van
 * de Geijn, "Anatomy of high-performance matrix multiplication", TOMS 2008). A constant right-hand side is packed into panels
 * as wide as a tile, so that it is read from front to back; another one is read where it lies.
 */
import { affine, type Affine } from "../loop/affine.ts";
import { offsetOf, scalarRead, writtenIndex } from "../loop/expand.ts";
import { add, broadcast, fma, indexVar, int, load, mul, shuffle, typeOf, variable } from "../loop/expr.ts";
import type { BodyContext, Nest, Operand } from "../loop/nest.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { productAccesses, type Access } from "./match.ts";
import { eachRun, tileWhole, type TileRun } from "./tiles.ts";
import { laneRead, replaceVar } from "./vectorize.ts";
import { keepWeights, loadWeights } from "./weights.ts";

/** A product of the last two axes of the result; the axes before are batches. */
interface Product {
  readonly left: Access;
  readonly right: Access;
  readonly depth: number;
  readonly rows: number;
  readonly columns: number;
}

/** Vectors of columns in a register tile, when there are that many rows; eight sums hide the latency of a multiply-add. */
function tileOf(l: Lowering, { rows, columns }: Product): { readonly rows: number; readonly vectors: number } {
  const sums = l.machine.registers > 16 ? 24 : 12;
  const most = Math.ceil(columns / l.machine.lanes);
  if (rows === 1) return { rows: 1, vectors: Math.min(8, most) };
  const high = Math.min(rows, sums / 2);
  return { rows: high, vectors: Math.min(Math.max(2, Math.floor(sums / high)), most) };
}

function accessForm(l: Lowering, { operand, index, padded }: Access): Affine | undefined {
  const { layout } = l.place(operand);
  return padded || layout.kind !== "plain" || operand.dtype !== "float32" ? undefined : affine(offsetOf(operand.dims, layout, index));
}

/** The dims of what the nest computes: its result, or the part of it. */
const dimsOf = ({ result, region }: Nest): readonly number[] => region?.extents ?? result.dims;

/** Whether the result is a float32 matrix, or a batch of them, in row order. */
function givesMatrix({ nest, place }: Lowering): boolean {
  const { dims, dtype } = nest.result;
  return nest.kind === "contraction" && dims.length > 0 && dtype === "float32" && place(nest.result).layout.kind === "plain";
}

function matchProduct(l: Lowering): Product | undefined {
  const dims = dimsOf(l.nest);
  const [depth, ...more] = l.nest.reduction?.extents ?? [];
  const accesses = givesMatrix(l) && depth !== undefined && more.length === 0 ? productAccesses(l.nest) : undefined;
  if (!accesses || depth === undefined || !runsAlongColumns(l, accesses)) return undefined;
  const [left, right] = accesses;
  return { left, right, depth, rows: dims.at(-2) ?? 1, columns: dims.at(-1) ?? 1 };
}

/** Whether the right operand alone runs along the columns, either in memory too or by being packed. */
function runsAlongColumns(l: Lowering, [left, right]: readonly [Access, Access]): boolean {
  const rank = l.nest.result.dims.length;
  const [a, b] = [accessForm(l, left), accessForm(l, right)];
  if (!a || !b || a.coefficients.has(`p${rank - 1}`) || b.coefficients.has(`p${rank - 2}`)) return false;
  return isMatrix(l, right, b, `p${rank - 1}`) || b.coefficients.get(`p${rank - 1}`) === 1;
}

/** Whether the right-hand side is one constant matrix for all batches. */
const isMatrix = (l: Lowering, { operand }: Access, form: Affine, n: string): boolean =>
  l.constantOf(operand)?.type === "float32" && [...form.coefficients.keys()].every((name) => name === n || name === "r0");

/** Panels of a constant right-hand side: `[columns / width][depth][width]`, the last as narrow as what is left in whole vectors. */
function packPanels(l: Lowering, p: Product, width: number): Float32Array<ArrayBuffer> | undefined {
  const { lanes } = l.machine;
  const form = must(accessForm(l, p.right), "an affine access");
  const n = `p${l.nest.result.dims.length - 1}`;
  const constant = l.constantOf(p.right.operand);
  if (!constant || !isMatrix(l, p.right, form, n)) return undefined;
  const source = constant.data as Float32Array;
  const [perColumn, perStep] = [form.coefficients.get(n) ?? 0, form.coefficients.get("r0") ?? 0];
  const whole = Math.ceil(p.columns / lanes) * lanes;
  const data = new Float32Array(whole * p.depth);
  for (let first = 0; first < whole; first += width) {
    const wide = Math.min(width, whole - first);
    for (let k = 0; k < p.depth; k++) {
      const to = first * p.depth + k * wide;
      for (let j = 0; j < Math.min(wide, p.columns - first); j++)
        data[to + j] = source[form.constant + (first + j) * perColumn + k * perStep] ?? 0;
    }
  }
  return data;
}

interface Context {
  readonly l: Lowering;
  readonly p: Product;
  /** Indices of the batches. */
  readonly batch: readonly Var[];
  /** The packed right-hand side. */
  readonly panels: Buffer | undefined;
  /** Sums of one panel between the parts of the reduction: `[rows][width]`. */
  readonly kept: Buffer | undefined;
}

/** Columns of one panel: its first column, and where its data start. */
interface Panel {
  readonly column: Expr;
  readonly data: Expr;
  readonly vectors: number;
  /** Columns that the last vector is for, its last ones: before them it repeats what the vector before is for. */
  readonly last: number;
  /** Whether the last vector ends with the row rather than with a padded panel. */
  readonly overlaps: boolean;
}

/** A part of the reduction: its sums begin with those of the part before, and are kept for the next. */
interface Part {
  readonly from: Expr;
  readonly to: Expr;
  readonly first: boolean;
  readonly final: boolean;
}

/** The index of a result, whose row is left out when it is a vector. */
const indexAt = ({ l, batch }: Context, row: Expr, column: Expr): readonly Expr[] =>
  l.nest.result.dims.length === 1 ? [column] : [...batch, row, column];

/** Offsets of both operands at a point of the iteration space. */
function offsetsAt(c: Context, p: readonly Expr[], k: Expr): readonly [Expr, Expr] {
  const found: Expr[] = [];
  const read: BodyContext["read"] = (operand: Operand, index) => {
    found.push(offsetOf(operand.dims, c.l.place(operand).layout, index));
    return variable("x", typeOf("float32"));
  };
  c.l.nest.body({ p, r: [k], read });
  return [must(found[0], "the left operand"), must(found[1], "the right operand")];
}

/** One register tile: its sums, and what becomes of them. */
function tile(c: Context, panel: Panel, part: Part, name: string, row: Expr, rows: number): readonly Stmt[] {
  const { l, p } = c;
  const { lanes } = l.machine;
  const type = typeOf("float32", lanes);
  const k = indexVar(`${name}k`);
  const columnOf = (v: number): number => v * lanes - (panel.overlaps && v === panel.vectors - 1 ? lanes - panel.last : 0);
  const at = (i: number, v: number): readonly Expr[] => indexAt(c, add(row, int(i)), add(panel.column, int(columnOf(v))));
  const keptAt = (i: number, v: number): Expr => add(mul(add(row, int(i)), int(panel.vectors * lanes)), int(v * lanes));
  const sums = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: panel.vectors }, (__, v) => variable(`${name}s${i}_${v}`, type)),
  );
  const right = Array.from({ length: panel.vectors }, (_, v) => variable(`${name}w${v}`, type));
  const rightAt = (v: number): Expr =>
    c.panels
      ? loadWeights(c.panels, add(add(panel.data, mul(k, int(panel.vectors * lanes))), int(v * lanes)), lanes)
      : loadWeights(l.place(p.right.operand).buffer, offsetsAt(c, at(0, v), k)[1], lanes);
  const steps = sums.flatMap((list, i): Stmt[] => {
    const x = variable(`${name}x${i}`, type);
    const value = loadWeights(l.place(p.left.operand).buffer, offsetsAt(c, at(i, 0), k)[0], 1);
    return [letVar(x, broadcast(value, lanes)), ...list.map((s, v) => setVar(s, fma(x, must(right[v], "a vector"), s)))];
  });
  const begin = (i: number, v: number): Expr =>
    part.first || !c.kept ? broadcast(must(l.nest.reduction, "a reduction").init, lanes) : load(c.kept, keptAt(i, v), lanes);
  const end = (s: Var, i: number, v: number): readonly Stmt[] => {
    if (!part.final && c.kept) return [store(c.kept, keptAt(i, v), s)];
    const last = v === panel.vectors - 1 && panel.last < lanes;
    const lane = last && panel.overlaps ? lanes - panel.last : 0;
    return finish(c, s, at(i, v), lane, last ? panel.last : lanes);
  };
  return [
    ...sums.flatMap((list, i) => list.map((s, v) => letMutable(s, begin(i, v)))),
    forLoop(k, part.to, [...right.map((w, v) => letVar(w, rightAt(v))), ...steps], { from: part.from }),
    ...sums.flatMap((list, i) => list.flatMap((s, v) => end(s, i, v))),
  ];
}

/** Finishes and stores `count` columns of a vector of sums, from lane `from` on. */
function finish({ l }: Context, sum: Var, p: readonly Expr[], from: number, count: number): readonly Stmt[] {
  const { nest, machine, place } = l;
  const { buffer, layout } = place(nest.result);
  const end = (acc: Expr, context: BodyContext): Expr => nest.reduction?.finish?.(acc, context) ?? acc;
  const to = (index: readonly Expr[]): Expr => offsetOf(nest.result.dims, layout, writtenIndex(nest, index));
  if (count === machine.lanes) {
    const lane = indexVar(`${l.prefix}lane`);
    const along = p.map((e, i) => (i === p.length - 1 ? add(e, lane) : e));
    const read = laneRead(l, lane, machine.lanes, new Map([[lane.name, { lo: 0, hi: machine.lanes - 1 }]]));
    return [store(buffer, replaceVar(to(along), lane.name), broadcast(end(sum, { p: along, r: [], read }), machine.lanes))];
  }
  return Array.from({ length: count }, (_, i) => {
    const index = p.map((e, axis) => (axis === p.length - 1 ? add(e, int(from + i)) : e));
    return store(buffer, to(index), end(shuffle(sum, sum, [from + i]), { p: index, r: [], read: scalarRead(place) }));
  });
}

/** All rows of one panel for one part of the reduction. */
function rowsOf(c: Context, panel: Panel, part: Part, runs: readonly TileRun[], name: string): readonly Stmt[] {
  return eachRun(runs, `${name}r`, (row, { width }, prefix) => tile(c, panel, part, prefix, row, width));
}

/** Steps of the reduction for which a panel of the usual width stays in the first cache. */
const DEEP = 384;
/** Tiles of rows that make it worth while to read a panel again from there. */
const MANY_TILES = 4;

/** Into how many parts the reduction is cut. Threads share the loop over panels, which has to turn. */
function partsOf(p: Product, tileRows: number, wholePanels: number): number {
  const pays = wholePanels > 1 && p.rows >= MANY_TILES * tileRows && p.depth >= 2 * DEEP;
  return pays ? Math.ceil(p.depth / DEEP) : 1;
}

/** All parts of the reduction, one after the other: the panel's part is read by all rows before the next one is. */
function deep(c: Context, panel: Panel, parts: number, runs: readonly TileRun[], name: string): readonly Stmt[] {
  const { depth } = c.p;
  if (parts === 1) return rowsOf(c, panel, { from: int(0), to: int(depth), first: true, final: true }, runs, name);
  const step = Math.ceil(depth / parts);
  const last = (parts - 1) * step;
  const turn = indexVar(`${name}turn`);
  const middle = { from: mul(turn, int(step)), to: add(mul(turn, int(step)), int(step)), first: false, final: false };
  return [
    ...rowsOf(c, panel, { from: int(0), to: int(step), first: true, final: false }, runs, `${name}f`),
    ...(parts > 2 ? [forLoop(turn, parts - 1, rowsOf(c, panel, middle, runs, `${name}m`), { from: int(1) })] : []),
    ...rowsOf(c, panel, { from: int(last), to: int(depth), first: false, final: true }, runs, `${name}l`),
  ];
}

function lowerProduct(l: Lowering, p: Product): readonly Stmt[] {
  const { lanes } = l.machine;
  const high = tileOf(l, p);
  const width = high.vectors * lanes;
  const packed = packPanels(l, p, width);
  const dims = dimsOf(l.nest);
  const batch = dims.slice(0, -2).map((_, i) => indexVar(`${l.prefix}b${i}`));
  const whole = Math.floor(p.columns / width);
  const parts = packed ? partsOf(p, high.rows, whole) : 1;
  const kept = parts > 1 ? l.scratch("sums", p.rows * width) : undefined;
  const c: Context = { l, p, batch, panels: packed && keepWeights(l, p.right.operand, "panels", packed), kept };
  const runs = tileWhole(p.rows, high.rows);
  const rest = p.columns - whole * width;
  const number = indexVar(`${l.prefix}panel`);
  const panelAt = (n: Expr, vectors: number, last: number): Panel => ({
    column: mul(n, int(width)),
    data: mul(n, int(width * p.depth)),
    vectors,
    last,
    overlaps: !packed,
  });
  const whole1 = forLoop(number, whole, deep(c, panelAt(number, high.vectors, lanes), parts, runs, `${l.prefix}a`));
  const last = rest % lanes > 0 ? rest % lanes : lanes;
  const narrow = rest > 0 ? deep(c, panelAt(int(whole), Math.ceil(rest / lanes), last), 1, runs, `${l.prefix}z`) : [];
  const body: readonly Stmt[] = [...(whole > 0 ? [whole1] : []), ...narrow];
  return batch.reduceRight<readonly Stmt[]>((inner, b, i) => [forLoop(b, dims[i] ?? 1, inner)], body);
}

/** Contractions of one axis whose result is plain and has whole vectors along its last axis. */
export const matrixProduct: Schedule = {
  name: "matrix product in registers",
  lower: (l) => {
    const p = matchProduct(l);
    if (!p || p.columns < l.machine.lanes || elementCount(dimsOf(l.nest)) === 0) return undefined;
    if (l.nest.reduction?.init.type.dtype !== "float32") throw new DoesNotFit("sums are not float32");
    return lowerProduct(l, p);
  },
};
