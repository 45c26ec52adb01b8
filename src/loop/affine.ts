/** Affine forms of index expressions: constant + Σ coefficient · variable. */
import { intValue } from "./expr.ts";
import type { Expr } from "./types.ts";

export interface Affine {
  readonly constant: number;
  readonly coefficients: ReadonlyMap<string, number>;
}

const scale = (a: Affine, k: number): Affine => ({
  constant: a.constant * k,
  coefficients: new Map([...a.coefficients].map(([name, c]) => [name, c * k] as const).filter(([, c]) => c !== 0)),
});

function sum(a: Affine, b: Affine): Affine {
  const coefficients = new Map(a.coefficients);
  for (const [name, c] of b.coefficients) {
    const total = (coefficients.get(name) ?? 0) + c;
    if (total === 0) coefficients.delete(name);
    else coefficients.set(name, total);
  }
  return { constant: a.constant + b.constant, coefficients };
}

/** The affine form of an index expression, or undefined when it has none. */
export function affine(e: Expr): Affine | undefined {
  const value = intValue(e);
  if (value !== undefined) return { constant: value, coefficients: new Map() };
  if (e.kind === "var") return { constant: 0, coefficients: new Map([[e.name, 1]]) };
  if (e.kind !== "binary") return undefined;
  const a = affine(e.a);
  const b = affine(e.b);
  if (!a || !b) return undefined;
  if (e.op === "add") return sum(a, b);
  if (e.op === "sub") return sum(a, scale(b, -1));
  if (e.op !== "mul") return undefined;
  if (a.coefficients.size === 0) return scale(b, a.constant);
  if (b.coefficients.size === 0) return scale(a, b.constant);
  return undefined;
}
