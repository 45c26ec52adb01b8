/** Scalar operations that take a loop: the remainder of floats and powers of integers. */
import { is64 } from "../../tensor/dtype.ts";
import type { ScalarType } from "../../loop/types.ts";
import { convert } from "./convert.ts";
import { isSigned, type Emitter } from "./emitter.ts";

/** Runs `body` as long as the condition holds. */
function whileLoop(m: Emitter, condition: () => void, body: () => void): void {
  m.open("block");
  m.open("loop");
  condition();
  m.op("i32.eqz");
  m.number("br_if", 1);
  body();
  m.number("br", 0);
  m.op("end");
  m.op("end");
}

/**
 * a − b·trunc(a / b) without rounding, as C's fmod: b is doubled up to |a|, and each double is taken off where it fits; the
 * doubling, the halving and the difference of numbers within a factor of two are exact. NaN when b is 0 or a is not finite.
 */
export function floatRemainder(m: Emitter, dtype: ScalarType, a: () => void, b: () => void): void {
  const held = (operand: () => void): number => {
    operand();
    if (dtype === "float32") m.op("f64.promote_f32");
    const local = m.newLocal("f64");
    m.set(local);
    return local;
  };
  const [x, y, rest, step] = [held(a), held(b), m.newLocal("f64"), m.newLocal("f64")];
  const magnitude = (local: number): void => {
    m.get(local);
    m.op("f64.abs");
  };
  const holds = (left: () => void, op: string, right: () => void) => (): void => {
    left();
    right();
    m.op(`f64.${op}`);
  };
  magnitude(x);
  m.set(rest);
  magnitude(y);
  m.set(step);
  const twice = (): void => {
    m.get(step);
    m.get(step);
    m.op("f64.add");
  };
  const scale = (factor: number): void => {
    m.get(step);
    m.constant("f64", factor);
    m.op("f64.mul");
    m.set(step);
  };
  holds(
    () => m.get(step),
    "gt",
    () => m.constant("f64", 0),
  )();
  holds(
    () => m.get(rest),
    "lt",
    () => m.constant("f64", Infinity),
  )();
  m.op("i32.and");
  m.open("if", "f64");
  whileLoop(
    m,
    holds(twice, "le", () => m.get(rest)),
    () => scale(2),
  );
  whileLoop(
    m,
    holds(
      () => m.get(rest),
      "ge",
      () => magnitude(y),
    ),
    () => {
      holds(
        () => m.get(rest),
        "ge",
        () => m.get(step),
      )();
      m.open("if");
      m.get(rest);
      m.get(step);
      m.op("f64.sub");
      m.set(rest);
      m.op("end");
      scale(0.5);
    },
  );
  m.get(rest);
  m.get(x);
  m.op("f64.copysign");
  m.op("else");
  m.constant("f64", NaN);
  m.op("end");
  if (dtype === "float32") m.op("f32.demote_f64");
}

/** A power of integers modulo 2^64, by squaring. A negative exponent gives what truncating the quotient 1 / aⁿ does; 0 for 64 bits. */
export function integerPower(m: Emitter, dtype: ScalarType, a: () => void, b: () => void): void {
  const held = (operand: () => void): number => {
    operand();
    convert(m, dtype, "int64");
    const local = m.newLocal("i64");
    m.set(local);
    return local;
  };
  const [base, exponent, power] = [held(a), held(b), m.newLocal("i64")];
  const compareTo = (local: number, op: string, value: number): void => {
    m.get(local);
    m.constant("i64", value);
    m.op(`i64.${op}`);
  };
  m.constant("i64", 1);
  m.set(power);
  if (isSigned(dtype)) {
    compareTo(exponent, "lt_s", 0);
    m.open("if");
    // Only 1 and −1 have powers that are not 0: those of their exponent's last bit.
    negativeExponent(m, is64(dtype as "int64"), base, exponent, compareTo);
    m.op("end");
  }
  whileLoop(
    m,
    () => compareTo(exponent, "ne", 0),
    () => {
      m.get(power);
      m.get(base);
      m.op("i64.mul");
      m.get(power);
      m.get(exponent);
      m.op("i32.wrap_i64");
      m.constant("i32", 1);
      m.op("i32.and");
      m.op("select");
      m.set(power);
      m.get(base);
      m.get(base);
      m.op("i64.mul");
      m.set(base);
      m.get(exponent);
      m.constant("i64", 1);
      m.op("i64.shr_u");
      m.set(exponent);
    },
  );
  m.get(power);
  convert(m, "int64", dtype);
}

function negativeExponent(
  m: Emitter,
  wide: boolean,
  base: number,
  exponent: number,
  compareTo: (local: number, op: string, value: number) => void,
): void {
  if (!wide) {
    m.get(base);
    m.constant("i64", 0);
    compareTo(base, "eq", 1);
    compareTo(base, "eq", -1);
    m.op("i32.or");
    m.op("select");
  } else m.constant("i64", 0);
  m.set(base);
  m.get(exponent);
  m.constant("i64", 1);
  m.op("i64.and");
  // An even exponent of −1 or 1 squares it once, which gives 1; that of 0 must stay 0.
  m.constant("i64", 2);
  m.op("i64.or");
  m.set(exponent);
}
