/**
 * A blocked result whose every channel comes from one channel of a blocked operand, which of them a matter of the channel
 * alone: each vector is put together from the vectors that hold its channels.
 */
import { affine } from "../loop/affine.ts";
import { offsetOf } from "../loop/expand.ts";
import { add, indexVar, int, load, shuffle, variable } from "../loop/expr.ts";
import type { Read } from "../loop/nest.ts";
import { simplifyExpr } from "../loop/simplify.ts";
import { forLoop, letVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt, Var } from "../loop/types.ts";
import { must } from "../util/errors.ts";
import { writesVectors } from "./conv-tile.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering, Schedule } from "./lowering.ts";

/** Vectors of channels that are put together one after the other: more would be a kernel of many pages. */
const MAX_BLOCKS = 128;

/** Where one lane of a vector comes from: a vector of an operand, and the lane in it. */
interface Source {
  readonly buffer: Buffer;
  /** First element of the vector. */
  readonly at: Expr;
  readonly key: string;
  readonly lane: number;
}

/** The element of the result as a plain load from a block, or not at all. */
function sourceOf(l: Lowering, p: readonly Expr[]): Source {
  const lanes = l.machine.lanes;
  const read: Read = (operand, index, outside) => {
    const { buffer, layout } = l.place(operand);
    if (outside || layout.kind !== "blocked" || layout.block !== lanes || buffer.dtype !== "float32")
      throw new DoesNotFit("not a plain read of a blocked value");
    return load(buffer, offsetOf(operand.dims, layout, index));
  };
  const e = simplifyExpr(l.nest.body({ p, r: [], read }), new Map());
  const form = e.kind === "load" ? affine(e.index) : undefined;
  if (e.kind !== "load" || !form) throw new DoesNotFit("an element is computed");
  const aligned = [...form.coefficients.values()].every((c) => c % lanes === 0);
  const lane = ((form.constant % lanes) + lanes) % lanes;
  if (!aligned) throw new DoesNotFit("an element lies at no certain lane");
  const terms = [...form.coefficients].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, c]) => `${c}${name}`);
  return { buffer: e.buffer, at: add(e.index, int(-lane)), key: `${e.buffer.name}+${form.constant - lane}+${terms.join("+")}`, lane };
}

/** A vector whose lanes come from up to `lanes` others. */
function assemble(prefix: string, sources: readonly Source[]): { readonly lets: readonly Stmt[]; readonly value: Expr } {
  const lanes = sources.length;
  const distinct = [...new Map(sources.map((s) => [s.key, s])).values()];
  const vars = distinct.map((s, i): Var => variable(`${prefix}s${i}`, { dtype: "float32", lanes }));
  const lets = distinct.map((s, i) => letVar(must(vars[i], "a vector"), load(s.buffer, s.at, lanes)));
  const first: Expr = must(vars[0], "a vector");
  const from = (i: number): number => sources.findIndex((s) => s.key === distinct[i]?.key);
  const inPlace = (i: number): boolean => sources.every((s, lane) => s.key !== distinct[i]?.key || s.lane === lane);
  if (distinct.length === 1 && inPlace(from(0))) return { lets, value: first };
  const value = vars.slice(distinct.length > 1 ? 1 : 0).reduce<Expr>((sum, v, step) => {
    const other = distinct.length > 1 ? step + 1 : 0;
    const indices = sources.map((s, lane) => {
      if (s.key === distinct[other]?.key) return lanes + s.lane;
      return step === 0 && s.key === distinct[0]?.key ? s.lane : lane;
    });
    return shuffle(sum, v, indices);
  }, first);
  return { lets, value };
}

/** Gathers along the channels. */
export const takeLanes: Schedule = {
  name: "lanes put together",
  lower: (l) => {
    const { nest, prefix } = l;
    const [batch = 1, channels = 1, rows = 1, columns = 1] = nest.result.dims;
    const lanes = l.machine.lanes;
    const blocks = Math.ceil(channels / lanes);
    if (
      nest.kind !== "gather" ||
      nest.reduction ||
      nest.region ||
      nest.result.dims.length !== 4 ||
      nest.result.dtype !== "float32" ||
      blocks > MAX_BLOCKS ||
      !writesVectors(l)
    )
      return undefined;
    const { buffer, layout } = l.place(nest.result);
    const [n, h, w] = [indexVar(`${prefix}n`), indexVar(`${prefix}h`), indexVar(`${prefix}w`)];
    const vectors = Array.from({ length: blocks }, (_, block): Stmt => {
      const name = `${prefix}b${block}`;
      // Lanes behind the last channel repeat it.
      const sources = Array.from({ length: lanes }, (__, lane) =>
        sourceOf(l, [n, int(Math.min(block * lanes + lane, channels - 1)), h, w]),
      );
      const { lets, value } = assemble(name, sources);
      return forLoop(h, rows, [
        forLoop(w, columns, [...lets, store(buffer, offsetOf(nest.result.dims, layout, [n, int(block * lanes), h, w]), value)]),
      ]);
    });
    return [forLoop(n, batch, vectors)];
  },
};
