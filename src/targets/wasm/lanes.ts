/**
 * Expressions with lanes. A vector lies in the low bytes of a v128; what is above is never looked at. A vector of bools is a
 * mask whose lanes are 16 / lanes bytes wide, all ones or all zeros.
 */
import { DTYPES } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import type {
  Binary,
  BinaryOp,
  Cast,
  Compare,
  Dot4,
  Expr,
  ExprTable,
  LoopType,
  ReduceLanes,
  ScalarType,
  Shuffle,
  UnaryOp,
} from "../../loop/types.ts";
import { address } from "./address.ts";
import { convert } from "./convert.ts";
import { bytesOf, isSigned, valueType, type Emitter } from "./emitter.ts";
import { maskOfBytes, shuffleLanes, toBytes, widthOf, widenMask, narrowMask } from "./mask.ts";
import { compareName, lazySelect, scalarBinary, scalarUnary } from "./arithmetic.ts";
import { literalBytes } from "./literal.ts";
import { loadSplat, loadWidened } from "./loads.ts";
import { emitRoundedBytes } from "./rounded-bytes.ts";

/** The name of the vector shape that holds a dtype. */
export function shapeOf(dtype: ScalarType): string {
  const bits = 8 * bytesOf(dtype);
  const float = dtype === "float32" || dtype === "float64";
  return `${float ? "f" : "i"}${bits}x${128 / bits}`;
}

export function splat(m: Emitter, dtype: ScalarType): void {
  if (dtype === "bool") {
    const x = m.newLocal("i32");
    m.set(x);
    m.constant("i32", 0);
    m.get(x);
    m.op("i32.sub");
    m.op("i8x16.splat");
  } else m.op(`${shapeOf(dtype)}.splat`);
}

/** The scalar in a lane of the vector on the stack. */
export function extractLane(m: Emitter, dtype: ScalarType, lane: number): void {
  const small = bytesOf(dtype) < 4;
  m.bytes(`${shapeOf(dtype)}.extract_lane${small ? (isSigned(dtype) ? "_s" : "_u") : ""}`, [lane]);
}

function extractBool(m: Emitter, lanes: number, lane: number): void {
  m.bytes("i8x16.extract_lane_u", [lane * widthOf(lanes)]);
  m.constant("i32", 1);
  m.op("i32.and");
}

function extract(m: Emitter, t: LoopType, lane: number): void {
  if (t.dtype === "bool") extractBool(m, t.lanes, lane);
  else extractLane(m, t.dtype, lane);
}

/** An operation lane by lane on scalars; `f` is handed a function for each operand. */
function perLane(m: Emitter, type: LoopType, operands: readonly Expr[], f: (values: readonly (() => void)[]) => void): void {
  invariant(type.dtype !== "bool", "lanes that are not bool");
  const held = operands.map((e) => {
    m.value(e);
    const local = m.newLocal("v128");
    m.set(local);
    return { local, type: e.type };
  });
  m.bytes("v128.const", new Array<number>(16).fill(0));
  for (let i = 0; i < type.lanes; i++) {
    f(
      held.map(({ local, type: t }) => () => {
        m.get(local);
        extract(m, t, i);
      }),
    );
    m.bytes(`${shapeOf(type.dtype)}.replace_lane`, [i]);
  }
}

const UNARY: Partial<Record<UnaryOp, string>> = {
  neg: "neg",
  abs: "abs",
  floor: "floor",
  ceil: "ceil",
  roundEven: "nearest",
  trunc: "trunc",
  sqrt: "sqrt",
};

function vectorUnary(m: Emitter, op: UnaryOp, e: Expr, a: Expr): void {
  if (op === "not") {
    m.value(a);
    m.op("v128.not");
  } else if (UNARY[op]) {
    m.value(a);
    m.op(`${shapeOf(e.type.dtype)}.${UNARY[op]}`);
  } else perLane(m, e.type, [a], ([x]) => scalarUnary(m, op, e.type.dtype, x ?? (() => undefined)));
}

/** The scalar that all lanes of a shift count share. */
function uniform(e: Expr): Expr | undefined {
  if (e.kind === "broadcast") return e.a;
  return e.kind === "const" ? { ...e, type: { ...e.type, lanes: 1 } } : undefined;
}

