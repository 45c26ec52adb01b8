/** What can be int8 with a table that does not know every value: those of other tools hold what their own kernels read. */
import type { Graph, Value } from "../ir/graph.ts";
import { HoneError, must } from "../util/errors.ts";
import { planInt8, type Plan } from "./plan.ts";
import type { Ranges } from "./ranges.ts";
import { joinRanges, type Range } from "./scale.ts";

export interface PartialTable {
  /** Of every value that the plan without the nodes in `float` observes. */
  readonly ranges: Ranges;
  /** Nodes that stay in float32, with the reason. */
  readonly float: ReadonlyMap<string, string>;
}

/** The known ranges, and for values that share a scale with known ones theirs. */
function shareRanges(plan: Plan, known: Ranges): Ranges {
  const groups = new Map<Value, Range[]>();
  for (const [value, of] of plan.scaleOf) {
    const range = known.get(value.name);
    if (range) groups.set(of, [...(groups.get(of) ?? []), range]);
  }
  const shared = plan.observed.flatMap((v): [string, Range][] => {
    const group = groups.get(plan.scaleOf.get(v) ?? v);
    return group ? [[v.name, known.get(v.name) ?? joinRanges(group)]] : [];
  });
  return new Map([...known, ...shared]);
}

/** Leaves in float what reads or joins a value that the table does not know. Throws `quant.table` when nothing is left. */
export function completeTable(graph: Graph, known: Ranges): PartialTable {
  const float = new Map<string, string>();
  for (;;) {
    const plan = planInt8(graph, { float });
    const units = new Set(plan.units.values());
    if (units.size === 0)
      throw new HoneError("quant.table", "the table has a range for none of the values that this model's convolutions read", {
        hint: "It is of another model, or its tensors were renamed: give this model's own table, or photos.",
      });
    const ranges = shareRanges(plan, known);
    const missing = new Set(plan.observed.filter((v) => !ranges.has(v.name)));
    if (missing.size === 0) return { ranges, float };
    const lacking = [...units].flatMap(({ kind, node, operands, result }): [string, string][] => {
      const value = [...operands, ...(kind === "conv" ? [] : [result])].find((v) => missing.has(v));
      return value ? [[node.name, `the table has no range for ${value.name}`]] : [];
    });
    must(lacking.at(0), "a node that needs the missing range");
    for (const [name, why] of lacking) float.set(name, why);
  }
}
