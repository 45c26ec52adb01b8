import type { Node, Value } from "../ir/graph.ts";
import { indexVar, typeOf, variable } from "../loop/expr.ts";
import { isSerial, type AnyNest, type Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { visitExpr } from "../loop/walk.ts";
import { staticShape } from "../tensor/dim.ts";
import { locate } from "../util/errors.ts";
import type { Computed } from "./define.ts";
import { getOp } from "./index.ts";

/** The nests of a node, and which value each operand stands for. */
export interface NodeCompute {
  readonly nests: readonly AnyNest[];
  readonly values: ReadonlyMap<Operand, Value>;
  readonly temps: readonly Operand[];
}

function operandOf(value: Value): Computed {
  const dims = staticShape(value.shape, `value ${value.name}`);
  return { name: value.name, dtype: value.dtype, dims, ...(value.data ? { data: value.data } : {}) };
}

/** Runs the op's `compute` for a node of static shapes. Throws `shape.unbound` or what the op throws, located at the node. */
export function computeNode(node: Node): NodeCompute {
  try {
    const inputs = node.inputs.map((v) => v && operandOf(v));
    const outputs = node.outputs.map(operandOf);
    const temps: Operand[] = [];
    const [out] = outputs;
    const op = getOp(node.op);
    const results = {
      outputs,
      out: out ?? { name: "", dtype: "float32" as const, dims: [] },
      temp: (name: string, dtype: Operand["dtype"], dims: readonly number[]): Operand => {
        const temp = { name, dtype, dims };
        temps.push(temp);
        return temp;
      },
    };
    const nests = op.compute(results, inputs, node.attrs);
    const values = new Map<Operand, Value>();
    node.inputs.forEach((v, i) => {
      const operand = inputs[i];
      if (v && operand) values.set(operand, v);
    });
    node.outputs.forEach((v, i) => {
      const operand = outputs[i];
      if (operand) values.set(operand, v);
    });
    return { nests, values, temps };
  } catch (error) {
    throw locate(error, { node: node.name, op: node.op });
  }
}

/** How often the element of an input stands in the body of an elementwise node, written out as a tree. */
export function operandUses(node: Node, value: Value): number {
  const { nests, values } = computeNode(node);
  const [nest] = nests;
  if (!nest || isSerial(nest)) return 0;
  const p = nest.result.dims.map((_, i) => indexVar(`p${i}`));
  const element = variable("element", typeOf(value.dtype));
  const other = (operand: Operand): Expr => variable("other", typeOf(operand.dtype));
  const body = nest.body({ p, r: [], read: (operand) => (values.get(operand) === value ? element : other(operand)) });
  let uses = 0;
  visitExpr(body, (e) => {
    if (e.kind === "var" && e.name === element.name) uses++;
  });
  return uses;
}
