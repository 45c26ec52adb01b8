/** What calibration knows of a value, counted where the value is computed. */
import { add, binary, bitcast, cast, compare, constant, int, mul, select, sub, typeOf, variable } from "../loop/expr.ts";
import type { HistogramSpec, SerialContext } from "../loop/nest.ts";
import { ifThen, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { loops } from "./nests.ts";

/** Bins on either side of zero. */
export const SIDE: number = 2048;

/** Where in the result lies what: the bins from -SIDE to SIDE - 1, and behind them zeros, and as bits of float32 the range. */
export const SLOTS: { readonly zeros: number; readonly min: number; readonly max: number; readonly most: number; readonly length: number } =
  {
    zeros: 2 * SIDE,
    min: 2 * SIDE + 1,
    max: 2 * SIDE + 2,
    /** The largest |x|: it is infinite or NaN if any element is. */
    most: 2 * SIDE + 3,
    length: 2 * SIDE + 4,
  };

/** The bits of infinity, and so the least of what is not finite. */
const INFINITE = 0x7f800000;
/** The exponent of float32, biased, below which bins get no narrower: their reciprocal is still a float32. */
const LEAST_BIASED = 10;

/** The exponent of the width of a bin, by the bits of the largest |x|: with it the least power of two with which every value has one. */
export const exponentOf = (mostBits: number): number => Math.max(mostBits >>> 23, LEAST_BIASED) - 137;

const int32 = (value: number, lanes = 1): Expr => constant(value, "int32", lanes);
const INT32 = typeOf("int32");
const FLOAT32 = typeOf("float32");

/** The bits of |x|. */
export const magnitudeBits = (x: Expr): Expr => binary("and", bitcast(x, "int32"), int32(0x7fffffff, x.type.lanes));

/** The reciprocal of the width of a bin, by the bits of the largest |x|. */
export const reciprocalWidth = (most: Expr): Expr => {
  const biased = binary("max", binary("shr", most, int32(23)), int32(LEAST_BIASED));
  return bitcast(binary("shl", sub(int32(264), biased), int32(23)), "float32");
};

/**
 * The bin of x, counted from -SIDE: magnitudes in [i·width, (i+1)·width) have bin i, or below zero -1 - i. A product that is too small
 * for float32 to tell from zero is truncated as it would be.
 */
export function binOf(x: Expr, reciprocal: Expr): Expr {
  const { lanes } = x.type;
  const below = select(compare("lt", x, constant(0, "float32", lanes)), int32(SIDE - 1, lanes), int32(SIDE, lanes));
  return add(cast(mul(x, reciprocal), "int32"), below);
}

export const isFinite = (most: Expr): Expr => compare("lt", most, int32(INFINITE));

/** The indices of the elements that are counted, by the textbook. */
function counted(
  { source: { dims }, every }: HistogramSpec,
  name: (base: string) => string,
  body: (index: readonly Expr[]) => readonly Stmt[],
): readonly Stmt[] {
  const row = dims.length - 2;
  return loops(
    dims.map((d, axis) => (axis === row ? Math.floor((d - 1 - Math.floor(every / 2)) / every) + 1 : d)),
    name,
    (at) => body(at.map((i, axis) => (axis === row ? add(mul(i, int(every)), int(Math.floor(every / 2))) : i))),
  );
}

function statements(spec: HistogramSpec, { read, write, name }: SerialContext): readonly Stmt[] {
  const { source, counts } = spec;
  const [low, high] = [variable(name("low"), FLOAT32), variable(name("high"), FLOAT32)];
  const [most, zeros, bin] = [variable(name("most"), INT32), variable(name("zeros"), INT32), variable(name("bin"), INT32)];
  const [x, y] = [variable(name("x"), FLOAT32), variable(name("y"), FLOAT32)];
  const reciprocal = variable(name("reciprocal"), FLOAT32);
  const slot = (at: Expr, value: Expr): Stmt => write(counts, [at], value);
  return [
    ...loops([SLOTS.length], name, ([i = int(0)]) => [slot(i, int32(0))]),
    letMutable(low, constant(Infinity, "float32")),
    letMutable(high, constant(-Infinity, "float32")),
    letMutable(most, int32(0)),
    letMutable(zeros, int32(0)),
    ...loops(source.dims, name, (at) => [
      letVar(x, read(source, at)),
      setVar(low, binary("min", low, x)),
      setVar(high, binary("max", high, x)),
      setVar(most, binary("max", most, magnitudeBits(x))),
    ]),
    ifThen(isFinite(most), [
      letVar(reciprocal, reciprocalWidth(most)),
      ...counted(spec, name, (at) => [
        letVar(y, read(source, at)),
        ifThen(
          compare("eq", y, constant(0, "float32")),
          [setVar(zeros, add(zeros, int32(1)))],
          [letVar(bin, binOf(y, reciprocal)), write(counts, [cast(bin, "index")], add(read(counts, [cast(bin, "index")]), int32(1)))],
        ),
      ]),
    ]),
    ...summary(low, high, most, zeros).map(([at, value]) => slot(int(at), value)),
  ];
}

/** What lies behind the bins. Zero is stored without its sign, which the order of the elements would decide. */
export function summary(low: Expr, high: Expr, most: Expr, zeros: Expr): readonly (readonly [number, Expr])[] {
  const bits = (e: Expr): Expr => bitcast(add(e, constant(0, "float32")), "int32");
  return [
    [SLOTS.zeros, zeros],
    [SLOTS.min, bits(low)],
    [SLOTS.max, bits(high)],
    [SLOTS.most, most],
  ];
}

/** Of a value with more elements only some rows are counted. */
const ENOUGH = 2 ** 14;
/** But of every map at least so many. */
const LEAST_ROWS = 8;

/** Which rows of a value are counted: every so many, the first in the middle of as many. All elements count for the range. */
export function rowsApart(dims: readonly number[]): number {
  const rows = dims.length < 2 ? 1 : (dims[dims.length - 2] ?? 1);
  return Math.max(1, Math.min(Math.ceil(elementCount(dims) / ENOUGH), Math.floor(rows / LEAST_ROWS)));
}

/**
 * Integer counts of a value's elements by bins of a width of a power of two, the least with which every element has one, and the
 * range of the elements: int32 by {@link SLOTS}. Exact zeros have no bin. When an element is not finite nothing is counted. Of
 * `every` rows (along the last axis) one is counted; the range is that of all.
 */
export const histogram: Op = defineOp({
  name: "histogram",
  inputs: { x: "float" },
  attrs: { every: 1 },
  traits: { unordered: true },
  infer: ({ x }, { every }) => {
    const rows = x.shape[x.shape.length - 2];
    const most = typeof rows === "number" ? rows : Infinity;
    if (x.dtype !== "float32" || !Number.isInteger(every) || every < 1 || (every > 1 && every > most))
      throw misfit("histogram", `one of every ${every} rows cannot be counted`, [x]);
    return [{ dtype: "int32", shape: [SLOTS.length] }];
  },
  compute: ({ out }, { x }, { every }) => {
    const spec: HistogramSpec = { kind: "histogram", source: x, counts: out, every };
    return {
      kind: "serial",
      result: out,
      steps: 2 * elementCount(x.dims) + SLOTS.length,
      statements: (context) => statements(spec, context),
      known: spec,
    };
  },
});
