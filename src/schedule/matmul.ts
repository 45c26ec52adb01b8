/**
 * Matrix products: a tile of rows × vectors of columns stays in registers over the reduction (the micro-kernel of Goto and van
 * de Geijn, "Anatomy of high-performance matrix multiplication", TOMS 2008). A constant right-hand side is packed into panels
 * as wide as a tile, so that it is read from front to back; another one is read where it lies.
 */
import { affine, type Affine } from "../loop/affine.ts";
import { offsetOf, scalarRead } from "../loop/expand.ts";
import { add, broadcast, fma, indexVar, int, load, mul, shuffle, typeOf, variable } from "../loop/expr.ts";
import type { BodyContext, Operand } from "../loop/nest.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { productAccesses, type Access } from "./match.ts";
import { tileColumns, type TileRun } from "./tiles.ts";
import { laneRead, replaceVar } from "./vectorize.ts";

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
  const { layout, buffer } = l.place(operand);
  return padded || layout.kind !== "plain" || buffer.dtype !== "float32" ? undefined : affine(offsetOf(operand.dims, layout, index));
}

/** Whether the result is a float32 matrix, or a batch of them, in row order. */
function givesMatrix({ nest, place }: Lowering): boolean {
  const { dims, dtype } = nest.result;
  return nest.kind === "contraction" && dims.length > 0 && dtype === "float32" && place(nest.result).layout.kind === "plain";
}

function matchProduct(l: Lowering): Product | undefined {
  const { dims } = l.nest.result;
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
function packPanels(l: Lowering, p: Product, width: number): Tensor | undefined {
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
  return { type: "float32", dims: [data.length], data };
}

interface Context {
  readonly l: Lowering;
  readonly p: Product;
  /** Indices of the batches. */
  readonly batch: readonly Var[];
  /** The packed right-hand side. */
  readonly panels: Buffer | undefined;
}

/** Columns of one panel: its first column, and where its data start. */
interface Panel {
  readonly column: Expr;
  readonly data: Expr;
  readonly vectors: number;
  /** Columns of the last vector. */
  readonly last: number;
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
function tile(c: Context, panel: Panel, name: string, row: Expr, rows: number): readonly Stmt[] {
  const { l, p } = c;
  const { lanes } = l.machine;
  const type = typeOf("float32", lanes);
  const k = indexVar(`${name}k`);
  const at = (i: number, v: number): readonly Expr[] => indexAt(c, add(row, int(i)), add(panel.column, int(v * lanes)));
  const sums = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: panel.vectors }, (__, v) => variable(`${name}s${i}_${v}`, type)),
  );
  const right = Array.from({ length: panel.vectors }, (_, v) => variable(`${name}w${v}`, type));
  const rightAt = (v: number): Expr =>
    c.panels
      ? load(c.panels, add(add(panel.data, mul(k, int(panel.vectors * lanes))), int(v * lanes)), lanes)
      : load(l.place(p.right.operand).buffer, offsetsAt(c, at(0, v), k)[1], lanes);
  const steps = sums.flatMap((list, i): Stmt[] => {
    const x = variable(`${name}x${i}`, type);
    const value = load(l.place(p.left.operand).buffer, offsetsAt(c, at(i, 0), k)[0]);
    return [letVar(x, broadcast(value, lanes)), ...list.map((s, v) => setVar(s, fma(x, must(right[v], "a vector"), s)))];
  });
  return [
    ...sums.flat().map((s) => letMutable(s, broadcast(must(l.nest.reduction, "a reduction").init, lanes))),
    forLoop(k, p.depth, [...right.map((w, v) => letVar(w, rightAt(v))), ...steps]),
    ...sums.flatMap((list, i) => list.flatMap((s, v) => finish(c, s, at(i, v), v === panel.vectors - 1 ? panel.last : lanes))),
  ];
}

