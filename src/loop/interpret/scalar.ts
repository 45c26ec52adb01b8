/** Scalar arithmetic of the loop IR in JavaScript numbers and BigInts: the definition that every printer must agree with. */
import { DTYPES, is64, isFloat, type DType } from "../../tensor/dtype.ts";
import { fromBFloat16, fromFloat16, roundEven, toBFloat16, toFloat16 } from "../../tensor/half.ts";
import { HoneError } from "../../util/errors.ts";
import type { BinaryOp, CompareOp, ScalarType, UnaryOp } from "../types.ts";

/** float16 and bfloat16 are held as their value, 64-bit integers as BigInt, bool as 0 or 1. */
export type Scalar = number | bigint;

const INT_WRAP: Partial<Record<ScalarType, (x: number) => number>> = {
  int8: (x) => (x << 24) >> 24,
  int16: (x) => (x << 16) >> 16,
  int32: (x) => x | 0,
  uint8: (x) => x & 0xff,
  uint16: (x) => x & 0xffff,
  uint32: (x) => x >>> 0,
  bool: (x) => (x ? 1 : 0),
};

const FLOAT_ROUND: Partial<Record<ScalarType, (x: number) => number>> = {
  float32: Math.fround,
  float16: (x) => fromFloat16(toFloat16(x)),
  bfloat16: (x) => fromBFloat16(toBFloat16(x)),
};

const same = (x: number): number => x;

/** Brings an exact number result back into the type: rounds floats, wraps integers. */
export function wrapNumber(dtype: ScalarType): (x: number) => number {
  return INT_WRAP[dtype] ?? FLOAT_ROUND[dtype] ?? same;
}

/** Whether values of the type are BigInts here. */
export const isWide = (dtype: ScalarType): dtype is "int64" | "uint64" => dtype !== "index" && is64(dtype);
const wrapBig =
  (dtype: ScalarType) =>
  (x: bigint): bigint =>
    dtype === "int64" ? BigInt.asIntN(64, x) : BigInt.asUintN(64, x);

const NUMBER_UNARY: Record<UnaryOp, (x: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  not: (x) => (x ? 0 : 1),
  floor: Math.floor,
  ceil: Math.ceil,
  roundEven: (x) => (Number.isFinite(x) ? roundEven(x) : x),
  trunc: Math.trunc,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  erf,
  sin: Math.sin,
  cos: Math.cos,
};

/** erf by its Maclaurin series or, from 3 on, the continued fraction of erfc (Abramowitz and Stegun 7.1.5, 7.1.14). */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * sum && n < 200; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

/** A unary operation on numbers, before its result is brought back into the type. */
export function exactUnary(op: UnaryOp, dtype: ScalarType): (x: number) => number {
  return op === "not" && dtype !== "bool" ? (x) => ~x : NUMBER_UNARY[op];
}

export function numberUnary(op: UnaryOp, dtype: ScalarType): (x: number) => number {
  const wrap = wrapNumber(dtype);
  const f = exactUnary(op, dtype);
  return wrap === same ? f : (x) => wrap(f(x));
}

export function bigUnary(op: UnaryOp, dtype: ScalarType): (x: bigint) => bigint {
  const wrap = wrapBig(dtype);
  if (op === "neg") return (x) => wrap(-x);
  if (op === "abs") return (x) => wrap(x < 0n ? -x : x);
  if (op === "not") return (x) => wrap(~x);
  throw new HoneError("internal", `${op} of ${dtype}`);
}

export function unaryOf(op: UnaryOp, dtype: ScalarType): (x: Scalar) => Scalar {
  if (isWide(dtype)) {
    const f = bigUnary(op, dtype);
    return (x) => f(BigInt(x));
  }
  const f = numberUnary(op, dtype);
  return (x) => f(Number(x));
}

function remainder(a: number, b: number): number {
  return b === 0 ? 0 : a % b;
}

const FLOAT_BINARY: Partial<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  mod: (a, b) => a % b,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (b > a ? b : a),
  pow: Math.pow,
};

const INT_BINARY: Record<Exclude<BinaryOp, "mulhi">, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
  mod: remainder,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (b > a ? b : a),
  pow: (a, b) => a ** b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr: (a, b) => (a < 0 ? a >> b : a >>> b),
};

