/** Ranges of a plan's values, and of what shares a scale with them. */
import type { Value } from "../ir/graph.ts";
import { must } from "../util/errors.ts";
import type { Plan } from "./plan.ts";
import { joinRanges, type Range } from "./scale.ts";

/** Ranges by the names of observed values. */
export type Ranges = ReadonlyMap<string, Range>;

/** The range of everything that shares a scale. */
export function sharedRanges(plan: Plan, ranges: Ranges): ReadonlyMap<Value, Range> {
  const members = new Map<Value, Range[]>();
  for (const value of plan.observed) {
    const range = ranges.get(value.name);
    const of = must(plan.scaleOf.get(value), `scale of ${value.name}`);
    if (range) members.set(of, [...(members.get(of) ?? []), range]);
  }
  return new Map([...members].map(([of, list]) => [of, joinRanges(list)]));
}

/** The ranges of all values that have scales: also what plans of the same graph with fewer units need. */
export function everyRange(plan: Plan, ranges: Ranges): Ranges {
  const shared = sharedRanges(plan, ranges);
  return new Map(
    [...plan.scaleOf].flatMap(([v, of]) => {
      const range = ranges.get(v.name) ?? shared.get(of);
      return range ? [[v.name, range] as const] : [];
    }),
  );
}
