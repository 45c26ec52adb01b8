/**
 * Vectorises any nest whose reads run along the innermost axis of its result with stride 1 or 0: the body is evaluated once
 * with vectors for elements. Several vectors side by side hide the latency of a reduction.
 */
import { affine } from "../loop/affine.ts";
import { combine, insideOf, offsetOf, writtenIndex } from "../loop/expand.ts";
import { add, broadcast, cast, div, indexVar, int, load, mul, select, shuffle, variable } from "../loop/expr.ts";
import type { Operand, Read } from "../loop/nest.ts";
import { rangeOf, simplifyBody, simplifyExpr, type Range } from "../loop/simplify.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import { visitExpr } from "../loop/walk.ts";
import type { DType } from "../tensor/dtype.ts";
import { physicalDims } from "../tensor/layout.ts";
import { elementCount } from "../tensor/tensor.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering, Schedule } from "./lowering.ts";

/** What vectors are made of. Bytes come as many at a time as floats do, so that either can be computed from the other. */
const VECTORS: ReadonlySet<DType> = new Set(["float32", "uint8", "int8"]);

/** The iteration space of a nest in memory order, and the logical index of a point. */
interface Space {
  readonly extents: readonly number[];
  readonly logical: (vars: readonly Expr[]) => readonly Expr[];
}

function spaceOf(l: Lowering): Space {
  const dims = l.nest.region?.extents ?? l.nest.result.dims;
  const { layout } = l.place(l.nest.result);
  const extents = physicalDims(dims, layout);
  if (layout.kind === "plain") return { extents, logical: (v) => v };
  return {
    extents,
    logical: ([n = int(0), outer = int(0), ...rest]) => [
      n,
      add(mul(outer, int(layout.block)), rest.at(-1) ?? int(0)),
      ...rest.slice(0, -1),
    ],
  };
}

export const mentions = (e: Expr, name: string): boolean => {
  let found = false;
  visitExpr(e, (x) => {
    if (x.kind === "var" && x.name === name) found = true;
  });
  return found;
};

/** Reads as vectors along `lane`, a variable that stands for the position in the vector. */
export function laneRead(l: Lowering, lane: Var, lanes: number, ranges: ReadonlyMap<string, Range>): Read {
  return (operand: Operand, index, outside) => {
    if (index.some((e) => e.type.lanes > 1)) throw new DoesNotFit("where to read depends on the element");
    const { buffer, layout } = l.place(operand);
    if (index.some((i) => i.type.lanes > 1)) throw new DoesNotFit("lanes read at places of their own");
    const offset = simplifyExpr(offsetOf(operand.dims, layout, index), ranges);
    const value = cast(mentions(offset, lane.name) ? vectorLoad(offset) : load(buffer, offset), operand.dtype);
    if (!outside) return value;
    const inside = simplifyExpr(insideOf(operand.dims, index), ranges);
    if (mentions(inside, lane.name)) throw new DoesNotFit("a bound depends on the lane");
    return select(inside, value, broadcast(outside, value.type.lanes));

    function vectorLoad(at: Expr): Expr {
      const stride = affine(at)?.coefficients.get(lane.name) ?? laneStride(at, lane.name);
      if (stride !== 1 || !VECTORS.has(operand.dtype)) throw new DoesNotFit("a read does not run along the lanes");
      // The last block of a result may have more lanes than channels; what it reads must still lie inside the operand.
      if (ragged(l) && rangeOf(at, ranges).hi >= buffer.length) throw new DoesNotFit("the last vector would read past an operand");
      return load(buffer, replaceVar(at, lane.name), lanes);
    }
  };
}

/** Whether the last block of channels of the result is not full. */
function ragged({ nest, place }: Lowering): boolean {
  const { layout } = place(nest.result);
  const dims = nest.region?.extents ?? nest.result.dims;
  return layout.kind === "blocked" && (dims[1] ?? 1) % layout.block !== 0;
}

/** The lane's coefficient when the offset is `rest + lane` and the rest is not affine (a table look-up, a division). */
function laneStride(e: Expr, name: string): number | undefined {
  if (e.kind === "var") return e.name === name ? 1 : 0;
  if (!mentions(e, name)) return 0;
  if (e.kind !== "binary" || e.op !== "add") return undefined;
  const a = laneStride(e.a, name);
  const b = laneStride(e.b, name);
  return a === undefined || b === undefined ? undefined : a + b;
}

/** The offset of the first lane. */
export function replaceVar(e: Expr, name: string): Expr {
  if (e.kind === "var") return e.name === name ? int(0) : e;
  if (e.kind === "binary")
    return e.op === "add"
      ? add(replaceVar(e.a, name), replaceVar(e.b, name))
      : { ...e, a: replaceVar(e.a, name), b: replaceVar(e.b, name) };
  if (e.kind === "select") return { ...e, cond: replaceVar(e.cond, name), a: replaceVar(e.a, name), b: replaceVar(e.b, name) };
  return e;
}

