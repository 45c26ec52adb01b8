/** Finds floats that are rounded, moved by a zero point, clamped and made bytes, and joins those that are stored side by side. */
import { affine } from "./affine.ts";
import { broadcast, cast, roundedBytes } from "./expr.ts";
import { exprText } from "./print.ts";
import { store } from "./stmt.ts";
import { mapStmt, rewriteBody, visitExpr } from "./walk.ts";
import type { Binary, Buffer, Expr, RoundedBytes, Stmt, Store } from "./types.ts";

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

/** clamp(roundEven(x) + zero, 0, 255) of float32 as uint8, in vectors. */
function rounded(e: Expr): Expr {
  const floats = madeBytes(e);
  const sum = floats && clamped(floats);
  if (sum === undefined || !isBinary(sum, "add") || sum.a.kind !== "unary" || sum.a.op !== "roundEven") return e;
  const zero = asInteger(sum.b);
  return zero === undefined ? e : roundedBytes([sum.a.a], zero);
}

interface Joinable {
  readonly s: Store;
  readonly value: RoundedBytes;
}

function reads(e: Expr, buffer: Buffer): boolean {
  let found = false;
  visitExpr(e, (x) => {
    found ||= x.kind === "load" && x.buffer === buffer;
  });
  return found;
}

/** A store of `lanes` bytes that may change places with others into its buffer. */
function joinable(s: Stmt | undefined, lanes: number): Joinable | undefined {
  if (s?.kind !== "store" || s.value.kind !== "roundedBytes" || s.value.type.lanes !== lanes) return undefined;
  return reads(s.value, s.buffer) ? undefined : { s, value: s.value };
}

/** Whether a store goes `distance` elements behind another. */
function follows({ s, value }: Joinable, first: Joinable, distance: number): boolean {
  const [a, b] = [affine(first.s.index), affine(s.index)];
  if (s.buffer !== first.s.buffer || !a || !b || b.constant - a.constant !== distance) return false;
  const same = [...a.coefficients].every(([name, c]) => b.coefficients.get(name) === c);
  return same && a.coefficients.size === b.coefficients.size && exprText(value.zero) === exprText(first.value.zero);
}

/** Numbers of vectors that targets join at once, most first. */
const JOINED = [4, 2] as const;

function joinStores(body: readonly Stmt[], lanes: number): readonly Stmt[] {
  const out: Stmt[] = [];
  for (let i = 0; i < body.length;) {
    const first = joinable(body[i], lanes);
    const count = JOINED.find((n) => {
      const rest = body.slice(i + 1, i + n).map((s) => joinable(s, lanes));
      return first && rest.length === n - 1 && rest.every((r, k) => r && follows(r, first, (k + 1) * lanes));
    });
    if (first && count) {
      const parts = body.slice(i, i + count).flatMap((s) => joinable(s, lanes)?.value.parts ?? []);
      out.push(store(first.s.buffer, first.s.index, roundedBytes(parts, first.value.zero)));
    } else
      out.push(
        ...body.slice(i, i + 1).map((s) =>
          mapStmt(
            s,
            (e) => e,
            (inner) => joinStores(inner, lanes),
          ),
        ),
      );
    i += count ?? 1;
  }
  return out;
}

/** The statements with such conversions named, and stores of `lanes` bytes joined into longer ones. */
export const roundBytes = (body: readonly Stmt[], lanes: number): readonly Stmt[] => joinStores(rewriteBody(body, rounded), lanes);
