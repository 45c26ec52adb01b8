/** Leaves in float32 the layers that int8 would slow down: chosen on the whole graph, since every border between floats and bytes costs. */
import type { Graph, Node } from "../ir/graph.ts";
import { applyInt8 } from "./apply.ts";
import { sharedRanges, type Ranges } from "./ranges.ts";
import type { Means } from "./correct.ts";
import { planCost } from "./cost.ts";
import { planInt8, type Plan, type PlanOptions } from "./plan.ts";
import type { Rates } from "./rates.ts";

/** Neighbours that change sides together: a short run between two borders may pay where none of its layers would alone. */
const WINDOWS: readonly number[] = [1, 2, 3, 4, 6, 8];
/** What a change must win, so that rounding does not decide. */
const LEAST_GAIN = 1e-6;
const MAX_ROUNDS = 8;

export interface Economy {
  readonly plan: Plan;
  /** With every layer in int8 that can be: what a calibration table is made for. */
  readonly full: Plan;
}

const inMicroseconds = (picoseconds: number): string => (picoseconds / 1e6).toFixed(picoseconds < 1e7 ? 1 : 0);

/** The cheapest plan that changing sides one by one, or by short runs, leads to; the full one when no rates are known. */
export function economicalPlan(graph: Graph, options: PlanOptions, rates: Rates | undefined): Economy {
  const full = planInt8(graph, options);
  if (rates === undefined) return { plan: full, full };
  const convs = [...new Set(full.units.values())].filter((u) => u.kind === "conv").map((u) => u.node);
  const order = new Map(graph.nodes.map((n, i) => [n, i]));
  convs.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  const planWith = (slow: ReadonlySet<Node>, why: (n: Node) => string): Plan =>
    planInt8(graph, { float: new Map([...(options.float ?? []), ...[...slow].map((n): [string, string] => [n.name, why(n)])]) });
  const costOf = (slow: ReadonlySet<Node>): number =>
    planCost(
      planWith(slow, () => ""),
      rates,
    );
  let best: ReadonlySet<Node> = new Set();
  let cost = costOf(best);
  const attempt = (slow: ReadonlySet<Node>): void => {
    const c = costOf(slow);
    if (c >= cost * (1 - LEAST_GAIN)) return;
    [best, cost] = [slow, c];
  };
  for (let round = 0, before = Infinity; cost < before && round < MAX_ROUNDS; round++) {
    before = cost;
    for (const width of WINDOWS) {
      for (let i = 0; i + width <= convs.length; i++) {
        const run = convs.slice(i, i + width);
        attempt(new Set([...best, ...run]));
        attempt(new Set([...best].filter((n) => !run.includes(n))));
      }
    }
  }
  attempt(new Set(convs));
  const plan = planWith(best, (n) => {
    const loss = costOf(new Set([...best].filter((m) => m !== n))) - cost;
    return `int8 would be slower there, by ${inMicroseconds(Math.max(0, loss))} µs as modelled`;
  });
  return { plan, full };
}

/** The ranges for a plan of fewer layers than the table was made for: what had no range of its own had that of what it shares its scale with. */
export function rangesFor({ plan, full }: Economy, ranges: Ranges): Ranges {
  const shared = sharedRanges(full, ranges);
  const own = plan.observed.map((v) => {
    const of = full.scaleOf.get(v);
    return [v.name, ranges.get(v.name) ?? (of && shared.get(of))] as const;
  });
  return new Map(own.flatMap(([name, range]) => (range ? [[name, range] as const] : [])));
}

/** The graph in int8 where it is faster. */
export const applyEconomy = (economy: Economy, ranges: Ranges, means?: Means): Graph =>
  applyInt8(economy.plan, rangesFor(economy, ranges), means);
