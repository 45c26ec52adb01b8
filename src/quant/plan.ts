/**
 * Decides which nodes of an optimised graph are computed in int8 and which values therefore need a scale. Convolutions lead: what
 * lies between two of them stays in bytes when it can (sums, pooling, joins, moves, any function of one value by a table), and what
 * only leads to the graph's outputs is float, so that a detector's last layers are not rounded to 256 levels.
 */
import { output, type Graph, type Node, type Value } from "../ir/graph.ts";
import { consumersOf, producersOf } from "../ir/walk.ts";
import { findOp } from "../ops/index.ts";
import { sameShape } from "../passes/constants.ts";
import { isAbsorbed, MOST_PRODUCTS, movesElements } from "../passes/integer-parts.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";

/** What an int8 node becomes. `move` computes bytes from bytes and changes no scale. */
export type Kind = "conv" | "add" | "move" | "table";

export interface Unit {
  readonly kind: Kind;
  readonly node: Node;
  /** An activation that is computed where its operand is requantised. */
  readonly activation?: Node;
  /** What the unit gives: the activation's result, if there is one. */
  readonly result: Value;
  /** The values it reads that are computed by other nodes or are inputs of the graph. */
  readonly operands: readonly Value[];
}

export interface Plan {
  readonly graph: Graph;
  /** By node, the activation's too. */
  readonly units: ReadonlyMap<Node, Unit>;
  /** Values that exist as bytes, each with the one whose scale it has. */
  readonly scaleOf: ReadonlyMap<Value, Value>;
  /** Values that must be observed, in the graph's order. */
  readonly observed: readonly Value[];
  /** Nodes that stay float although they are convolutions or matrix products, and why. */
  readonly refused: ReadonlyMap<Node, string>;
}

export interface PlanOptions {
  /** Nodes that stay in float, by name, each with the reason. */
  readonly float?: ReadonlyMap<string, string> | undefined;
}

const PRODUCTS: ReadonlySet<string> = new Set(["gemm", "matMul", "convTranspose", "einsum"]);

const isConstant = (v: Value | undefined): boolean => v === undefined || v.data !== undefined;

/** Why a convolution is not computed in int8; undefined when it is. */
function convRefusal(node: Node): string | undefined {
  const [x, w, bias] = node.inputs;
  if (x?.dtype !== "float32" || w?.data?.type !== "float32" || !isConstant(bias)) return "its weights are not constant";
  if (x.shape.length !== 4) return `it has ${x.shape.length - 2} spatial axes`;
  return groupRefusal(node, x, w.data) ?? (allFinite(w.data) ? undefined : "its weights are not finite");
}

/** Weights that were looked at: many plans are made of one graph. */
const looked = new WeakMap<Tensor, boolean>();

function allFinite(w: Tensor): boolean {
  const known = looked.get(w);
  if (known !== undefined) return known;
  const finite = (w.data as Float32Array).every((v) => Number.isFinite(v));
  looked.set(w, finite);
  return finite;
}

function groupRefusal(node: Node, x: Value, { dims: [o = 1, perGroup = 1, ...kernel] }: Tensor): string | undefined {
  const group = Number(node.attrs["group"] ?? 1);
  const depthwise = group === x.shape[1] && o === group && perGroup === 1;
  if (group !== 1 && !depthwise) return `it has ${group} groups`;
  return perGroup * elementCount(kernel) > MOST_PRODUCTS ? "its sums could overflow int32" : undefined;
}

const isFloatValue = (v: Value | undefined): v is Value => v?.dtype === "float32" && v.data === undefined;

const isSum = ({ op, inputs: [a, b] }: Node): boolean => op === "add" && isFloatValue(a) && isFloatValue(b) && sameShape(a.shape, b.shape);

/** A function of one float whose result has its shape. */
function isTable(node: Node): boolean {
  const first = node.inputs[0];
  const op = findOp(node.op);
  return (
    op?.traits.elementwise === true &&
    node.inputs.length === 1 &&
    isFloatValue(first) &&
    node.outputs[0]?.dtype === "float32" &&
    node.op !== "identity"
  );
}

/** Joins values that must have one scale. */
class Scales {
  readonly #parent = new Map<Value, Value>();