/** A loop along the innermost axis. */
interface Run {
  readonly var: Var;
  readonly turns: number;
  /** First element of a turn. */
  readonly base: Expr;
  /** Vectors side by side in a turn. */
  readonly count: number;
}

/** Statements for one turn. */
function vectors(l: Lowering, space: Space, outer: readonly Var[], run: Run, part: string): readonly Stmt[] {
  const { base, count } = run;
  const { nest, machine, place } = l;
  const lanes = machine.lanes;
  const lane = indexVar(`${l.prefix}lane`);
  const ranges = new Map<string, Range>([[lane.name, { lo: 0, hi: lanes - 1 }]]);
  outer.forEach((v, i) => ranges.set(v.name, { lo: 0, hi: (space.extents[i] ?? 1) - 1 }));
  ranges.set(run.var.name, { lo: 0, hi: run.turns - 1 });
  const r = (nest.reduction?.extents ?? []).map((_, i) => indexVar(`${l.prefix}${part}r${i}`));
  r.forEach((v, i) => ranges.set(v.name, { lo: 0, hi: (nest.reduction?.extents[i] ?? 1) - 1 }));
  const read = laneRead(l, lane, lanes, ranges);
  const target = place(nest.result);
  const points = Array.from({ length: count }, (_, k) => {
    const p = space.logical([...outer, add(add(base, int(k * lanes)), lane)]);
    const offset = simplifyExpr(offsetOf(nest.result.dims, target.layout, writtenIndex(nest, p)), ranges);
    if (laneStride(offset, lane.name) !== 1 && affine(offset)?.coefficients.get(lane.name) !== 1)
      throw new DoesNotFit("the result does not run along the lanes");
    return { p, offset: replaceVar(offset, lane.name) };
  });
  const asVector = (e: Expr): Expr => {
    if (mentions(e, lane.name)) throw new DoesNotFit("an element depends on its position");
    return broadcast(e, lanes);
  };
  const emit = (value: Expr, at: Expr): Stmt => store(target.buffer, at, asVector(value));
  const { reduction } = nest;
  if (!reduction) return points.map(({ p, offset }) => emit(nest.body({ p, r: [], read }), offset));
  const accs = points.map((_, k) => variable(`${l.prefix}${part}acc${k}`, { dtype: reduction.init.type.dtype, lanes }));
  const updates = accs.map((acc, k) =>
    setVar(acc, combine(reduction.combine, acc, asVector(nest.body({ p: points[k]?.p ?? [], r, read })))),
  );
  return [
    ...accs.map((acc) => letMutable(acc, broadcast(reduction.init, lanes))),
    ...r.reduceRight<readonly Stmt[]>((body, v, i) => [forLoop(v, reduction.extents[i] ?? 1, body)], updates),
    ...accs.flatMap((acc, k) => {
      const point = points[k];
      return point ? [emit(reduction.finish ? reduction.finish(acc, { p: point.p, r: [], read }) : acc, point.offset)] : [];
    }),
  ];
}

/** Elements past the last whole vector, one by one. */
function scalars(
  l: Lowering,
  space: Space,
  outer: readonly Var[],
  from: number,
  elementOf: (l: Lowering, p: readonly Expr[], part: string) => readonly Stmt[],
): readonly Stmt[] {
  const last = space.extents.at(-1) ?? 1;
  if (from >= last) return [];
  const v = indexVar(`${l.prefix}tail`);
  return [forLoop(v, last, elementOf(l, space.logical([...outer, v]), "t"), { from: int(from) })];
}

/**
 * The vector that ends with a row, when that is no whole number of vectors. It shares elements with the one before, so it is computed
 * before the row is written, of which its operands may be a part, and stored after. Undefined where lanes must begin at a multiple.
 */
function lastVector(
  l: Lowering,
  space: Space,
  outer: readonly Var[],
): { readonly compute: readonly Stmt[]; readonly emit: readonly Stmt[] } | undefined {
  const base = int((space.extents.at(-1) ?? 1) - l.machine.lanes);
  try {
    const stmts = vectors(l, space, outer, { var: indexVar(`${l.prefix}v`), turns: 1, base, count: 1 }, "e");
    const end = stmts.at(-1);
    if (end?.kind !== "store") return undefined;
    const value = variable(`${l.prefix}end`, end.value.type);
    return { compute: [...stmts.slice(0, -1), letVar(value, end.value)], emit: [{ ...end, value }] };
  } catch (error) {
    if (error instanceof DoesNotFit) return undefined;
    throw error;
  }
}

const SIDE_BY_SIDE = 4;

