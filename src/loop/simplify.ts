/**
 * Simplification of index arithmetic by intervals: with the range of every loop variable known, comparisons that always
 * hold vanish, and (8i + j) / 8 is i when 0 <= j < 8.
 */
import { add, binary, constant, int, intValue, select } from "./expr.ts";
import type { Binary, BinaryOp, Compare, CompareOp, Expr, Stmt } from "./types.ts";
import { mapOperands, mapStmt } from "./walk.ts";

/** Closed interval of an index expression. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

export type Ranges = ReadonlyMap<string, Range>;

const ANY: Range = { lo: -Infinity, hi: Infinity };

function product(a: Range, b: Range): Range {
  const all = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi].map((x) => (Number.isNaN(x) ? 0 : x));
  return { lo: Math.min(...all), hi: Math.max(...all) };
}

function binaryRange(e: Binary, a: Range, b: Range): Range {
  switch (e.op) {
    case "add":
      return { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case "sub":
      return { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case "mul":
      return product(a, b);
    case "min":
      return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) };
    case "max":
      return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
    case "div":
      return b.lo === b.hi && b.lo > 0 ? { lo: Math.floor(a.lo / b.lo), hi: Math.floor(a.hi / b.lo) } : ANY;
    case "mod":
      return b.lo === b.hi && b.lo > 0 ? { lo: 0, hi: b.lo - 1 } : ANY;
    default:
      return ANY;
  }
}

/** Where the value of an index expression lies. */
export function rangeOf(e: Expr, ranges: Ranges): Range {
  const value = intValue(e);
  if (value !== undefined) return { lo: value, hi: value };
  if (e.type.dtype !== "index") return ANY;
  if (e.kind === "var") return ranges.get(e.name) ?? ANY;
  if (e.kind === "binary") return binaryRange(e, rangeOf(e.a, ranges), rangeOf(e.b, ranges));
  if (e.kind === "select") {
    const a = rangeOf(e.a, ranges);
    const b = rangeOf(e.b, ranges);
    return { lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
  }
  return ANY;
}

interface Term {
  readonly factor: number;
  readonly term: Expr;
}

/** Terms of a sum, each a factor times an expression. */
function terms(e: Expr, factor = 1): readonly Term[] {
  if (e.kind !== "binary") return [{ factor, term: e }];
  const [x, y] = [intValue(e.a), intValue(e.b)];
  if (e.op === "add") return [...terms(e.a, factor), ...terms(e.b, factor)];
  if (e.op === "sub") return [...terms(e.a, factor), ...terms(e.b, -factor)];
  if (e.op === "mul" && y !== undefined) return terms(e.a, factor * y);
  if (e.op === "mul" && x !== undefined) return terms(e.b, factor * x);
  return [{ factor, term: e }];
}

const sumOf = (list: readonly Term[], divisor: number): Expr =>
  list.reduce<Expr>((acc, { factor, term }) => add(acc, binary("mul", term, int(factor / divisor))), int(0));

/** Splits e into d·quotient + rest with 0 <= rest < d, when the terms show it. */
function divide(e: Expr, d: number, ranges: Ranges): { quotient: Expr; rest: Expr } | undefined {
  const all = terms(e);
  const isMultiple = ({ factor, term }: Term): boolean => (factor * (intValue(term) ?? 1)) % d === 0;
  const multiples = all.filter(isMultiple);
  const others = all.filter((t) => !isMultiple(t));
  const rest = sumOf(others, 1);
  const range = rangeOf(rest, ranges);
  if (range.lo < 0 || range.hi >= d) return undefined;
  const whole = multiples.map(({ factor, term }) => {
    const value = intValue(term);
    return value === undefined ? { factor, term } : { factor: d, term: int((factor * value) / d) };
  });
  return { quotient: sumOf(whole, d), rest };
}

function simplifyDivision(e: Binary, ranges: Ranges): Expr {
  const d = intValue(e.b);
  const split = d !== undefined && d > 0 ? divide(e.a, d, ranges) : undefined;
  if (!split) return e;
  return e.op === "div" ? split.quotient : split.rest;
}

function simplifyExtreme(e: Binary, ranges: Ranges): Expr {
  const a = rangeOf(e.a, ranges);
  const b = rangeOf(e.b, ranges);
  const [small, large] = e.op === "min" ? [e.a, e.b] : [e.b, e.a];
  if (a.hi <= b.lo) return small;
  return b.hi <= a.lo ? large : e;
}

const INDEX_RULES: Partial<Record<BinaryOp, (e: Binary, ranges: Ranges) => Expr>> = {
  div: simplifyDivision,
  mod: simplifyDivision,
  min: simplifyExtreme,
  max: simplifyExtreme,
};

function simplifyBinary(e: Binary, ranges: Ranges): Expr {
  if (e.type.dtype === "index") return INDEX_RULES[e.op]?.(e, ranges) ?? e;
  return e.type.dtype === "bool" && (e.op === "and" || e.op === "or") ? simplifyLogic(e) : e;
}

function simplifyLogic(e: Binary): Expr {
  const neutral = e.op === "and" ? 1 : 0;
  if (e.a.kind === "const") return Number(e.a.value) === neutral ? e.b : e.a;
  if (e.b.kind === "const") return Number(e.b.value) === neutral ? e.a : e.b;
  return e;
}

/** 8i + j < 24 is 8i < 24 when 0 <= j < 8: what cannot carry into the multiple of the bound is left out. */
function dropLow(e: Compare, ranges: Ranges): Compare {
  const bound = intValue(e.b);
  if (bound === undefined || bound === 0 || (e.op !== "lt" && e.op !== "ge")) return e;
  const d = terms(e.a).reduce(
    (g, { factor, term }) => (intValue(term) === undefined && Math.abs(factor) > 1 ? gcd(g, Math.abs(factor)) : g),
    Math.abs(bound),
  );
  const split = d > 1 ? divide(e.a, d, ranges) : undefined;
  if (!split || intValue(split.rest) !== undefined) return e;
  return { ...e, a: binary("mul", split.quotient, int(d)) };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const one = (a: Range, b: Range): boolean => a.lo === a.hi && a.lo === b.lo && b.lo === b.hi;
const apart = (a: Range, b: Range): boolean => a.hi < b.lo || b.hi < a.lo;

/** When a comparison of two intervals always holds. */
const ALWAYS: Record<CompareOp, (a: Range, b: Range) => boolean> = {
  lt: (a, b) => a.hi < b.lo,
  le: (a, b) => a.hi <= b.lo,
  gt: (a, b) => a.lo > b.hi,
  ge: (a, b) => a.lo >= b.hi,
  eq: one,
  ne: apart,
};
const OPPOSITE: Record<CompareOp, CompareOp> = { lt: "ge", le: "gt", gt: "le", ge: "lt", eq: "ne", ne: "eq" };

function simplifyCompare(given: Compare, ranges: Ranges): Expr {
  if (given.a.type.dtype !== "index") return given;
  const e = dropLow(given, ranges);
  const a = rangeOf(e.a, ranges);
  const b = rangeOf(e.b, ranges);
  if (ALWAYS[e.op](a, b)) return constant(1, "bool");
  return ALWAYS[OPPOSITE[e.op]](a, b) ? constant(0, "bool") : e;
}

/** The expression with its index arithmetic simplified under the ranges of the variables. */
export function simplifyExpr(e: Expr, ranges: Ranges): Expr {
  const inner = mapOperands(e, (operand) => simplifyExpr(operand, ranges));
  if (inner.kind === "binary") {
    const folded = binary(inner.op, inner.a, inner.b);
    return folded.kind === "binary" ? simplifyBinary(folded, ranges) : folded;
  }
  if (inner.kind === "compare") return simplifyCompare(inner, ranges);
  if (inner.kind === "select") return select(inner.cond, inner.a, inner.b);
  if (inner.kind === "var" && inner.type.dtype === "index") {
    const range = ranges.get(inner.name);
    if (range && range.lo === range.hi) return int(range.lo);
  }
  return inner;
}

function loopRange(s: Extract<Stmt, { kind: "for" }>, ranges: Ranges): Range {
  const lo = rangeOf(s.from, ranges).lo;
  const last = turns(s, ranges);
  return { lo, hi: last === undefined ? rangeOf(s.to, ranges).hi - 1 : lo + Math.max(0, last - 1) * s.step };
}

/** How often a loop runs, when both of its ends are numbers. */
function turns(s: Extract<Stmt, { kind: "for" }>, ranges: Ranges): number | undefined {
  const from = intValue(simplifyExpr(s.from, ranges));
  const to = intValue(simplifyExpr(s.to, ranges));
  return from === undefined || to === undefined ? undefined : Math.max(0, Math.ceil((to - from) / s.step));
}

/** Statements with every expression simplified; loops of one turn and decided ifs are flattened away. */
export function simplifyBody(body: readonly Stmt[], ranges: Ranges = new Map()): readonly Stmt[] {
  const known = new Map(ranges);
  return body.flatMap((s): readonly Stmt[] => {
    if (s.kind === "let" && !s.mutable && s.var.type.dtype === "index") {
      const value = simplifyExpr(s.value, known);
      known.set(s.var.name, rangeOf(value, known));
      return [{ ...s, value }];
    }
    if (s.kind === "if") {
      const cond = simplifyExpr(s.cond, known);
      if (cond.kind === "const") return simplifyBody(Number(cond.value) !== 0 ? s.then : s.otherwise, known);
      return [{ ...s, cond, then: simplifyBody(s.then, known), otherwise: simplifyBody(s.otherwise, known) }];
    }
    const scope = s.kind === "for" ? new Map(known).set(s.var.name, loopRange(s, known)) : known;
    if (s.kind === "for" && turns(s, known) === 1) return simplifyBody(s.body, scope);
    return [
      mapStmt(
        s,
        (e) => simplifyExpr(e, known),
        (inner) => simplifyBody(inner, scope),
      ),
    ];
  });
}