function shift(m: Emitter, e: Binary): void {
  const count = uniform(e.b);
  const { dtype } = e.type;
  if (!count) {
    perLane(m, e.type, [e.a, e.b], ([a, b]) => {
      invariant(a && b, "two operands");
      scalarBinary(m, e.op, dtype, a, b);
    });
    return;
  }
  m.value(e.a);
  m.value(count);
  convert(m, count.type.dtype, "int32");
  m.op(`${shapeOf(dtype)}.${e.op === "shl" ? "shl" : `shr_${isSigned(dtype) ? "s" : "u"}`}`);
}

const BITWISE: Partial<Record<BinaryOp, string>> = { and: "v128.and", or: "v128.or", xor: "v128.xor" };

function vectorBinary(m: Emitter, e: Binary): void {
  if (e.op === "shl" || e.op === "shr") {
    shift(m, e);
    return;
  }
  m.value(e.a);
  m.value(e.b);
  const { dtype } = e.type;
  const float = dtype === "float32" || dtype === "float64";
  const bitwise = BITWISE[e.op];
  if (bitwise) m.op(bitwise);
  else if (e.op === "min" || e.op === "max") m.op(`${shapeOf(dtype)}.${float ? `p${e.op}` : `${e.op}_${isSigned(dtype) ? "s" : "u"}`}`);
  else m.op(`${shapeOf(dtype)}.${e.op}`);
}

function vectorCompare(m: Emitter, e: Compare): void {
  m.value(e.a);
  m.value(e.b);
  const { dtype } = e.a.type;
  if (dtype === "bool") {
    m.op("v128.xor");
    if (e.op === "eq") m.op("v128.not");
    return;
  }
  const name = compareName(e.op, dtype);
  m.op(`${shapeOf(dtype)}.${name.slice(name.indexOf(".") + 1)}`);
  widenMask(m, bytesOf(dtype), widthOf(e.type.lanes));
}

/** Between integers: extends step by step, or keeps the low bytes of each lane. */
function resize(m: Emitter, from: ScalarType, to: ScalarType, lanes: number): void {
  const [a, b] = [bytesOf(from), bytesOf(to)];
  const sign = isSigned(from) ? "s" : "u";
  for (let width = a; width < b; width *= 2) {
    const [narrow, wide] = [8 * width, 16 * width];
    m.op(`i${wide}x${128 / wide}.extend_low_i${narrow}x${128 / narrow}_${sign}`);
  }
  if (b < a) shuffleLanes(m, lanes, a, b);
}

const TRUNCATE = { float32: "i32x4.trunc_sat_f32x4", float64: "i32x4.trunc_sat_f64x2" } as const;

const real = (d: ScalarType): d is "float32" | "float64" => d === "float32" || d === "float64";
const long = (d: ScalarType): boolean => d === "int64" || d === "uint64";

function vectorCast(m: Emitter, e: Cast): void {
  const [from, to] = [e.a.type.dtype, e.type.dtype];
  if (from === "bool") castBool(m, e);
  else if (to === "bool") castToBool(m, e);
  else if ((real(from) && long(to)) || (real(to) && long(from)))
    perLane(m, e.type, [e.a], ([x]) => {
      x?.();
      convert(m, from, to);
    });
  else if (!loadWidened(m, e)) {
    m.value(e.a);
    convertLanes(m, from, to, e.type.lanes);
  }
}

/** int32 to uint8, saturating. */
function narrowToBytes(m: Emitter): void {
  m.get(m.keep("v128"));
  m.op("i16x8.narrow_i32x4_s");
  m.get(m.keep("v128"));
  m.op("i8x16.narrow_i16x8_u");
}

function convertLanes(m: Emitter, from: ScalarType, to: ScalarType, lanes: number): void {
  if (real(from) && real(to)) m.op(to === "float64" ? "f64x2.promote_low_f32x4" : "f32x4.demote_f64x2_zero");
  else if (real(from)) {
    m.op(`${TRUNCATE[from]}_${to === "uint32" ? "u" : "s"}${from === "float64" ? "_zero" : ""}`);
    resize(m, "int32", to, lanes);
  } else if (real(to)) {
    resize(m, from, "int32", lanes);
    m.op(`${to === "float32" ? "f32x4.convert_i32x4" : "f64x2.convert_low_i32x4"}_${from === "uint32" ? "u" : "s"}`);
  } else resize(m, from, to, lanes);
}