export function vectorized(elementOf: (l: Lowering, p: readonly Expr[], part: string) => readonly Stmt[]): Schedule {
  return {
    name: "vectorised",
    lower: (l) => {
      const { nest, machine, prefix } = l;
      if (!VECTORS.has(nest.result.dtype)) return undefined;
      const flat = flattened(l);
      if (flat) return flat;
      const space = spaceOf(l);
      const last = space.extents.at(-1) ?? 1;
      if (last < machine.lanes) return undefined;
      const outer = space.extents.slice(0, -1).map((_, i) => indexVar(`${prefix}${i}`));
      const v = indexVar(`${prefix}v`);
      const many = nest.reduction ? SIDE_BY_SIDE * machine.lanes : machine.lanes;
      const wide = last - (last % many);
      const narrow = last - ((last - wide) % machine.lanes);
      const loop = (from: number, to: number, step: number, part: string): readonly Stmt[] => {
        if (to <= from) return [];
        // Counted in vectors, so that it shows that each starts at a multiple of the lanes.
        const turns = (to - from) / step;
        const run = { var: v, turns, base: add(mul(v, int(step)), int(from)), count: step / machine.lanes };
        return [forLoop(v, turns, vectors(l, space, outer, run, part))];
      };
      const end = narrow < last && outer.some((_, i) => space.extents[i] !== 1) ? lastVector(l, space, outer) : undefined;
      const inner = [
        ...(end?.compute ?? []),
        ...loop(0, wide, many, "w"),
        ...loop(wide, narrow, machine.lanes, "n"),
        ...(end?.emit ?? scalars(l, space, outer, narrow, elementOf)),
      ];
      return simplifyBody(outer.reduceRight<readonly Stmt[]>((body, o, i) => [forLoop(o, space.extents[i] ?? 1, body)], inner));
    },
  };
}

/** How often each element of an operand stands in a row of the result, when it lacks just the last axis: the sums of a softmax. */
function repeats(dims: readonly number[], result: readonly number[]): number | undefined {
  const last = result.at(-1) ?? 1;
  const outer = dims.length === result.length && dims.at(-1) === 1 && dims.slice(0, -1).every((d, i) => d === result[i]);
  return outer && last > 1 ? last : undefined;
}

/** A vector in which each of the elements from `at` on stands `times` times. */
function repeated(buffer: Buffer, at: Expr, lanes: number, times: number): Expr {
  const distinct = Math.ceil(lanes / times);
  if (distinct === 1) return load(buffer, at);
  const values = load(buffer, at, distinct);
  return shuffle(
    values,
    values,
    Array.from({ length: lanes }, (_, i) => Math.floor(i / times)),
  );
}

/** A map over operands that lie exactly as the result does, or are one scalar, runs over memory as one row. */
function flattened(l: Lowering): readonly Stmt[] | undefined {
  const { nest, machine, place, prefix } = l;
  if (nest.kind !== "map" || nest.reduction || nest.region) return undefined;
  const target = place(nest.result);
  const p = nest.result.dims.map((_, i) => indexVar(`${prefix}p${i}`));
  const total = elementCount(physicalDims(nest.result.dims, target.layout));
  if (total < machine.lanes) return undefined;
  const at = indexVar(`${prefix}v`);
  const flatRead =
    (offset: Expr, lanes: number): Read =>
    (operand, index) => {
      const { buffer, layout } = place(operand);
      if (elementCount(operand.dims) === 1) return cast(load(buffer, int(0)), operand.dtype);
      const same =
        layout.kind === target.layout.kind &&
        operand.dims.length === p.length &&
        index.every(
          (e, i) => operand.dims[i] === nest.result.dims[i] && (operand.dims[i] === 1 || (e.kind === "var" && e.name === p[i]?.name)),
        );
      if (!VECTORS.has(buffer.dtype)) throw new DoesNotFit("an operand does not lie in vectors");
      const times = target.layout.kind === "plain" && layout.kind === "plain" ? repeats(operand.dims, nest.result.dims) : undefined;
      if (same) return load(buffer, offset, lanes);
      if (times === undefined || (lanes > 1 && machine.lanes % times !== 0)) throw new DoesNotFit("an operand lies in another way");
      return repeated(buffer, div(offset, int(times)), lanes, times);
    };
  try {
    const whole = total - (total % machine.lanes);
    const value = (offset: Expr, lanes: number): Expr => {
      const e = nest.body({ p, r: [], read: flatRead(offset, lanes) });
      if (p.some((v) => mentions(e, v.name))) throw new DoesNotFit("an element depends on its position");
      return broadcast(e, lanes);
    };
    const tail = indexVar(`${prefix}tail`);
    return [
      forLoop(at, whole, [store(target.buffer, at, value(at, machine.lanes))], { step: machine.lanes }),
      ...(whole < total ? [forLoop(tail, total, [store(target.buffer, tail, value(tail, 1))], { from: int(whole) })] : []),
    ];
  } catch (error) {
    if (error instanceof DoesNotFit) return undefined;
    throw error;
  }
}
