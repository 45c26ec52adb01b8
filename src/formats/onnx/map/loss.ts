import type { Value } from "../../../ir/graph.ts";
import type { Mapper, NodeView } from "./node.ts";

/** Minus the score of the wanted class, weighted by class; what has the ignored class counts nothing. */
function negativeLogLikelihood(n: NodeView, logs: Value): Value {
  const target = n.input(1).dtype === "int64" ? n.input(1) : n.step("cast", [n.input(1)], { to: "int64" });
  const ignored = n.has("ignore_index") ? n.ints64([n.int("ignore_index", 0)], []) : undefined;
  const valid = ignored && n.step("not", [n.step("equal", [target, ignored])]);
  const safe = valid ? n.step("where", [valid, target, n.ints64([0], [])]) : target;
  const picked = n.step("squeeze", [n.step("gatherElements", [logs, n.step("unsqueeze", [safe], { axes: [1] })], { axis: 1 })], {
    axes: [1],
  });
  const given = n.inputs[2] && n.step("gather", [n.inputs[2], safe], { axis: 0 });
  const zero = n.scalarLike(logs, 0);
  const ones = given ?? n.step("add", [n.step("mul", [picked, zero]), n.scalarLike(logs, 1)]);
  const weights = valid ? n.step("where", [valid, ones, zero]) : ones;
  const product = n.step("neg", [n.step("mul", [picked, weights])]);
  const loss = valid ? n.step("where", [valid, product, zero]) : product;
  const how = n.text("reduction", "mean");
  if (how === "none") return n.emit("identity", [loss]);
  const all = { axes: [], keepDims: false };
  if (how === "sum") return n.emit("reduceSum", [loss], all);
  return n.emit("div", [n.step("reduceSum", [loss], all), n.step("reduceSum", [weights], all)]);
}

const softmaxCrossEntropy: Mapper = (n) => {
  const logs = n.step("logSoftmax", [n.input(0)], { axis: 1 });
  return [negativeLogLikelihood(n, logs), logs];
};

/** Losses, which trained models sometimes still hold. */
export const LOSSES: Readonly<Record<string, Mapper>> = {
  NegativeLogLikelihoodLoss: (n) => negativeLogLikelihood(n, n.input(0)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};
