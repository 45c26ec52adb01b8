/** Scalar arithmetic that both scalar and lane-by-lane code emits. */
import { isFloat } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import type { BinaryOp, CompareOp, Expr, ScalarType, UnaryOp } from "../../loop/types.ts";
import { normalise } from "./convert.ts";
import { floatRemainder, integerPower } from "./loops.ts";
import { isSigned, valueType, type Emitter } from "./emitter.ts";

const FLOAT_UNARY: Partial<Record<UnaryOp, string>> = {
  neg: "neg",
  abs: "abs",
  floor: "floor",
  ceil: "ceil",
  roundEven: "nearest",
  trunc: "trunc",
  sqrt: "sqrt",
};

export function scalarUnary(m: Emitter, op: UnaryOp, dtype: ScalarType, operand: () => void): void {
  const type = valueType({ dtype, lanes: 1 });
  if (type === "f32" || type === "f64") {
    operand();
    m.op(`${type}.${FLOAT_UNARY[op] ?? op}`);
  } else if (op === "not" && dtype === "bool") {
    operand();
    m.op("i32.eqz");
  } else if (op === "not") {
    operand();
    m.constant(type, -1);
    m.op(`${type}.xor`);
    normalise(m, dtype);
  } else {
    integerSign(m, op, dtype, operand);
  }
}

function integerSign(m: Emitter, op: UnaryOp, dtype: ScalarType, operand: () => void): void {
  invariant(op === "neg" || op === "abs", `${op} of ${dtype}`);
  const type = valueType({ dtype, lanes: 1 });
  m.constant(type, 0);
  operand();
  const x = op === "abs" ? m.keep(type) : 0;
  m.op(`${type}.sub`);
  normalise(m, dtype);
  if (op === "neg") return;
  m.get(x);
  m.get(x);
  m.constant(type, 0);
  m.op(`${type}.lt_s`);
  m.op("select");
}

const INTEGER_BINARY: Partial<Record<BinaryOp, string>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "shl",
};
const FLOAT_BINARY: Partial<Record<BinaryOp, string>> = { add: "add", sub: "sub", mul: "mul", div: "div" };

export function scalarBinary(m: Emitter, op: BinaryOp, dtype: ScalarType, a: () => void, b: () => void): void {
  if (op === "min" || op === "max") {
    choose(m, op, dtype, a, b);
    return;
  }
  const type = valueType({ dtype, lanes: 1 });
  const float = dtype !== "index" && isFloat(dtype);
  const plain = float ? FLOAT_BINARY[op] : INTEGER_BINARY[op];
  if (withLoops(m, op, dtype, a, b)) return;
  a();
  b();
  if (op === "shr") m.op(`${type}.shr_${isSigned(dtype) ? "s" : "u"}`);
  else {
    invariant(plain, `${op} of ${dtype}`);
    m.op(`${type}.${plain}`);
    if (!float) normalise(m, dtype);
  }
}

/** What takes more than an instruction; false when it is not that. */
function withLoops(m: Emitter, op: BinaryOp, dtype: ScalarType, a: () => void, b: () => void): boolean {
  const float = dtype !== "index" && isFloat(dtype);
  if (op === "pow") integerPower(m, dtype, a, b);
  else if (op === "mod" && float) floatRemainder(m, dtype, a, b);
  else if ((op === "div" || op === "mod") && !float) divide(m, op, dtype, a, b);
  else return false;
  return true;
}

function choose(m: Emitter, op: "min" | "max", dtype: ScalarType, a: () => void, b: () => void): void {
  const type = valueType({ dtype, lanes: 1 });
  a();
  const x = m.newLocal(type);
  m.set(x);
  b();
  const y = m.keep(type);
  m.get(x);
  m.get(y);
  m.get(x);
  m.op(compareName(op === "min" ? "lt" : "gt", dtype));
  m.op("select");
}

/** Division of integers: floors for index, truncates otherwise; a zero divisor gives 0, and −1 never traps. */
function divide(m: Emitter, op: "div" | "mod", dtype: ScalarType, a: () => void, b: () => void): void {
  const type = valueType({ dtype, lanes: 1 });
  const sign = isSigned(dtype) ? "s" : "u";
  a();
  const x = m.newLocal(type);
  m.set(x);
  b();
  const y = m.newLocal(type);
  m.tee(y);
  m.op(`${type}.eqz`);
  m.open("if", type);
  m.constant(type, 0);
  m.op("else");
  if (dtype === "index") floorDivide(m, op, x, y);
  else if (op === "div" && sign === "s") {
    m.get(y);
    m.constant(type, -1);
    m.op(`${type}.eq`);
    m.open("if", type);
    m.constant(type, 0);
    m.get(x);
    m.op(`${type}.sub`);
    m.op("else");
    quotient(m, `${type}.div_s`, x, y);
    m.op("end");
  } else quotient(m, `${type}.${op === "div" ? "div" : "rem"}_${sign}`, x, y);
  m.op("end");
  normalise(m, dtype);
}

function quotient(m: Emitter, op: string, x: number, y: number): void {
  m.get(x);
  m.get(y);
  m.op(op);
}

/** r = x rem y; where r is not 0 and differs in sign from y, the quotient is one less and the remainder y more. */
function floorDivide(m: Emitter, op: "div" | "mod", x: number, y: number): void {
  quotient(m, "i32.rem_s", x, y);
  const r = m.newLocal("i32");
  m.set(r);
  if (op === "div") quotient(m, "i32.div_s", x, y);
  else m.get(r);
  if (op === "mod") m.get(y);
  else m.constant("i32", -1);
  m.constant("i32", 0);
  m.get(r);
  m.get(y);
  m.op("i32.xor");
  m.constant("i32", 0);
  m.op("i32.lt_s");
  m.get(r);
  m.constant("i32", 0);
  m.op("i32.ne");
  m.op("i32.and");
  m.op("select");
  m.op("i32.add");
}

export function compareName(op: CompareOp, dtype: ScalarType): string {
  const type = valueType({ dtype, lanes: 1 });
  const unsigned = !isSigned(dtype);
  const suffix = type === "f32" || type === "f64" || op === "eq" || op === "ne" ? "" : unsigned ? "_u" : "_s";
  return `${type}.${op}${suffix}`;
}

/** Evaluates only the chosen arm. */
export function lazySelect(m: Emitter, e: Extract<Expr, { kind: "select" }>): void {
  m.value(e.cond);
  m.open("if", valueType(e.type));
  m.value(e.a);
  m.op("else");
  m.value(e.b);
  m.op("end");
}
