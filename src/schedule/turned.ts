/**
 * Copies that turn a matrix: the innermost axis of the result strides over what is read, and another axis runs along it. A square of
 * vectors is read along that axis, turned in registers by exchanging ever larger blocks across the diagonal, and written.
 */
import { affine } from "../loop/affine.ts";
import { offsetOf, writtenIndex } from "../loop/expand.ts";
import { add, indexVar, int, load, min, mul, shuffle, typeOf, variable } from "../loop/expr.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import { forLoop, letVar, store } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import { must } from "../util/errors.ts";
import type { Lowering, Schedule } from "./lowering.ts";

interface Source {
  readonly operand: Operand;
  readonly index: readonly Expr[];
}

/** What the nest copies at p, when it only copies. */
function sourceAt(nest: Nest, p: readonly Expr[]): Source | undefined {
  const found: Source[] = [];
  let element: Expr | undefined;
  const body = nest.body({
    p,
    r: [],
    read: (operand, index, outside) => {
      found.push({ operand, index });
      const value = variable("element", typeOf(operand.dtype));
      if (!outside) element = value;
      return value;
    },
  });
  return body === element && found.length === 1 ? found[0] : undefined;
}

interface Turn {
  readonly operand: Operand;
  /** The axis of the result that runs along what is read. */
  readonly along: number;
  readonly extents: readonly number[];
}

/** How far apart what is read lies along each axis of the result, by the names p0… */
function stridesOf({ nest, place }: Lowering, extents: readonly number[]): readonly [Operand, ReadonlyMap<string, number>] | undefined {
  const source = sourceAt(
    nest,
    extents.map((_, i) => indexVar(`p${i}`)),
  );
  if (source?.operand.dtype !== "float32") return undefined;
  const { layout } = place(source.operand);
  const form = layout.kind === "plain" ? affine(offsetOf(source.operand.dims, layout, source.index)) : undefined;
  return form && [source.operand, form.coefficients];
}

/** Whether the nest computes a float32 matrix or more in row order, element by element. */
const writesRows = ({ nest, place }: Lowering): boolean =>
  !nest.reduction && nest.result.dtype === "float32" && nest.result.dims.length > 1 && place(nest.result).layout.kind === "plain";

function matchTurn(l: Lowering): Turn | undefined {
  const extents = l.nest.region?.extents ?? l.nest.result.dims;
  const found = writesRows(l) ? stridesOf(l, extents) : undefined;
  if (!found) return undefined;
  const [operand, strides] = found;
  const last = extents.length - 1;
  const long = (i: number): boolean => (extents[i] ?? 0) >= l.machine.lanes;
  const along = extents.findIndex((_, i) => i < last && long(i) && strides.get(`p${i}`) === 1);
  return along >= 0 && long(last) && (strides.get(`p${last}`) ?? 0) > 1 ? { operand, along, extents } : undefined;
}

/** The rows of a square as its columns. */
function turnedSquare(rows: readonly Var[], name: string): { readonly stmts: readonly Stmt[]; readonly columns: readonly Var[] } {
  const lanes = rows.length;
  const stmts: Stmt[] = [];
  let at = rows;
  for (let step = 1; step < lanes; step *= 2) {
    const before = at;
    at = before.map((row, i) => {
      const other = must(before[i ^ step], "a row");
      const [a, b] = i & step ? [other, row] : [row, other];
      const from = i & step ? step : 0;
      // Lanes without the bit come from a, those with it from b.
      const indices = Array.from({ length: lanes }, (_, j) => (j & step ? lanes + (j ^ step) + from : j + from));
      const turned = variable(`${name}s${step}_${i}`, row.type);
      stmts.push(letVar(turned, shuffle(a, b, indices)));
      return turned;
    });
  }
  return { stmts, columns: at };
}

function lowerTurn(l: Lowering, { operand, along, extents }: Turn): readonly Stmt[] {
  const { nest, place, prefix } = l;
  const { lanes } = l.machine;
  const last = extents.length - 1;
  const [source, target] = [place(operand), place(nest.result)];
  const loops = extents.map((n, i) => {
    const v = indexVar(`${prefix}${i}`);
    const square = i === along || i === last;
    // The last square ends with the row: it writes again what the one before has written.
    const from = n % lanes === 0 ? mul(v, int(lanes)) : min(mul(v, int(lanes)), int(n - lanes));
    return { v, turns: square ? Math.ceil(n / lanes) : n, from: square ? from : v };
  });
  const at = (axis: number, by: number): readonly Expr[] => loops.map(({ from }, i) => (i === axis ? add(from, int(by)) : from));
  const rows = Array.from({ length: lanes }, (_, i) => variable(`${prefix}row${i}`, typeOf("float32", lanes)));
  const reads = rows.map((row, i): Stmt => {
    const { index } = must(sourceAt(nest, at(last, i)), "a copy");
    return letVar(row, load(source.buffer, offsetOf(operand.dims, source.layout, index), lanes));
  });
  const { stmts, columns } = turnedSquare(rows, prefix);
  const writes = columns.map((column, i): Stmt =>
    store(target.buffer, offsetOf(nest.result.dims, target.layout, writtenIndex(nest, at(along, i))), column),
  );
  return loops.reduceRight<readonly Stmt[]>((body, { v, turns }) => [forLoop(v, turns, body)], [...reads, ...stmts, ...writes]);
}

/** Transposes of float32 whose two axes have whole vectors. */
export const turned: Schedule = {
  name: "turned in registers",
  lower: (l) => {
    const turn = matchTurn(l);
    return turn && lowerTurn(l, turn);
  },
};
