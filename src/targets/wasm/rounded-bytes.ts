/**
 * Floats that are rounded, moved by a zero point, clamped and made bytes, by fewer instructions: engines of WebAssembly print ten
 * for a conversion of floats to integers that saturates. Below 2^22 a float plus 1.5·2^23 has its rounded value in the low bits,
 * ties to even; above, the bits only grow, so that what is clamped to bytes afterwards needs no upper bound before.
 */
import { add, binary, bitcast, broadcast, cast, constant, saturatingCast } from "../../loop/expr.ts";
import { rewriteBody } from "../../loop/walk.ts";
import type { Binary, Expr, Func } from "../../loop/types.ts";

/** 1.5·2^23, and its bits. */
const ROUNDER = 12582912;
const ROUNDER_BITS = 0x4b400000;
/** Less than any byte minus a zero point, and small enough to be rounded. */
const LEAST = -(2 ** 22);

const isBinary = (e: Expr, op: Binary["op"]): e is Binary => e.kind === "binary" && e.op === op;
const isNumber = (e: Expr, value: number): boolean => e.kind === "const" && Number(e.value) === value;

/** The same number as an int32, where that is how it was made. */
function asInteger(e: Expr): Expr | undefined {
  if (e.kind === "broadcast") {
    const inner = asInteger(e.a);
    return inner && broadcast(inner, e.type.lanes);
  }
  if (e.kind !== "cast") return undefined;
  return e.a.type.dtype === "uint8" || e.a.type.dtype === "int8" ? cast(e.a, "int32") : undefined;
}

/** What clamping to 0 … 255 is applied to. */
function clamped(e: Expr): Expr | undefined {
  if (!isBinary(e, "min") || !isNumber(e.b, 255) || !isBinary(e.a, "max")) return undefined;
  return isNumber(e.a.a, 0) ? e.a.b : undefined;
}

/** The vector of float32 that is made int32 and then uint8. */
function madeBytes(e: Expr): Expr | undefined {
  if (e.kind !== "cast" || e.type.dtype !== "uint8" || e.type.lanes === 1) return undefined;
  const { a } = e;
  return a.kind === "cast" && a.type.dtype === "int32" && a.a.type.dtype === "float32" ? a.a : undefined;
}

/** clamp(roundEven(x) + z, 0, 255) of float32 as uint8, in vectors. */
function rounded(e: Expr): Expr {
  const floats = madeBytes(e);
  const sum = floats && clamped(floats);
  if (sum === undefined || !isBinary(sum, "add") || sum.a.kind !== "unary" || sum.a.op !== "roundEven") return e;
  const zero = asInteger(sum.b);
  if (zero === undefined) return e;
  const { lanes } = e.type;
  // The bound comes first: a NaN, which is greater than nothing, gives it.
  const least = binary("max", constant(LEAST, "float32", lanes), sum.a.a);
  const bits = bitcast(add(least, constant(ROUNDER, "float32", lanes)), "int32");
  const offset = zero.kind === "broadcast" ? broadcast(add(zero.a, constant(-ROUNDER_BITS, "int32")), lanes) : undefined;
  const moved = offset ? add(bits, offset) : add(add(bits, constant(-ROUNDER_BITS, "int32", lanes)), zero);
  return saturatingCast(moved, "uint8");
}

/** The kernel with such conversions rewritten. */
export const roundBytes = (f: Func): Func => ({ ...f, body: rewriteBody(f.body, rounded) });
