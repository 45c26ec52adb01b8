/** Integer operations by wider ones. */
import { DTYPES, isFloat, type DType } from "../../../tensor/dtype.ts";
import { add, binary, cast, compare, constant, mul, select, shuffle, unary } from "../../expr.ts";
import { integerRange } from "../../interpret/scalar.ts";
import type { Dot2, Dot4, Expr, RoundedBytes, SaturatingCast } from "../../types.ts";
import type { Once } from "../rule.ts";
import { clamp, like } from "./like.ts";
import { join } from "./scalarise.ts";

/** The products of each sum, widened to int32; exact. */
function dotRule(acc: Expr, a: Expr, b: Expr, terms: readonly number[]): Expr {
  const every = (v: Expr, j: number): Expr =>
    cast(
      shuffle(
        v,
        v,
        Array.from({ length: acc.type.lanes }, (_, i) => terms.length * i + j),
      ),
      "int32",
    );
  return terms.reduce<Expr>((sum, j) => add(sum, mul(every(a, j), every(b, j))), acc);
}

export const dot4Rule = (e: Dot4, once: Once): Expr => dotRule(e.acc, once(e.u), once(e.s), [0, 1, 2, 3]);
export const dot2Rule = (e: Dot2, once: Once): Expr => dotRule(e.acc, once(e.a), once(e.b), [0, 1]);

/** Part by part as it is defined, and joined. */
export function roundedBytesRule({ parts, zero }: RoundedBytes): Expr | undefined {
  const bytes = parts.map((x) => {
    const sum = add(unary("roundEven", x), cast(zero, "float32"));
    return cast(cast(binary("min", binary("max", like(sum, 0), sum), like(sum, 255)), "int32"), "uint8");
  });
  return join(bytes);
}

/** The upper half of a product through the dtype of twice the width; 64-bit ones through their four half products. */
export function mulhiRule(a: Expr, b: Expr, once: Once): Expr | undefined {
  const { dtype } = a.type;
  if (dtype === "index" || isFloat(dtype) || dtype === "bool") return undefined;
  const bits = DTYPES[dtype].bytes * 8;
  if (bits === 64) return mulhi64(once(a), once(b), once);
  const signed = DTYPES[dtype].class === "signed";
  const wide: DType = bits === 32 ? (signed ? "int64" : "uint64") : "int32";
  const product = mul(cast(a, wide), cast(b, wide));
  return cast(binary("shr", product, like(product, bits === 32 ? 32n : bits)), dtype);
}

function mulhi64(a: Expr, b: Expr, once: Once): Expr {
  const low = (x: Expr): Expr => once(cast(binary("and", x, like(x, 0xffffffffn)), "uint64"));
  const high = (x: Expr): Expr => once(binary("shr", x, like(x, 32n)));
  const as = (x: Expr): Expr => cast(x, a.type.dtype);
  const [al, bl, ah, bh] = [low(a), low(b), high(a), high(b)];
  const carry = (x: Expr): Expr => binary("shr", x, like(x, 32n));
  const cross = once(add(mul(ah, as(bl)), as(carry(mul(al, bl)))));
  const middle = once(add(mul(as(al), bh), binary("and", cross, like(cross, 0xffffffffn))));
  return add(add(mul(ah, bh), carry(cross)), carry(middle));
}

/** Clamps, then casts. From floats NaN becomes 0 first, and a bound that the float type cannot hold is chosen by comparison. */
export function saturateRule(e: SaturatingCast, once: Once): Expr | undefined {
  const to = e.type.dtype;
  const from = e.a.type.dtype;
  if (to === "index" || from === "index" || isFloat(to)) return undefined;
  const [lo, hi] = integerRange(to);
  if (!isFloat(from)) return fromInteger(once(e.a), to, once);
  const a = once(e.a);
  const number = select(compare("eq", a, a), a, like(a, 0));
  const exact = from === "float64" ? DTYPES[to].bytes < 8 : DTYPES[to].bytes < 4;
  if (exact) return cast(clamp(number, lo, hi), to);
  const x = once(number);
  const most = DTYPES[to].bytes === 8 ? BigInt.asUintN(64, DTYPES[to].class === "signed" ? 0x7fffffffffffffffn : -1n) : hi;
  const inside = cast(select(compare("lt", x, like(x, hi + 1)), clamp(x, lo, hi + 1), like(x, 0)), to);
  return select(compare("lt", x, like(x, hi + 1)), inside, constant(most, to, e.type.lanes));
}

function fromInteger(a: Expr, to: DType, once: Once): Expr {
  const from = a.type.dtype as DType;
  const [lo, hi] = integerRange(to);
  const [least, most] = integerRange(from);
  const big = (x: number): number | bigint => (DTYPES[from].bytes === 8 ? BigInt(x) : x);
  const above = lo > least ? once(binary("max", a, like(a, big(lo)))) : a;
  return cast(hi < most ? binary("min", above, like(a, big(hi))) : above, to);
}
