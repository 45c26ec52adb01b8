/** Scalar expressions: every kind leaves its value on the stack. */
import { DTYPES, is64 } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import { intValue } from "../../loop/expr.ts";
import { visitExpr } from "../../loop/walk.ts";
import type { Binary, Expr, ExprTable, ScalarType } from "../../loop/types.ts";
import { address } from "./address.ts";
import { convert, normalise } from "./convert.ts";
import { valueType, type Emitter } from "./emitter.ts";
import { compareName, lazySelect, scalarBinary, scalarUnary } from "./arithmetic.ts";
import { emitShuffle, extractLane, reduce, scalarDot4 } from "./lanes.ts";

/** floor(a / d) and the remainder for a power of two, by shift and mask. */
function byPowerOfTwo(m: Emitter, e: Binary, d: number): void {
  m.value(e.a);
  m.constant("i32", e.op === "div" ? Math.log2(d) : d - 1);
  m.op(e.op === "div" ? "i32.shr_s" : "i32.and");
}

/** Whether evaluating this for nothing neither traps nor costs much. */
function cheap(e: Expr): boolean {
  const kinds: Expr[] = [];
  visitExpr(e, (x) => kinds.push(x));
  return kinds.length <= 4 && kinds.every((x) => x.type.lanes === 1 && !["load", "select", "reduceLanes"].includes(x.kind));
}

function logic(m: Emitter, e: Binary): void {
  m.value(e.a);
  if (cheap(e.b)) {
    m.value(e.b);
    m.op(`i32.${e.op}`);
    return;
  }
  m.open("if", "i32");
  if (e.op === "and") m.value(e.b);
  else m.constant("i32", 1);
  m.op("else");
  if (e.op === "and") m.constant("i32", 0);
  else m.value(e.b);
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
    const offset = address(m, e.buffer, e.index, (x) => m.value(x));
    const op = LOADS[e.buffer.dtype];
    invariant(op, `load of ${e.buffer.dtype}`);
    m.op(op, { kind: "memory", align: Math.log2(DTYPES[e.buffer.dtype].bytes), offset });
  },
  unary: (e, m) => scalarUnary(m, e.op, e.type.dtype, () => m.value(e.a)),
  binary: (e, m) => {
    const d = e.type.dtype === "index" ? intValue(e.b) : undefined;
    if (e.type.dtype === "bool" && (e.op === "and" || e.op === "or")) logic(m, e);
    else if ((e.op === "div" || e.op === "mod") && d !== undefined && d > 0 && (d & (d - 1)) === 0) byPowerOfTwo(m, e, d);
    else
      scalarBinary(
        m,
        e.op,
        e.type.dtype,
        () => m.value(e.a),
        () => m.value(e.b),
      );
  },
  compare: (e, m) => {
    m.value(e.a);
    m.value(e.b);
    m.op(compareName(e.op, e.a.type.dtype));
  },
  select: (e, m) => {
    if (cheap(e.a) && cheap(e.b)) {
      m.value(e.a);
      m.value(e.b);
      m.value(e.cond);
      m.op("select");
    } else lazySelect(m, e);
  },
  cast: (e, m) => {
    m.value(e.a);
    convert(m, e.a.type.dtype, e.type.dtype);
  },
  bitcast: (e, m) => {
    m.value(e.a);
    if (e.a.type.lanes > 1) extractLane(m, e.type.dtype, 0);
    else reinterpret(m, e.a.type.dtype, e.type.dtype);
  },
  fma: () => invariant(false, "fma of scalars is legalised"),
  dot4: (e, m) => scalarDot4(m, e),
  dot2: () => invariant(false, "a scalar dot2 is legalised"),
  broadcast: (e, m) => m.value(e.a),
  shuffle: (e, m) => emitShuffle(m, e),
  reduceLanes: (e, m) => reduce(m, e),
  saturatingCast: () => invariant(false, "saturatingCast is legalised"),
  roundedBytes: () => invariant(false, "roundedBytes gives a vector"),
};

function reinterpret(m: Emitter, from: ScalarType, to: ScalarType): void {
  const [a, b] = [valueType({ dtype: from, lanes: 1 }), valueType({ dtype: to, lanes: 1 })];
  if (a !== b) m.op(`${b}.reinterpret_${a}`);
  else if (to !== "index" && !is64(to)) normalise(m, to);
}