function castBool(m: Emitter, e: Cast): void {
  vectorConst(m, e.type, 1);
  m.value(e.a);
  narrowMask(m, e.type.lanes, bytesOf(e.type.dtype));
  m.op("v128.and");
}

function castToBool(m: Emitter, e: Cast): void {
  const { dtype } = e.a.type;
  m.value(e.a);
  if (real(dtype)) m.op(`${shapeOf(dtype)}.abs`);
  m.bytes("v128.const", new Array<number>(16).fill(0));
  m.op(`${shapeOf(dtype)}.${real(dtype) ? "gt" : "ne"}`);
  widenMask(m, bytesOf(dtype), widthOf(e.type.lanes));
}

/** Products of the low and high eight bytes as pairs in int32, then neighbouring pairs added; nothing can overflow before the sum. */
function pairSums(m: Emitter, u: Expr, s: Expr): void {
  m.value(u);
  const x = m.newLocal("v128");
  m.set(x);
  m.value(s);
  const y = m.newLocal("v128");
  m.set(y);
  const half = (part: "low" | "high"): number => {
    m.get(x);
    m.op(`i16x8.extend_${part}_i8x16_u`);
    m.get(y);
    m.op(`i16x8.extend_${part}_i8x16_s`);
    m.op("i32x4.dot_i16x8_s");
    const local = m.newLocal("v128");
    m.set(local);
    return local;
  };
  const [low, high] = [half("low"), half("high")];
  for (const first of [0, 1]) {
    m.get(low);
    m.get(high);
    m.bytes(
      "i8x16.shuffle",
      Array.from({ length: 16 }, (_, k) => 8 * (k >> 2) + 4 * first + (k & 3)),
    );
  }
  m.op("i32x4.add");
}

export function scalarDot4(m: Emitter, e: Dot4): void {
  m.value(e.acc);
  pairSums(m, e.u, e.s);
  extractLane(m, "int32", 0);
  m.op("i32.add");
}

function vectorConst(m: Emitter, t: LoopType, value: number | bigint): void {
  if (t.dtype === "bool") {
    m.bytes("v128.const", new Array<number>(16).fill(Number(value) === 0 ? 0 : 255));
    return;
  }
  const lane = literalBytes(t.dtype, value);
  m.bytes(
    "v128.const",
    Array.from({ length: 16 }, (_, i) => lane[i % lane.length] ?? 0),
  );
}

/** Lanes in the order in which the definition combines them. */
export function reduce(m: Emitter, e: ReduceLanes): void {
  m.value(e.a);
  const v = m.newLocal("v128");
  m.set(v);
  const lane = (i: number) => (): void => {
    m.get(v);
    extract(m, e.a.type, i);
  };
  const type = valueType(e.type);
  lane(0)();
  for (let i = 1; i < e.a.type.lanes; i++) {
    const acc = m.newLocal(type);
    m.set(acc);
    scalarBinary(m, e.op, e.type.dtype, () => m.get(acc), lane(i));
  }
}

/** Puts a shuffle's operand on the stack as a v128. */
function asVector(m: Emitter, e: Expr): void {
  m.value(e);
  if (e.type.lanes === 1) splat(m, e.type.dtype);
}

