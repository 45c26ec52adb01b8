/** What the sums of a quantised convolution begin with, instead of zero: their bias, and the zero point's share of bytes as they are. */
import { indexVar, typeOf, variable } from "../../loop/expr.ts";
import type { Nest, Operand } from "../../loop/nest.ts";
import type { Buffer, Expr } from "../../loop/types.ts";
import { rewriteExpr, visitExpr } from "../../loop/walk.ts";
import { must } from "../../util/errors.ts";
import type { Geometry } from "../conv-geometry.ts";
import type { Lowering } from "../lowering.ts";
import type { Int8Match } from "./match.ts";
import { weightSums } from "./pack.ts";

export interface Started {
  /** With the nest whose sums have their bias already. */
  readonly l: Lowering;
  /** One int32 an output channel, up to whole blocks; undefined when sums begin with zero. */
  readonly start: Buffer | undefined;
}

const BIAS = "bias";
const isSumOf = (e: Expr, sum: string, bias: string): boolean =>
  e.kind === "binary" && e.op === "add" && e.a.kind === "var" && e.a.name === sum && e.b.kind === "var" && e.b.name === bias;

/** The operand with one element a channel that is added to a sum before anything else is done with it. */
function biasOf({ result, reduction }: Nest): Operand | undefined {
  const reads: Operand[] = [];
  const p = result.dims.map((_, i) => indexVar(`p${i}`));
  const name = (i: number): string => `read${i}`;
  const finished = reduction?.finish?.(variable("sum", typeOf("int32")), {
    ...{ p, r: [] },
    read: (operand, [index, ...others]) => {
      const alone = others.length === 0 && index?.kind === "var" && index.name === "p1" && operand.dtype === "int32";
      return variable(alone ? name(reads.push(operand) - 1) : "other", typeOf(operand.dtype));
    },
  });
  let [sums, found]: [number, Operand | undefined] = [0, undefined];
  if (finished)
    visitExpr(finished, (e) => {
      if (e.kind === "var" && e.name === "sum") sums++;
      const at = reads.findIndex((_, i) => isSumOf(e, "sum", name(i)));
      if (at < 0) return;
      found ??= reads[at];
      if (found === reads[at]) sums--;
    });
  return sums === 0 ? found : undefined;
}

/** The nest with sums that have their bias. */
function withoutBias(nest: Nest, bias: Operand): Nest {
  const reduction = must(nest.reduction, "a reduction");
  const finish = must(reduction.finish, "what adds the bias");
  return {
    ...nest,
    reduction: {
      ...reduction,
      finish: (sum, context) => {
        const marked = finish(sum, {
          ...context,
          read: (operand, ...rest) => (operand === bias ? variable(BIAS, sum.type) : context.read(operand, ...rest)),
        });
        return rewriteExpr(marked, (e) => (e.kind === "binary" && e.b.kind === "var" && e.b.name === BIAS ? e.a : e));
      },
    },
  };
}

/** `zeroPoint`: whether bytes are multiplied as they are, so that zeroPoint · Σ w is to be taken from every sum. */
export function startSums(l: Lowering, g: Geometry, match: Int8Match, zeroPoint: boolean): Started {
  const operand = biasOf(l.nest);
  const bias = operand && l.constantOf(operand);
  const zero = zeroPoint ? Number(must(l.constantOf(match.xZero), "a constant zero point").data[0] ?? 0) : 0;
  const data = new Int32Array(Math.ceil(g.channels / g.lanes) * g.lanes);
  if (zero !== 0) weightSums(must(l.constantOf(match.conv.w), "constant weights")).forEach((sum, i) => (data[i] = -zero * sum));
  bias?.data.forEach((b, i) => (data[i] = (data[i] ?? 0) + Number(b)));
  const start = data.some((v) => v !== 0) ? l.pack("start", { type: "int32", dims: [data.length], data }) : undefined;
  return { l: operand && bias ? { ...l, nest: withoutBias(l.nest, operand) } : l, start };
}
