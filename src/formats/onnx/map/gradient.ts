import type { Node, Value } from "../../../ir/graph.ts";
import { isStatic } from "../../../tensor/dim.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { HoneError, must } from "../../../util/errors.ts";
import { isTensor } from "../things.ts";
import type { FlowMapper } from "./flow.ts";
import type { NodeView } from "./node.ts";

/** What an operation adds to the adjoint of each of its inputs, before broadcasting is summed away; `g` is its output's adjoint. */
type Rule = (n: NodeView, g: Value, inputs: readonly Value[], y: Value) => readonly Value[];

const RULES: Readonly<Record<string, Rule>> = {
  add: (_, g) => [g, g],
  sub: (n, g) => [g, n.step("neg", [g])],
  mul: (n, g, [a, b]) => [n.step("mul", [g, b]), n.step("mul", [g, a])],
  div: (n, g, [, b], y) => [n.step("div", [g, b]), n.step("neg", [n.step("div", [n.step("mul", [g, y]), b])])],
  neg: (n, g) => [n.step("neg", [g])],
  exp: (n, g, _, y) => [n.step("mul", [g, y])],
  log: (n, g, [x]) => [n.step("div", [g, x])],
  sqrt: (n, g, _, y) => [n.step("div", [g, n.step("add", [y, y])])],
};

/**
 * Gradient of ai.onnx.preview.training 1, by adjoints in reverse order of the operations (Griewank and Walther, Evaluating Derivatives,
 * 2008, chapter 3), at the values that the graph has. Throws `model.unsupported` where an operation between has no rule.
 */
export const gradient: FlowMapper = (n, _, flow) => {
  const names = [...(n.texts("xs") ?? []), ...(n.texts("zs") ?? [])];
  if (names.some((name, i) => n.node.input[i] !== name)) throw n.unsupported("values other than those that the graph has itself");
  const xs = (n.texts("xs") ?? []).map((_name, i) => n.input(i));
  const y = flow.named(n.text("y", ""));
  if (y === undefined || !isTensor(y))
    throw new HoneError("model.damaged", `the value "${n.text("y", "")}" is not computed before its gradient`);
  const path = flow.made().filter(dependingOn(new Set(xs)));
  const adjoints = new Map<Value, Value>([[y, ones(n, y)]]);
  for (const node of path.toReversed()) spread(n, node, adjoints);
  return xs.map((x) => adjoints.get(x) ?? n.step("sub", [x, x]));
};

/** Of nodes in their order, those that compute something from the values; which grow by what these compute. */
function dependingOn(values: Set<Value>): (node: Node) => boolean {
  return ({ inputs, outputs }) => {
    if (!inputs.some((v) => v && values.has(v))) return false;
    for (const v of outputs) values.add(v);
    return true;
  };
}

function spread(n: NodeView, { op, inputs, outputs }: Node, adjoints: Map<Value, Value>): void {
  const y = must(outputs[0], "an output");
  const g = adjoints.get(y);
  if (!g) return;
  const rule = RULES[op];
  if (!rule) throw n.unsupported(`the operation ${op} between the values`);
  const given = inputs.flatMap((v) => v ?? []);
  rule(n, g, given, y).forEach((part, i) => {
    const x = must(given[i], "an input");
    const more = summed(n, part, x);
    const before = adjoints.get(x);
    adjoints.set(x, before ? n.step("add", [before, more]) : more);
  });
}

/** Summed over the axes along which `x` was repeated. */
function summed(n: NodeView, g: Value, x: Value): Value {
  if (!isStatic(g.shape) || !isStatic(x.shape)) throw n.unsupported("open dimensions", "Give the inputs' shapes with --shape.");
  const lead = g.shape.length - x.shape.length;
  const axes = g.shape.flatMap((dim, axis) => (axis < lead || (dim !== 1 && x.shape[axis - lead] === 1) ? [axis] : []));
  if (axes.length === 0) return g;
  const sum = n.step("reduceSum", [g], { axes, keepDims: true });
  return n.step("reshape", [sum, n.ints64(x.shape.map(Number))], { allowZero: true });
}

function ones(n: NodeView, y: Value): Value {
  if (!isStatic(y.shape)) throw n.unsupported("open dimensions", "Give the inputs' shapes with --shape.");
  if (y.dtype !== "float32") throw n.unsupported(`a value of ${y.dtype}`);
  const dims = y.shape.map(Number);
  const count = dims.reduce((a, b) => a * b, 1);
  return n.constant(tensor("float32", dims, new Float32Array(count).fill(1)));
}
