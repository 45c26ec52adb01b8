import type { Value } from "../../../ir/graph.ts";
import { HoneError } from "../../../util/errors.ts";
import { tensorOnly } from "../things.ts";
import { dimOf, groupingOf } from "./attention.ts";
import type { Flow, FlowMapper } from "./flow.ts";
import type { NodeView } from "./node.ts";

/** What a subgraph makes of a value, if there is one. Throws `model.damaged` unless that is of the same type. */
function modified(n: NodeView, attribute: string, x: Value, flow: Flow): Value {
  if (!n.has(attribute)) return x;
  const graph = n.graph(attribute);
  if (graph.input.length !== 1 || graph.output.length !== 1)
    throw new HoneError(
      "model.damaged",
      `${attribute} has ${graph.input.length} inputs and ${graph.output.length} outputs, not one of each`,
    );
  const [made] = flow.inline(graph, [x]);
  const y = made && tensorOnly(made, `the output of ${attribute}`);
  const same =
    y?.shape.length === x.shape.length &&
    y.shape.every((d, i) => typeof d !== "number" || typeof x.shape[i] !== "number" || d === x.shape[i]);
  if (!same || y.dtype !== x.dtype) throw new HoneError("model.damaged", `${attribute} gives another type than it is given`);
  return y;
}

/**
 * FlexAttention of ai.onnx.preview 1: softmax(Q·Kᵀ·scale)·V, with what two subgraphs make of the scores and of their shares. Scores and
 * shares are of `softmax_precision`, which is float32 unless the operands are wider.
 */
export const flexAttention: FlowMapper = (n, _things, flow) => {
  const heads = { query: n.input(0), key: n.input(1), value: n.input(2) };
  const { query, key, value } = heads;
  if ([query, key, value].some((x) => x.shape.length !== 4))
    throw new HoneError("model.damaged", "an operand of FlexAttention has not four axes");
  const precision = n.has("softmax_precision") ? n.dtype("softmax_precision", 1) : query.dtype === "float64" ? "float64" : "float32";
  const cast = (x: Value): Value => (x.dtype === precision ? x : n.step("cast", [x], { to: precision }));
  const scale = n.scalarLike(query, Math.sqrt(n.has("scale") ? n.float("scale", 1) : 1 / Math.sqrt(dimOf(n, query, 3, "head size"))));
  const grouping = groupingOf(n, heads);
  const scaledKey = n.step("mul", [n.step("transpose", [key], { perm: [0, 1, 3, 2] }), scale]);
  const products = n.step("matMul", [grouping.split(n.step("mul", [query, scale])), grouping.shared(scaledKey)]);
  const scores = modified(n, "score_mod", cast(grouping.join(products)), flow);
  const shares = modified(n, "prob_mod", n.step("softmax", [scores], { axis: -1 }), flow);
  const mixed = grouping.join(n.step("matMul", [grouping.split(shares), grouping.shared(cast(value))]));
  return mixed.dtype === value.dtype ? n.emit("identity", [mixed]) : n.emit("cast", [mixed], { to: value.dtype });
};
