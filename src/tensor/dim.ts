import { HoneError } from "../util/errors.ts";

/** A dimension: a number, or an expression over named symbols. */
export type Dim = number | Sym;
export type Shape = readonly Dim[];

/** A symbolic dimension. Two are the same when their texts are. */
export interface Sym {
  readonly text: string;
  /** Its value under bindings; undefined while a symbol in it has none. */
  readonly evaluate: (bindings: ReadonlyMap<string, number>) => number | undefined;
  /** The symbols in it. */
  readonly free: readonly string[];
}

/** A named symbol, such as the batch size. */
export function sym(name: string): Sym {
  return { text: name, evaluate: (b) => b.get(name), free: [name] };
}

export const isStatic = (shape: Shape): shape is readonly number[] => shape.every((d) => typeof d === "number");
export const dimText = (d: Dim): string => (typeof d === "number" ? String(d) : d.text);
export const shapeText = (shape: Shape): string => `[${shape.map(dimText).join(",")}]`;
export const dimEquals = (a: Dim, b: Dim): boolean => dimText(a) === dimText(b);

/** The shape as numbers; throws `shape.unbound`, which names the symbols, when it is not static. */
export function staticShape(shape: Shape, what: string): readonly number[] {
  if (isStatic(shape)) return shape;
  const free = [...new Set(shape.flatMap((d) => (typeof d === "number" ? [] : d.free)))];
  throw new HoneError(
    "shape.unbound",
    `${what} has the shape ${shapeText(shape)}: ${free.join(", ")} ${free.length > 1 ? "have" : "has"} no value`,
    {
      hint: "Give the input's shape, for example --shape input=1x3x640x640.",
    },
  );
}

/** Puts numbers for symbols wherever `bindings` has them. */
export function bindShape(shape: Shape, bindings: ReadonlyMap<string, number>): Shape {
  return shape.map((d) => (typeof d === "number" ? d : (d.evaluate(bindings) ?? d)));
}

/** Of a formula: a model that adds a dimension to itself again and again doubles it each time. */
const MAX_FORMULA = 16_384;

/** Throws `graph.shape` when the formula grows too long. */
function combine(a: Dim, b: Dim, text: (x: string, y: string) => string, f: (x: number, y: number) => number): Dim {
  if (typeof a === "number" && typeof b === "number") return f(a, b);
  const value = (d: Dim, bindings: ReadonlyMap<string, number>): number | undefined => (typeof d === "number" ? d : d.evaluate(bindings));
  const formula = text(dimText(a), dimText(b));
  if (formula.length > MAX_FORMULA) {
    throw new HoneError("graph.shape", `the formula of a dimension has more than ${MAX_FORMULA} characters`, {
      hint: "Give numbers for the symbols in the inputs' shapes: --shape NAME=1x3x640x640.",
    });
  }
  return {
    text: formula,
    evaluate: (bindings) => {
      const x = value(a, bindings);
      const y = value(b, bindings);
      return x === undefined || y === undefined ? undefined : f(x, y);
    },
    free: [...new Set([...(typeof a === "number" ? [] : a.free), ...(typeof b === "number" ? [] : b.free)])],
  };
}

export function addDim(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  return combine(
    a,
    b,
    (x, y) => `(${x}+${y})`,
    (x, y) => x + y,
  );
}

export function mulDim(a: Dim, b: Dim): Dim {
  if (a === 1) return b;
  if (b === 1) return a;
  return combine(
    a,
    b,
    (x, y) => `(${x}*${y})`,
    (x, y) => x * y,
  );
}

/** floor(a / b) or, with `ceil`, the next integer up. */
export function divDim(a: Dim, b: Dim, ceil = false): Dim {
  if (b === 1) return a;
  if (dimEquals(a, b)) return 1;
  const round = ceil ? Math.ceil : Math.floor;
  return combine(
    a,
    b,
    (x, y) => `${ceil ? "ceil" : "floor"}(${x}/${y})`,
    (x, y) => round(x / y),
  );
}

export const productDim = (shape: Shape): Dim => shape.reduce<Dim>(mulDim, 1);
