/** Scalar expressions: every kind leaves its value on the stack. */
import { DTYPES, is64, isFloat } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { intValue } from "../../loop/expr.ts";
import { visitExpr } from "../../loop/walk.ts";
import type { Binary, BinaryOp, CompareOp, Expr, ExprTable, ScalarType, UnaryOp } from "../../loop/types.ts";
import { address } from "./address.ts";
import { convert, normalise } from "./convert.ts";
import { isSigned, valueType, type Emitter } from "./emitter.ts";
import { emit } from "./expr.ts";
import { emitShuffle, extractLane, reduce, scalarDot4 } from "./lanes.ts";

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
  if ((op === "div" || op === "mod") && !float) {
    divide(m, op, dtype, a, b);
    return;
  }
  a();
  b();
  if (op === "shr") m.op(`${type}.shr_${isSigned(dtype) ? "s" : "u"}`);
  else {
    invariant(plain, `${op} of ${dtype}`);
    m.op(`${type}.${plain}`);
    if (!float) normalise(m, dtype);
  }
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

/** floor(a / d) and the remainder for a power of two, by shift and mask. */
function byPowerOfTwo(m: Emitter, e: Binary, d: number): void {
  emit(m, e.a);
  m.constant("i32", e.op === "div" ? Math.log2(d) : d - 1);
  m.op(e.op === "div" ? "i32.shr_s" : "i32.and");
}

export function compareName(op: CompareOp, dtype: ScalarType): string {
  const type = valueType({ dtype, lanes: 1 });
  const unsigned = !isSigned(dtype);
  const suffix = type === "f32" || type === "f64" || op === "eq" || op === "ne" ? "" : unsigned ? "_u" : "_s";
  return `${type}.${op}${suffix}`;
}

/** Whether evaluating this for nothing neither traps nor costs much. */
function cheap(e: Expr): boolean {
  const kinds: Expr[] = [];
  visitExpr(e, (x) => kinds.push(x));
  return kinds.length <= 4 && kinds.every((x) => x.type.lanes === 1 && !["load", "select", "reduceLanes"].includes(x.kind));
}

function logic(m: Emitter, e: Binary): void {
  emit(m, e.a);
  if (cheap(e.b)) {
    emit(m, e.b);
    m.op(`i32.${e.op}`);
    return;
  }
  m.open("if", "i32");
  if (e.op === "and") emit(m, e.b);
  else m.constant("i32", 1);
  m.op("else");
  if (e.op === "and") m.constant("i32", 0);
  else emit(m, e.b);
  m.op("end");
}

const LOADS: Record<string, string> = {
  float32: "f32.load",
  float64: "f64.load",
  int32: "i32.load",
  uint32: "i32.load",
  int64: "i64.load",
  uint64: "i64.load",
  int8: "i32.load8_s",
  uint8: "i32.load8_u",
  bool: "i32.load8_u",
  int16: "i32.load16_s",
  uint16: "i32.load16_u",
};

export const scalarTable: ExprTable<void, [Emitter]> = {
  const: (e, m) => m.constant(valueType(e.type), e.value),
  var: (e, m) => m.get(m.variable(e.name)),
  load: (e, m) => {
    valueType(e.type);
    const offset = address(m, e.buffer, e.index, (x) => emit(m, x));
    const op = LOADS[e.buffer.dtype];
    invariant(op, `load of ${e.buffer.dtype}`);
    m.op(op, { kind: "memory", align: Math.log2(DTYPES[e.buffer.dtype].bytes), offset });
  },
  unary: (e, m) => scalarUnary(m, e.op, e.type.dtype, () => emit(m, e.a)),
  binary: (e, m) => {
    const d = e.type.dtype === "index" ? intValue(e.b) : undefined;
    if (e.type.dtype === "bool" && (e.op === "and" || e.op === "or")) logic(m, e);
    else if ((e.op === "div" || e.op === "mod") && d !== undefined && d > 0 && (d & (d - 1)) === 0) byPowerOfTwo(m, e, d);
    else
      scalarBinary(
        m,
        e.op,
        e.type.dtype,
        () => emit(m, e.a),
        () => emit(m, e.b),
      );
  },
  compare: (e, m) => {
    emit(m, e.a);
    emit(m, e.b);
    m.op(compareName(e.op, e.a.type.dtype));
  },
  select: (e, m) => {
    if (cheap(e.a) && cheap(e.b)) {
      emit(m, e.a);
      emit(m, e.b);
      emit(m, e.cond);
      m.op("select");
    } else lazySelect(m, e);
  },
  cast: (e, m) => {
    emit(m, e.a);
    convert(m, e.a.type.dtype, e.type.dtype);
  },
  bitcast: (e, m) => {
    emit(m, e.a);
    if (e.a.type.lanes > 1) extractLane(m, e.type.dtype, 0);
    else reinterpret(m, e.a.type.dtype, e.type.dtype);
  },
  fma: (e, m) => {
    const type = valueType(e.type);
    emit(m, e.a);
    emit(m, e.b);
    m.op(`${type}.mul`);
    emit(m, e.c);
    m.op(`${type}.add`);
  },
  dot4: (e, m) => scalarDot4(m, e),
  broadcast: (e, m) => emit(m, e.a),
  shuffle: (e, m) => emitShuffle(m, e),
  reduceLanes: (e, m) => reduce(m, e),
  saturatingCast: () => invariant(false, "saturatingCast is legalised"),
};

/** Evaluates only the chosen arm. */
export function lazySelect(m: Emitter, e: Extract<Expr, { kind: "select" }>): void {
  emit(m, e.cond);
  m.open("if", valueType(e.type));
  emit(m, e.a);
  m.op("else");
  emit(m, e.b);
  m.op("end");
}

function reinterpret(m: Emitter, from: ScalarType, to: ScalarType): void {
  const [a, b] = [valueType({ dtype: from, lanes: 1 }), valueType({ dtype: to, lanes: 1 })];
  if (a !== b) m.op(`${b}.reinterpret_${a}`);
  else if (to !== "index" && !is64(to)) normalise(m, to);
}