export function emitShuffle(m: Emitter, e: Shuffle): void {
  const { dtype, lanes } = e.type;
  const count = e.a.type.lanes;
  if (lanes === 1) {
    const index = e.indices[0] ?? 0;
    const [source, lane] = index < count ? [e.a, index] : [e.b, index - count];
    m.value(source);
    if (source.type.lanes > 1) extract(m, source.type, lane);
    return;
  }
  const zero = e.a !== e.b && e.b.kind === "const" && Number(e.b.value) === 0;
  asVector(m, e.a);
  if (e.a === e.b) m.get(m.keep("v128"));
  else if (!zero) asVector(m, e.b);
  const out = dtype === "bool" ? widthOf(lanes) : bytesOf(dtype);
  const width = (t: LoopType): number => (t.dtype === "bool" ? widthOf(Math.max(t.lanes, 1)) : bytesOf(dtype));
  const bytes = Array.from({ length: 16 }, (_, k) => {
    const index = e.indices[Math.floor(k / out)] ?? 0;
    const inA = index < count;
    const w = width(inA ? e.a.type : e.b.type);
    return (inA ? index * w : 16 + (index - count) * w) + (dtype === "bool" ? 0 : k % out);
  });
  if (zero) {
    // Indices past the end give zeros.
    m.bytes(
      "v128.const",
      bytes.map((b) => (b < 16 ? b : 0x80)),
    );
    m.op("i8x16.swizzle");
  } else m.bytes("i8x16.shuffle", bytes);
}

const WHOLE: Record<number, string> = { 4: "v128.load32_zero", 8: "v128.load64_zero", 16: "v128.load" };

export const lanesTable: ExprTable<void, [Emitter]> = {
  const: (e, m) => vectorConst(m, e.type, e.value),
  var: (e, m) => m.get(m.variable(e.name)),
  load: (e, m) => {
    const { dtype, lanes } = e.type;
    const size = lanes * DTYPES[e.buffer.dtype].bytes;
    const offset = address(m, e.buffer, e.index, (x) => m.value(x));
    const align = Math.log2(DTYPES[e.buffer.dtype].bytes);
    const op = WHOLE[size];
    if (op) m.op(op, { kind: "memory", align, offset });
    else {
      m.op("i32.load16_u", { kind: "memory", align, offset });
      m.op("i32x4.splat");
    }
    if (dtype === "bool") maskOfBytes(m, lanes);
  },
  unary: (e, m) => vectorUnary(m, e.op, e, e.a),
  binary: (e, m) => vectorBinary(m, e),
  compare: (e, m) => vectorCompare(m, e),
  select: (e, m) => {
    if (e.cond.type.lanes === 1) {
      lazySelect(m, e);
      return;
    }
    m.value(e.a);
    m.value(e.b);
    m.value(e.cond);
    if (e.type.dtype !== "bool") narrowMask(m, e.type.lanes, bytesOf(e.type.dtype));
    m.op("v128.bitselect");
  },
  cast: (e, m) => vectorCast(m, e),
  bitcast: (e, m) => {
    m.value(e.a);
    if (e.a.type.lanes === 1) splat(m, e.a.type.dtype);
  },
  fma: (e, m) => {
    m.value(e.a);
    m.value(e.b);
    m.value(e.c);
    m.op(`${shapeOf(e.type.dtype)}.relaxed_madd`);
  },
  dot4: (e, m) => {
    m.value(e.acc);
    pairSums(m, e.u, e.s);
    m.op("i32x4.add");
  },
  dot2: (e, m) => {
    m.value(e.acc);
    m.value(e.a);
    m.value(e.b);
    m.op("i32x4.dot_i16x8_s");
    m.op("i32x4.add");
  },
  broadcast: (e, m) => {
    if (loadSplat(m, e.a)) return;
    m.value(e.a);
    splat(m, e.a.type.dtype);
  },
  shuffle: (e, m) => emitShuffle(m, e),
  reduceLanes: () => invariant(false, "reduceLanes gives a scalar"),
  roundedBytes: (e, m) => emitRoundedBytes(m, e),
  saturatingCast: (e, m) => {
    m.value(e.a);
    if (e.a.type.dtype === "int32" && e.type.dtype === "uint8") narrowToBytes(m);
    else convertLanes(m, e.a.type.dtype, e.type.dtype, e.type.lanes);
  },
};

/** Stores the vector on the stack, whose address is below it. */
export function storeLanes(m: Emitter, t: LoopType, offset: number): void {
  const size = t.lanes * bytesOf(t.dtype);
  const align = Math.log2(bytesOf(t.dtype));
  if (t.dtype === "bool") toBytes(m, t.lanes);
  if (size === 16) m.op("v128.store", { kind: "memory", align, offset });
  else m.op(`v128.store${8 * size}_lane`, { kind: "memory", align, offset, lane: 0 });
}
