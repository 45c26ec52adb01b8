import { invariant } from "../../../util/errors.ts";
import { mapOperands } from "../../walk.ts";
import { shuffle, typeOf } from "../../expr.ts";
import type { Expr } from "../../types.ts";
import type { Once } from "../rule.ts";

/** Lane i of a vector as a scalar. */
export const laneOf = (v: Expr, i: number): Expr => (v.type.lanes === 1 ? v : shuffle(v, v, [i]));

/** Vectors of one lane count joined in order; their number is a power of two. */
export function join(parts: readonly Expr[]): Expr {
  const [first, second] = parts;
  invariant(first, "something to join");
  if (!second) return first;
  const pairs: Expr[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [a, b] = [parts[i] ?? first, parts[i + 1] ?? first];
    pairs.push(
      shuffle(
        a,
        b,
        Array.from({ length: 2 * a.type.lanes }, (_, k) => k),
      ),
    );
  }
  return join(pairs);
}

/** An elementwise operation lane by lane. */
export function scalarise(e: Expr, once: Once): Expr {
  const held = mapOperands(e, once);
  return join(
    Array.from({ length: e.type.lanes }, (_, i) => ({
      ...mapOperands(held, (operand) => laneOf(operand, i)),
      type: typeOf(e.type.dtype),
    })),
  );
}