const INDEX_BINARY: Partial<Record<BinaryOp, (a: number, b: number) => number>> = {
  mul: (a, b) => a * b,
  div: (a, b) => Math.floor(a / b),
  mod: (a, b) => a - b * Math.floor(a / b),
};

/** Modulo 2⁶⁴, by squaring: the exact power of a large exponent has more digits than there is memory. */
function wrappedPower(base: bigint, exponent: bigint): bigint {
  let [power, square] = [1n, base];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) power = BigInt.asUintN(64, power * square);
    square = BigInt.asUintN(64, square * square);
  }
  return power;
}

const BIG_BINARY: Record<BinaryOp, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  mod: (a, b) => (b === 0n ? 0n : a % b),
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
  pow: (a, b) => (b < 0n ? 0n : wrappedPower(a, b)),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr: (a, b) => a >> b,
  mulhi: (a, b) => (a * b) >> 64n,
};

/** A binary operation on numbers, before its result is brought back into the type. Throws `internal` when the dtype has none. */
export function exactBinary(op: BinaryOp, dtype: ScalarType): (a: number, b: number) => number {
  if (dtype !== "index" && isFloat(dtype)) {
    const f = FLOAT_BINARY[op];
    if (!f) throw new HoneError("internal", `${op} of ${dtype}`);
    return f;
  }
  if (op === "mulhi") {
    const bits = BigInt(dtype === "index" ? 32 : DTYPES[dtype].bytes * 8);
    return (a, b) => Number((BigInt(a) * BigInt(b)) >> bits);
  }
  return (dtype === "index" ? INDEX_BINARY[op] : undefined) ?? INT_BINARY[op];
}

export function numberBinary(op: BinaryOp, dtype: ScalarType): (a: number, b: number) => number {
  const wrap = wrapNumber(dtype);
  const f = exactBinary(op, dtype);
  return wrap === same ? f : (a, b) => wrap(f(a, b));
}

export function bigBinary(op: BinaryOp, dtype: ScalarType): (a: bigint, b: bigint) => bigint {
  const wrap = wrapBig(dtype);
  const f = BIG_BINARY[op];
  return (a, b) => wrap(f(a, b));
}

export function binaryOf(op: BinaryOp, dtype: ScalarType): (a: Scalar, b: Scalar) => Scalar {
  if (isWide(dtype)) {
    const f = bigBinary(op, dtype);
    return (a, b) => f(BigInt(a), BigInt(b));
  }
  const f = numberBinary(op, dtype);
  return (a, b) => f(Number(a), Number(b));
}

const COMPARE: Record<CompareOp, (a: Scalar, b: Scalar) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

export const compareOf = (op: CompareOp): ((a: Scalar, b: Scalar) => boolean) => COMPARE[op];

/** Value conversion as `cast` defines it. */
export function convert(from: ScalarType, to: ScalarType): (x: Scalar) => Scalar {
  const truncate = from !== "index" && isFloat(from) && (to === "index" || !isFloat(to)) && to !== "bool";
  if (isWide(to)) {
    const wrap = wrapBig(to);
    return (x) => wrap(typeof x === "bigint" ? x : BigInt(Number.isFinite(x) ? Math.trunc(x) : 0));
  }
  const wrap = wrapNumber(to);
  if (to === "index") return (x) => Math.trunc(Number(x));
  if (isWide(from) && to === "bool") return (x) => (BigInt(x) !== 0n ? 1 : 0);
  if (isWide(from) && !isFloat(to)) return (x) => wrap(Number(BigInt.asIntN(32, BigInt(x))));
  return truncate ? (x) => wrap(Math.trunc(Number(x))) : (x) => wrap(Number(x));
}

/** Lowest and highest value of an integer type. */
export function integerRange(dtype: DType): readonly [number, number] {
  const bits = DTYPES[dtype].bytes * 8;
  return DTYPES[dtype].class === "unsigned" ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

/** Clamps to the range of an integer type; NaN gives 0. */
export function saturate(dtype: DType): (x: Scalar) => Scalar {
  const [lo, hi] = integerRange(dtype);
  return (x) => {
    const n = Number(x);
    return Number.isNaN(n) ? 0 : Math.trunc(Math.min(hi, Math.max(lo, n)));
  };
}
