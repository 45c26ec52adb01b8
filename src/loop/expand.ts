/**
 * The textbook expansion of a structured nest: one loop a dimension, in the order in which the result lies in memory. It is
 * the reference that every schedule is checked against.
 */
import { physicalDims, type Layout } from "../tensor/layout.ts";
import { stridesOf } from "../tensor/tensor.ts";
import { invariant } from "../util/errors.ts";
import { add, and, binary, broadcast, cast, compare, constant, div, fma, indexVar, int, load, mod, mul, select, variable } from "./expr.ts";
import type { Nest, Operand, Read, SerialNest } from "./nest.ts";
import { simplifyBody } from "./simplify.ts";
import { forLoop, ifThen, letMutable, setVar, store } from "./stmt.ts";
import type { Buffer, Expr, ReduceOp, Stmt, Var } from "./types.ts";

/** Where an operand lies: its buffer and layout. */
export interface Placement {
  readonly buffer: Buffer;
  readonly layout: Layout;
}

export type Placements = (operand: Operand) => Placement;

/** Offset in elements of a logical index. */
export function offsetOf(dims: readonly number[], layout: Layout, index: readonly Expr[]): Expr {
  const physical = physicalIndex(layout, index);
  const strides = stridesOf(physicalDims(dims, layout));
  return physical.reduce<Expr>((sum, i, axis) => add(sum, mul(i, int(strides[axis] ?? 1))), int(0));
}

function physicalIndex(layout: Layout, index: readonly Expr[]): readonly Expr[] {
  if (layout.kind === "plain") return index;
  const [n, c, ...spatial] = index;
  invariant(n && c, "a blocked value has a batch and a channel axis");
  return [n, div(c, int(layout.block)), ...spatial, mod(c, int(layout.block))];
}

/** A condition that holds when the index lies inside the dims. */
export function insideOf(dims: readonly number[], index: readonly Expr[]): Expr {
  return index.reduce<Expr>(
    (all, i, axis) => {
      const inside = and(compare("ge", i, int(0)), compare("lt", i, int(dims[axis] ?? 1)));
      return all.kind === "const" ? inside : and(all, inside);
    },
    constant(1, "bool"),
  );
}

/** Scalar reads through the placements. */
export function scalarRead(place: Placements): Read {
  return (operand, index, outside) => {
    const { buffer, layout } = place(operand);
    const value = cast(load(buffer, offsetOf(operand.dims, layout, index)), operand.dtype);
    return outside ? select(insideOf(operand.dims, index), value, outside) : value;
  };
}

/** acc combined with one contribution; a product into a sum becomes fma. */
export function combine(op: ReduceOp, acc: Expr, value: Expr): Expr {
  const float = value.type.dtype === "float32" || value.type.dtype === "float64";
  if (op === "add" && float && value.kind === "binary" && value.op === "mul") return fma(value.a, value.b, acc);
  return binary(op, acc, value);
}

/** Statements that compute one element and hand it to `emit`. */
export function elementOf(
  nest: Nest,
  p: readonly Expr[],
  read: Read,
  prefix: string,
  emit: (value: Expr) => readonly Stmt[],
): readonly Stmt[] {
  const { reduction } = nest;
  if (!reduction) return emit(nest.body({ p, r: [], read }));
  const r = reduction.extents.map((_, i) => indexVar(`${prefix}r${i}`));
  const value = nest.body({ p, r, read });
  const { dtype, lanes } = value.type;
  // Sums of half-precision numbers are kept in float32.
  const kept = dtype === "float16" || dtype === "bfloat16" ? "float32" : dtype;
  const acc = variable(`${prefix}acc`, { dtype: kept, lanes });
  const loops = r.reduceRight<readonly Stmt[]>(
    (body, v, i) => [forLoop(v, reduction.extents[i] ?? 1, body)],
    [setVar(acc, combine(reduction.combine, acc, cast(value, kept)))],
  );
  const total = cast(acc, dtype);
  const result = reduction.finish ? reduction.finish(total, { p, r: [], read }) : total;
  return [letMutable(acc, cast(broadcast(reduction.init, lanes), kept)), ...loops, ...emit(result)];
}

/** Statements for one element, by its logical index. */
type ElementBody = (p: readonly Expr[]) => readonly Stmt[];

/** Loops over the result in the order of its memory. For padding of a blocked result there is `padding`, whose index lies outside. */
export function loopsOver(
  dims: readonly number[],
  layout: Layout,
  prefix: string,
  body: ElementBody,
  padding: ElementBody = () => [],
): readonly Stmt[] {
  const physical = physicalDims(dims, layout);
  const vars: readonly Var[] = physical.map((_, i) => indexVar(`${prefix}${i}`));
  const inner = layout.kind === "plain" ? body(vars) : blockedBody(dims, layout.block, vars, body, padding);
  return vars.reduceRight<readonly Stmt[]>((stmts, v, i) => [forLoop(v, physical[i] ?? 1, stmts)], inner);
}

function blockedBody(
  dims: readonly number[],
  block: number,
  vars: readonly Var[],
  body: ElementBody,
  padding: ElementBody,
): readonly Stmt[] {
  const [n, outer, ...rest] = vars;
  const lane = rest.pop();
  invariant(n && outer && lane, "a blocked value has a batch and a channel axis");
  const channel = add(mul(outer, int(block)), lane);
  const index = [n, channel, ...rest];
  if ((dims[1] ?? 1) % block === 0) return body(index);
  return [ifThen(compare("lt", channel, int(dims[1] ?? 1)), body(index), padding(index))];
}

/** The textbook loops of a nest. Padding of a whole result gets zeros: kernels of integers read it, against weights of zero. */
export function expand(nest: Nest, place: Placements, prefix = "i"): readonly Stmt[] {
  const { buffer, layout } = place(nest.result);
  const { dims } = nest.result;
  const write = (p: readonly Expr[], value: Expr): Stmt => store(buffer, offsetOf(dims, layout, writtenIndex(nest, p)), value);
  const body = loopsOver(
    nest.region?.extents ?? dims,
    layout,
    prefix,
    (p) => elementOf(nest, p, scalarRead(place), prefix, (value) => [write(p, value)]),
    nest.region ? undefined : (p) => [write(p, constant(0, buffer.dtype))],
  );
  return simplifyBody(body);
}

/** The loops of a serial nest. */
export function expandSerial(nest: SerialNest, place: Placements, prefix = "i"): readonly Stmt[] {
  const body = nest.statements({
    read: scalarRead(place),
    write: (operand, index, value) => {
      const { buffer, layout } = place(operand);
      return store(buffer, offsetOf(operand.dims, layout, index), value);
    },
    name: (base) => `${prefix}${base}`,
  });
  return simplifyBody(body);
}

/** The index in the result that the iteration p writes. */
export function writtenIndex(nest: Nest, p: readonly Expr[]): readonly Expr[] {
  const { region } = nest;
  if (!region) return p;
  return p.map((i, axis) => {
    const origin = region.origin[axis] ?? 0;
    return add(i, typeof origin === "number" ? int(origin) : origin);
  });
}
