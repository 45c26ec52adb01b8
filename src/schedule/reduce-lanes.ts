/**
 * Reductions whose operands run along the innermost reduction axis, as means and maxima of rows and products with a vector do:
 * each lane has a part of the sum, and the lanes are joined at the end. Several vectors side by side hide the latency of a sum.
 */
import { combine, loopsOver, offsetOf, scalarRead, writtenIndex } from "../loop/expand.ts";
import { add, binary, broadcast, indexVar, int, mul, reduceLanes, variable } from "../loop/expr.ts";
import type { Reduction } from "../loop/nest.ts";
import { simplifyBody, type Range } from "../loop/simplify.ts";
import { forLoop, letMutable, setVar, store } from "../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../loop/types.ts";
import { neutral } from "../ops/nests.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { laneRead, mentions } from "./vectorize.ts";

const SIDE_BY_SIDE = 4;

/** Whether lanes may each begin with the reduction's first value. */
function beginsNeutral({ init, combine: op }: Reduction): boolean {
  const none = neutral(op, "float32");
  return init.type.dtype === "float32" && init.kind === "const" && none.kind === "const" && Object.is(init.value, none.value);
}

/** The element at p: `outer` are the loops over the other reduction axes. */
function element(l: Lowering, reduction: Reduction, p: readonly Expr[]): readonly Stmt[] {
  const { nest, prefix, place } = l;
  const { lanes } = l.machine;
  const last = reduction.extents.length - 1;
  const length = reduction.extents[last] ?? 1;
  const many = Math.min(SIDE_BY_SIDE, Math.floor(length / lanes));
  const outer = reduction.extents.slice(0, -1).map((_, i) => indexVar(`${prefix}r${i}`));
  const [lane, v, tail] = [indexVar(`${prefix}lane`), indexVar(`${prefix}v`), indexVar(`${prefix}tail`)];
  const ranges = new Map<string, Range>([[lane.name, { lo: 0, hi: lanes - 1 }]]);
  outer.forEach((r, i) => ranges.set(r.name, { lo: 0, hi: (reduction.extents[i] ?? 1) - 1 }));
  const accs = Array.from({ length: many }, (_, k) => variable(`${prefix}acc${k}`, { dtype: "float32", lanes }));
  const update = (acc: Var, at: Expr): Stmt => {
    ranges.set(v.name, { lo: 0, hi: Math.floor(length / lanes) });
    const value = nest.body({ p, r: [...outer, add(at, lane)], read: laneRead(l, lane, lanes, ranges) });
    if (mentions(value, lane.name)) throw new DoesNotFit("an element depends on its position");
    return setVar(acc, combine(reduction.combine, acc, broadcast(value, lanes)));
  };
  const step = many * lanes;
  const wide = Math.floor(length / step);
  const whole = Math.floor(length / lanes);
  const first = accs[0];
  const sums: readonly Stmt[] = [
    forLoop(
      v,
      wide,
      accs.map((acc, k) => update(acc, add(mul(v, int(step)), int(k * lanes)))),
    ),
    ...(wide * many < whole && first ? [forLoop(v, whole, [update(first, mul(v, int(lanes)))], { from: int(wide * many) })] : []),
  ];
  const joined = accs.reduce<Expr | undefined>((sum, acc) => (sum ? binary(reduction.combine, sum, acc) : acc), undefined);
  if (!joined) throw new DoesNotFit("a row is shorter than a vector");
  const rest = variable(`${prefix}rest`, { dtype: "float32", lanes: 1 });
  const read = scalarRead(place);
  const single = setVar(rest, combine(reduction.combine, rest, nest.body({ p, r: [...outer, tail], read })));
  const hasRest = whole * lanes < length;
  const tails: readonly Stmt[] = hasRest ? [forLoop(tail, length, [single], { from: int(whole * lanes) })] : [];
  const lanesJoined = reduceLanes(reduction.combine, joined);
  const total = hasRest ? binary(reduction.combine, lanesJoined, rest) : lanesJoined;
  const { buffer, layout } = place(nest.result);
  const end = variable(`${prefix}total`, { dtype: "float32", lanes: 1 });
  return [
    ...accs.map((acc) => letMutable(acc, broadcast(reduction.init, lanes))),
    ...(hasRest ? [letMutable(rest, reduction.init)] : []),
    ...outer.reduceRight<readonly Stmt[]>((body, r, i) => [forLoop(r, reduction.extents[i] ?? 1, body)], [...sums, ...tails]),
    letMutable(end, total),
    store(buffer, offsetOf(nest.result.dims, layout, writtenIndex(nest, p)), reduction.finish?.(end, { p, r: [], read }) ?? end),
  ];
}

export const reducedAlongLanes: Schedule = {
  name: "reduced along lanes",
  lower: (l) => {
    const { nest } = l;
    const { reduction } = nest;
    if (!reduction || (reduction.extents.at(-1) ?? 1) < l.machine.lanes || !beginsNeutral(reduction)) return undefined;
    if (nest.result.dtype !== "float32") return undefined;
    const { layout } = l.place(nest.result);
    return simplifyBody(loopsOver(nest.region?.extents ?? nest.result.dims, layout, l.prefix, (p) => element(l, reduction, p)));
  },
};