  add(v: Value): void {
    if (!this.#parent.has(v)) this.#parent.set(v, v);
  }

  find(v: Value): Value {
    let at = v;
    for (let up = this.#parent.get(at); up && up !== at; up = this.#parent.get(at)) at = up;
    return at;
  }

  join(a: Value, b: Value): void {
    this.add(a);
    this.add(b);
    this.#parent.set(this.find(b), this.find(a));
  }

  all(): ReadonlyMap<Value, Value> {
    return new Map([...this.#parent.keys()].map((v) => [v, this.find(v)]));
  }
}

/** The plan for an optimised graph of static shapes. */
export function planInt8(graph: Graph, options: PlanOptions = {}): Plan {
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  const units = new Map<Node, Unit>();
  const refused = new Map<Node, string>();
  const reading = (v: Value): readonly Node[] => consumers.get(v) ?? [];

  const unitOf = (node: Node, kind: Kind): Unit => {
    const own = output(node);
    const [next, ...others] = reading(own);
    const alone = next && others.length === 0 && !outputs.has(own);
    const activation = alone && (kind === "conv" || kind === "add") && isAbsorbed(next, kind) ? next : undefined;
    const operands = (kind === "conv" ? node.inputs.slice(0, 1) : node.inputs).filter(isFloatValue);
    return { kind, node, ...(activation ? { activation } : {}), result: activation ? output(activation) : own, operands };
  };

  const wanted = (v: Value): boolean => reading(v).some((n) => units.has(n));
  const kindOf = (node: Node): Kind | undefined => {
    const kept = options.float?.get(node.name);
    if (kept !== undefined) {
      refused.set(node, kept);
      return undefined;
    }
    if (node.op === "conv") {
      const why = convRefusal(node);
      if (why === undefined) return "conv";
      refused.set(node, why);
      return undefined;
    }
    if (PRODUCTS.has(node.op)) refused.set(node, "matrix products are computed in float32");
    const between = isSum(node) ? "add" : movesElements(node, isFloatValue) ? "move" : isTable(node) ? "table" : undefined;
    return between !== undefined && wanted(unitOf(node, between).result) ? between : undefined;
  };
  for (const node of [...graph.nodes].reverse()) {
    if (units.has(node)) continue;
    const kind = kindOf(node);
    if (kind === undefined) continue;
    const unit = unitOf(node, kind);
    units.set(node, unit);
    if (unit.activation) units.set(unit.activation, unit);
  }
  prune(graph, units, wanted);
  return { graph, units, refused, ...scalesOf(graph, units, wanted) };
}

/** Takes back what would make bytes of floats only to hand on bytes, or bytes that nothing reads as such. */
function prune(graph: Graph, units: Map<Node, Unit>, wanted: (v: Value) => boolean): void {
  const producers = producersOf(graph);
  const isBytes = (v: Value): boolean => {
    const producer = producers.get(v);
    return producer !== undefined && units.has(producer);
  };
  for (let again = true; again;) {
    again = false;
    for (const { kind, node, activation, operands, result } of new Set(units.values())) {
      if (kind === "conv" || (operands.some(isBytes) && wanted(result))) continue;
      units.delete(node);
      if (activation) units.delete(activation);
      again = true;
    }
  }
}

function scalesOf(graph: Graph, units: Plan["units"], wanted: (v: Value) => boolean): Pick<Plan, "scaleOf" | "observed"> {
  const scales = new Scales();
  const distinct = [...new Set(graph.nodes.flatMap((n) => units.get(n) ?? []))];
  for (const { kind, operands, result } of distinct) {
    operands.forEach((v) => scales.add(v));
    if (kind === "move") operands.forEach((v) => scales.join(v, result));
    else if (wanted(result)) scales.add(result);
  }
  const scaleOf = scales.all();
  const producers = producersOf(graph);
  const isMoved = (v: Value): boolean => {
    const producer = producers.get(v);
    return producer !== undefined && units.get(producer)?.kind === "move";
  };
  const all = [...graph.inputs, ...graph.nodes.flatMap((n) => n.outputs)];
  return { scaleOf, observed: all.filter((v) => scaleOf.has(v) && !isMoved(v)) };
}