/** Finishes and stores the first `count` columns of a vector of sums. */
function finish({ l }: Context, sum: Var, p: readonly Expr[], count: number): readonly Stmt[] {
  const { nest, machine, place } = l;
  const { buffer, layout } = place(nest.result);
  const end = (acc: Expr, context: BodyContext): Expr => nest.reduction?.finish?.(acc, context) ?? acc;
  const to = (index: readonly Expr[]): Expr => offsetOf(nest.result.dims, layout, index);
  if (count === machine.lanes) {
    const lane = indexVar(`${l.prefix}lane`);
    const along = p.map((e, i) => (i === p.length - 1 ? add(e, lane) : e));
    const read = laneRead(l, lane, machine.lanes, new Map([[lane.name, { lo: 0, hi: machine.lanes - 1 }]]));
    return [store(buffer, replaceVar(to(along), lane.name), broadcast(end(sum, { p: along, r: [], read }), machine.lanes))];
  }
  return Array.from({ length: count }, (_, i) => {
    const index = p.map((e, axis) => (axis === p.length - 1 ? add(e, int(i)) : e));
    return store(buffer, to(index), end(shuffle(sum, sum, [i]), { p: index, r: [], read: scalarRead(place) }));
  });
}

/** All rows of one panel. */
function rowsOf(c: Context, panel: Panel, runs: readonly TileRun[], name: string): readonly Stmt[] {
  return runs.flatMap((run, i): readonly Stmt[] => {
    if (run.count === 1) return tile(c, panel, `${name}r${i}`, int(run.from), run.width);
    const row = indexVar(`${name}r${i}m`);
    const end = run.from + run.count * run.width;
    return [forLoop(row, end, tile(c, panel, `${name}r${i}`, row, run.width), { from: int(run.from), step: run.width })];
  });
}

function lowerProduct(
  l: Lowering,
  p: Product,
  scalarTail: (l: Lowering, p: readonly Expr[], part: string) => readonly Stmt[],
): readonly Stmt[] {
  const { lanes } = l.machine;
  const high = tileOf(l, p);
  const width = high.vectors * lanes;
  const packed = packPanels(l, p, width);
  const batch = l.nest.result.dims.slice(0, -2).map((_, i) => indexVar(`${l.prefix}b${i}`));
  const c: Context = { l, p, batch, panels: packed && l.pack("panels", packed) };
  const runs = tileColumns({ output: p.rows, input: p.rows, kernel: 1, stride: 1, dilation: 1, pad: 0 }, high.rows);
  const whole = Math.floor(p.columns / width);
  const rest = p.columns - whole * width;
  const number = indexVar(`${l.prefix}panel`);
  const panelAt = (n: Expr, vectors: number, last: number): Panel => ({
    column: mul(n, int(width)),
    data: mul(n, int(width * p.depth)),
    vectors,
    last,
  });
  const whole1 = forLoop(number, whole, rowsOf(c, panelAt(number, high.vectors, lanes), runs, `${l.prefix}a`));
  const vectors = packed ? Math.ceil(rest / lanes) : Math.floor(rest / lanes);
  const last = packed && rest % lanes > 0 ? rest % lanes : lanes;
  const narrow = vectors > 0 ? rowsOf(c, panelAt(int(whole), vectors, last), runs, `${l.prefix}z`) : [];
  const [row, column] = [indexVar(`${l.prefix}tm`), indexVar(`${l.prefix}tn`)];
  const tail =
    packed || rest % lanes === 0
      ? []
      : [
          forLoop(row, p.rows, [
            forLoop(column, p.columns, scalarTail(l, indexAt(c, row, column), "t"), { from: int(p.columns - (rest % lanes)) }),
          ]),
        ];
  const body: readonly Stmt[] = [...(whole > 0 ? [whole1] : []), ...narrow, ...tail];
  return batch.reduceRight<readonly Stmt[]>((inner, b, i) => [forLoop(b, l.nest.result.dims[i] ?? 1, inner)], body);
}

/** Contractions of one axis whose result is plain and has whole vectors along its last axis. */
export function matrixProduct(scalarTail: (l: Lowering, p: readonly Expr[], part: string) => readonly Stmt[]): Schedule {
  return {
    name: "matrix product in registers",
    lower: (l) => {
      const p = matchProduct(l);
      if (!p || p.columns < l.machine.lanes || elementCount(l.nest.result.dims) === 0) return undefined;
      if (l.nest.reduction?.init.type.dtype !== "float32") throw new DoesNotFit("sums are not float32");
      return lowerProduct(l, p, scalarTail);
    },
  };
}
