/**
 * Floats that are rounded, moved by a zero point and made bytes, by fewer instructions: engines of WebAssembly print ten for a
 * conversion of floats to integers that saturates. Below 2^22 a float plus 1.5·2^23 has its rounded value in the low bits, ties to
 * even; above, the bits only grow, so that narrowing, which saturates, needs no upper bound before.
 */
import { add, binary, bitcast, constant } from "../../loop/expr.ts";
import type { RoundedBytes } from "../../loop/types.ts";
import { invariant } from "../../util/errors.ts";
import type { Emitter } from "./emitter.ts";

/** 1.5·2^23, and its bits. */
const ROUNDER = 12582912;
const ROUNDER_BITS = 0x4b400000;
/** Less than any byte minus a zero point, and small enough to be rounded. */
const LEAST = -(2 ** 22);

/** Four lanes each of one, two or four parts, in the low bytes of the vector that is left on the stack. */
export function emitRoundedBytes(m: Emitter, { parts, zero }: RoundedBytes): void {
  m.value(add(zero, constant(-ROUNDER_BITS, "int32", zero.type.lanes)));
  const offset = m.newLocal("v128");
  m.set(offset);
  const words = (from: number): void => {
    const pair = parts.slice(from, from + 2);
    for (const x of pair) {
      const { lanes } = x.type;
      // The bound comes first: a NaN, which is greater than nothing, gives it.
      const least = binary("max", constant(LEAST, "float32", lanes), x);
      m.value(bitcast(add(least, constant(ROUNDER, "float32", lanes)), "int32"));
      m.get(offset);
      m.op("i32x4.add");
    }
    if (pair.length === 1) m.get(m.keep("v128"));
    m.op("i16x8.narrow_i32x4_s");
  };
  invariant(
    parts.every((x) => x.type.lanes <= 4),
    "parts of one register",
  );
  words(0);
  if (parts.length > 2) words(2);
  else m.get(m.keep("v128"));
  m.op("i8x16.narrow_i16x8_u");
}
