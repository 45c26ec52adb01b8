/**
 * float16 and bfloat16 for targets without them: they lie in memory as their bits and are float32 in registers, so that loads
 * widen and stores round to nearest even, by integer operations (the encodings of IEEE 754-2008, 3.6).
 */
import { add, binary, bitcast, cast, compare, constant, load, mul, select, sub, variable } from "../expr.ts";
import { letVar, store } from "../stmt.ts";
import type { Buffer, Expr, Func, LoopType, ScalarType, Stmt } from "../types.ts";
import { mapOperands, mapStmt, visitBody } from "../walk.ts";
import { freshNames } from "./names.ts";
import { like } from "./rules/like.ts";

type Half = "float16" | "bfloat16";

const isHalf = (dtype: ScalarType): dtype is Half => dtype === "float16" || dtype === "bfloat16";
const inRegister = (t: LoopType): LoopType => (isHalf(t.dtype) ? { ...t, dtype: "float32" } : t);
const shift = (op: "shl" | "shr", e: Expr, bits: number): Expr => binary(op, e, like(e, bits));
const masked = (e: Expr, mask: number): Expr => binary("and", e, like(e, mask));

/** The exponents' biases differ by 112; multiplying by 2^112 corrects that, for subnormal numbers too. */
const rebias = (float: Expr): Expr => mul(bitcast(float, "float32"), constant(2 ** 112, "float32", float.type.lanes));

/** The float32 of bits in uint16. */
function widen(bits: Expr, half: Half, finite?: true): Expr {
  const wide = cast(bits, "int32");
  if (half === "bfloat16") return bitcast(shift("shl", wide, 16), "float32");
  // Bit 31 is the sign, whose copies below it are taken out with it.
  if (finite) return rebias(masked(shift("shl", cast(bitcast(bits, "int16"), "int32"), 13), 0x8fffe000 | 0));
  const sign = shift("shl", masked(wide, 0x8000), 16);
  const magnitude = shift("shl", masked(wide, 0x7fff), 13);
  const number = bitcast(rebias(magnitude), "int32");
  const special = binary("or", magnitude, like(magnitude, 0x7f800000));
  const isSpecial = compare("ge", masked(wide, 0x7fff), like(wide, 0x7c00));
  return bitcast(binary("or", select(isSpecial, special, number), sign), "float32");
}

/** The bits, as int32, of a float32 rounded to nearest even; `once` names what is mentioned again. */
function narrow(value: Expr, half: Half, once: (e: Expr) => Expr): Expr {
  const bits = once(bitcast(value, "int32"));
  const magnitude = once(masked(bits, 0x7fffffff));
  const isNaN = compare("gt", magnitude, like(bits, 0x7f800000));
  const odd = (e: Expr, at: number): Expr => masked(shift("shr", e, at), 1);
  if (half === "bfloat16") {
    const rounded = shift("shr", add(bits, add(like(bits, 0x7fff), odd(bits, 16))), 16);
    return masked(select(isNaN, like(bits, 0x7fc0), rounded), 0xffff);
  }
  const normal = shift("shr", sub(add(magnitude, add(like(bits, 0xfff), odd(magnitude, 13))), like(bits, 0x38000000)), 13);
  // The unit in the last place of numbers from 0.5 on is 2^-24, that of subnormal numbers: adding 0.5 rounds to it.
  const half32 = constant(0.5, "float32", bits.type.lanes);
  const subnormal = sub(bitcast(add(bitcast(magnitude, "float32"), half32), "int32"), like(bits, 0x3f000000));
  const finite = select(compare("lt", magnitude, like(bits, 0x38800000)), subnormal, normal);
  const large = select(isNaN, like(bits, 0x7e00), like(bits, 0x7c00));
  const unsigned = select(compare("ge", magnitude, like(bits, 0x47800000)), large, finite);
  const sign = masked(shift("shr", bits, 16), 0x8000);
  return binary("or", unsigned, select(isNaN, like(bits, 0), sign));
}

class Emulator {
  readonly #buffers = new Map<Buffer, Buffer>();
  readonly #fresh: (stem: string) => string;

  constructor(f: Func) {
    this.#fresh = freshNames(f);
  }

  buffer(b: Buffer): Buffer {
    if (!isHalf(b.dtype)) return b;
    const known = this.#buffers.get(b) ?? { ...b, dtype: "uint16" };
    this.#buffers.set(b, known);
    return known;
  }

  body(stmts: readonly Stmt[]): readonly Stmt[] {
    return stmts.flatMap((s) => this.#stmt(s));
  }

  #stmt(s: Stmt): readonly Stmt[] {
    if (s.kind === "store" && isHalf(s.buffer.dtype)) {
      const before: Stmt[] = [];
      const once = (e: Expr): Expr => {
        const v = variable(this.#fresh("h"), e.type);
        before.push(letVar(v, e));
        return v;
      };
      const bits = narrow(once(this.#expr(s.value)), s.buffer.dtype, once);
      return [...before, store(this.buffer(s.buffer), this.#expr(s.index), cast(bits, "uint16"))];
    }
    const inner = mapStmt(
      s,
      (e) => this.#expr(e),
      (b) => this.body(b),
    );
    if (inner.kind === "let" || inner.kind === "set") return [{ ...inner, var: { ...inner.var, type: inRegister(inner.var.type) } }];
    return [inner.kind === "alloc" || inner.kind === "prefetch" ? { ...inner, buffer: this.buffer(inner.buffer) } : inner];
  }

  #expr(e: Expr): Expr {
    const inner = mapOperands(e, (operand) => this.#expr(operand));
    if (inner.kind === "load" && isHalf(inner.buffer.dtype))
      return widen(load(this.buffer(inner.buffer), inner.index, inner.type.lanes), inner.buffer.dtype, inner.buffer.finite);
    if (inner.kind === "cast" && isHalf(inner.type.dtype)) return cast(inner.a, "float32");
    if (inner.kind === "cast" && inner.a.type.dtype === inner.type.dtype) return inner.a;
    if (inner.kind === "bitcast" && e.kind === "bitcast") return this.#bitcast(e, inner.a);
    return isHalf(inner.type.dtype) ? { ...inner, type: inRegister(inner.type) } : inner;
  }

  #bitcast(e: Extract<Expr, { kind: "bitcast" }>, a: Expr): Expr {
    if (isHalf(e.type.dtype)) return widen(cast(bitcast(a, "uint16"), "int32"), e.type.dtype);
    if (isHalf(e.a.type.dtype))
      return bitcast(
        cast(
          narrow(a, e.a.type.dtype, (x) => x),
          "uint16",
        ),
        e.type.dtype === "index" ? "int32" : e.type.dtype,
      );
    return { ...e, a };
  }
}

function mentionsHalf(f: Func): boolean {
  let found = f.params.some((p) => isHalf(p.dtype));
  visitBody(f.body, (e) => {
    found ||= isHalf(e.type.dtype);
  });
  return found;
}

/** The kernel without values of float16 and bfloat16. */
export function emulateHalves(f: Func): Func {
  if (!mentionsHalf(f)) return f;
  const emulator = new Emulator(f);
  return { ...f, params: f.params.map((p) => emulator.buffer(p)), body: emulator.body(f.body) };
}
