/**
 * Kernels that can write their result over one of their operands. That is so when each element of the operand is read only by the
 * statement that stores the same element of the result, and the result is never read: then no order of the loops can matter.
 * The lowered kernel is what is looked at, so no schedule has to know, and one that keeps sums in its result is left alone.
 */
import type { Value } from "../ir/graph.ts";
import { exprText } from "../loop/print.ts";
import type { Buffer, Expr, Stmt } from "../loop/types.ts";
import { mapStmt, rewriteBody, visitExpr } from "../loop/walk.ts";
import { must } from "../util/errors.ts";
import type { Kernel } from "./lower.ts";

interface Operand {
  readonly value: Value;
  readonly buffer: Buffer;
}

/** The values that a kernel touches, with their buffers. */
function operandsOf({ func, args }: Kernel): readonly Operand[] {
  return args.flatMap((arg, i) => (arg.kind === "value" ? [{ value: arg.value, buffer: must(func.params[i], "a parameter") }] : []));
}

/** Reads of a buffer in an expression that are not of the vector at `index`. */
function readsElsewhere(e: Expr, buffer: Buffer, index?: Expr, lanes = 1): boolean {
  const at = index && exprText(index);
  let found = false;
  visitExpr(e, (part) => {
    if (part.kind !== "load" || part.buffer !== buffer) return;
    found ||= part.type.lanes !== lanes || exprText(part.index) !== at;
  });
  return found;
}

/** Whether the statement reads `from` only where it stores the same element of `to`, and never reads `to`. */
function isElementwise(s: Stmt, from: Buffer, to: Buffer): boolean {
  if ((s.kind === "store" || s.kind === "prefetch") && s.buffer === from) return false;
  const wrong: Expr[] = [];
  const check = (e: Expr): Expr => {
    const own = s.kind === "store" && s.buffer === to && e === s.value ? s.index : undefined;
    if (readsElsewhere(e, to) || readsElsewhere(e, from, own, e.type.lanes)) wrong.push(e);
    return e;
  };
  const bodies: (readonly Stmt[])[] = [];
  mapStmt(s, check, (inner) => (bodies.push(inner), inner));
  return wrong.length === 0 && bodies.flat().every((inner) => isElementwise(inner, from, to));
}

/** The operands of which one can be overwritten by the kernel's only result. */
export function replaceable(kernel: Kernel): readonly Value[] {
  const operands = operandsOf(kernel);
  const written = operands.filter(({ buffer }) => buffer.access !== "read");
  const [to] = written;
  if (!to || written.length > 1) return [];
  const alike = operands.filter(
    ({ buffer }) => buffer !== to.buffer && buffer.dtype === to.buffer.dtype && buffer.length === to.buffer.length,
  );
  return alike.filter(({ buffer }) => kernel.func.body.every((s) => isElementwise(s, buffer, to.buffer))).map(({ value }) => value);
}

/** The kernel with the operand read from where the result is written. */
export function inPlace(kernel: Kernel, value: Value): Kernel {
  const { func, args } = kernel;
  const operands = operandsOf(kernel);
  const from = must(operands.find((o) => o.value === value)?.buffer, "the operand");
  const to = must(operands.find(({ buffer }) => buffer.access !== "read")?.buffer, "the result");
  const body = rewriteBody(func.body, (e) => (e.kind === "load" && e.buffer === from ? { ...e, buffer: to } : e));
  const kept = func.params.map((p) => p !== from);
  return { ...kernel, func: { ...func, params: func.params.filter((_, i) => kept[i]), body }, args: args.filter((_, i) => kept[i]) };
}
