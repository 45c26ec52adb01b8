/** What both forms of a quantised graph are written by: node for node, what the plan leaves in float as it was. */
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";
import { inferOp } from "../passes/pass.ts";
import { must } from "../util/errors.ts";
import type { Means } from "./correct.ts";
import type { Plan, Unit } from "./plan.ts";
import { sharedRanges, type Ranges } from "./ranges.ts";
import { scaleFor, type Range, type Scale } from "./scale.ts";

export abstract class PlanRewriter {
  protected readonly plan: Plan;
  protected readonly means: Means;
  protected readonly builder: GraphBuilder;
  /** The new graph's values for the old one's, as floats. */
  protected readonly floats: Map<Value, Value> = new Map<Value, Value>();
  readonly #shared: ReadonlyMap<Value, Range>;

  constructor(plan: Plan, ranges: Ranges, means: Means) {
    this.plan = plan;
    this.means = means;
    this.#shared = sharedRanges(plan, ranges);
    this.builder = new GraphBuilder(plan.graph.name, inferOp);
  }

  run(): Graph {
    const { graph, units } = this.plan;
    for (const v of graph.inputs) this.floats.set(v, this.builder.input(v.name, v.dtype, v.shape));
    for (const node of graph.nodes) {
      const unit = units.get(node);
      if (unit === undefined) this.#float(node);
      else if (unit.node === node) this.writeUnit(unit);
    }
    for (const v of graph.outputs) this.builder.output(this.asFloat(v), v.name);
    return this.builder.finish();
  }

  /** Adds what stands for a unit of the plan. */
  protected abstract writeUnit(unit: Unit): void;

  /** The value as floats, made if need be. */
  protected abstract asFloat(v: Value): Value;

  protected scale(v: Value): Scale {
    const shared = this.plan.scaleOf.get(v);
    return scaleFor((shared && this.#shared.get(shared)) ?? { min: 0, max: 0 });
  }

  #float(node: Node): void {
    const inputs = node.inputs.map((v) => v && this.asFloat(v));
    const outputs = this.builder.ops(node.op, inputs, node.attrs, {
      name: node.name,
      outputNames: node.outputs.map((v) => v.name),
      origin: node.origin,
      outputs: node.outputs.length,
      ...(node.regions ? { regions: node.regions } : {}),
    });
    node.outputs.forEach((v, i) => this.floats.set(v, must(outputs[i], "output")));
  }
}
