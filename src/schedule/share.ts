/**
 * How the turns of a kernel's loops are shared among threads. All run the same program side by side and meet after each kernel
 * that is shared; each takes one run of turns, of nearly equal length. Who computes an element changes nothing in how.
 */
import { add, div, indexVar, int, intValue, max, min, mul } from "../loop/expr.ts";
import { isSerial, type AnyNest, type Nest } from "../loop/nest.ts";
import type { Expr, Share, Stmt } from "../loop/types.ts";
import { elementCount } from "../tensor/tensor.ts";

/** The turns from `from` to before `to`. */
export interface Turns {
  readonly from: Expr;
  readonly to: Expr;
}

export type Sharing = (total: number) => Turns;

/** One thread takes all. */
export const ALONE: Sharing = (total) => ({ from: int(0), to: int(total) });

/** The names under which a kernel knows which of how many threads runs it. */
export const SHARE: Share = { part: indexVar("part"), parts: indexVar("parts") };

/** One of the threads takes its part. */
export const AMONG_THREADS: Sharing = (total) => {
  // The bounds always hold; they tell the simplifier what it cannot know of the variables.
  const bound = (part: Expr): Expr => max(int(0), min(int(total), div(mul(int(total), part), SHARE.parts)));
  return { from: bound(SHARE.part), to: bound(add(SHARE.part, int(1))) };
};

/** Multiply-adds and elements below which meeting takes longer than what is shared: some ten microseconds of work. */
const WORTH = 300_000;
/** What an element costs that is not a sum, in multiply-adds. */
const ELEMENT = 4;

const workOf = ({ result, region, reduction }: Nest): number => {
  const elements = elementCount(region?.extents ?? result.dims);
  return (
    elements *
    Math.max(
      ELEMENT,
      (reduction?.extents ?? []).reduce((product, n) => product * n, 1),
    )
  );
};

/** Whether a kernel of these nests is long enough to be shared. */
export function isWorthSharing(all: readonly AnyNest[], from: number = WORTH): boolean {
  const nests = all.filter((n) => !isSerial(n));
  return nests.length === all.length && nests.reduce((sum, n) => sum + workOf(n), 0) >= from;
}

/** Whether no nest waits for another. */
export const areApart = (nests: readonly AnyNest[]): boolean =>
  nests.length === 1 || nests.every((n) => !isSerial(n) && n.region !== undefined && n.result === nests[0]?.result);

/** Loops over a result: each thread takes its part of the outermost that turns more than once. */
export function shareLoops(body: readonly Stmt[], share: Sharing): readonly Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "if") return { ...s, then: shareLoops(s.then, share), otherwise: shareLoops(s.otherwise, share) };
    if (s.kind !== "for") return s;
    const [from, to] = [intValue(s.from), intValue(s.to)];
    if (from === undefined || to === undefined) return s;
    const turns = Math.ceil((to - from) / s.step);
    if (turns <= 1) return { ...s, body: shareLoops(s.body, share) };
    const mine = share(turns);
    const at = (turn: Expr): Expr => add(mul(turn, int(s.step)), int(from));
    return { ...s, from: at(mine.from), to: at(mine.to) };
  });
}

/** Whether every statement is a loop, perhaps with memory of its own: what stands beside them each thread would do again. */
export const isAllLoops = (body: readonly Stmt[]): boolean =>
  body.every((s) => s.kind === "for" || (s.kind === "alloc" && isAllLoops(s.body)));
