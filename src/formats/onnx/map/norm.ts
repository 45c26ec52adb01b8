import type { Value } from "../../../ir/graph.ts";
import type { Mapper, NodeView } from "./node.ts";

const batchNormalization: Mapper = (n) => {
  const training = n.flag("training_mode") || n.node.output.slice(1).some((o) => o !== "");
  if (training) throw n.unsupported("the training mode", "Export the model for inference.");
  if (!n.flag("spatial", true)) throw n.unsupported("statistics for each position (spatial = 0)");
  return n.emit("batchNorm", n.inputs, { epsilon: n.float("epsilon", 1e-5) });
};

/** (x − mean) / sqrt(variance + epsilon) over the axes. */
function normalized(n: NodeView, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = n.step("sub", [x, n.step("reduceMean", [x], { axes, keepDims: true })]);
  const variance = n.step("reduceMean", [n.step("mul", [centred, centred])], { axes, keepDims: true });
  return n.step("div", [centred, n.step("sqrt", [n.step("add", [variance, n.scalarLike(x, epsilon)])])]);
}

const instanceNormalization: Mapper = (n) => {
  const [x, scale, bias] = [n.input(0), n.input(1), n.input(2)];
  const spatial = x.shape.slice(2).map((_, i) => i + 2);
  const perChannel = (v: Value): Value => n.step("unsqueeze", [v], { axes: spatial.map((axis) => axis - 1) });
  const y = normalized(n, x, spatial, n.float("epsilon", 1e-5));
  return n.emit("add", [n.step("mul", [y, perChannel(scale)]), perChannel(bias)]);
};

const layerNormalization: Mapper = (n) => {
  if (n.node.output.slice(1).some((o) => o !== "")) throw n.unsupported("the outputs Mean and InvStdDev");
  const [x, scale, bias] = [n.input(0), n.input(1), n.inputs[2]];
  const given = n.int("axis", -1);
  const first = given < 0 ? given + x.shape.length : given;
  const axes = x.shape.map((_, i) => i).filter((i) => i >= first);
  const y = normalized(n, x, axes, n.float("epsilon", 1e-5));
  return bias === undefined ? n.emit("mul", [y, scale]) : n.emit("add", [n.step("mul", [y, scale]), bias]);
};

/** x over its own 1- or 2-norm along an axis; where that is 0, so is x, and stays it. */
const lpNormalization: Mapper = (n) => {
  const x = n.input(0);
  const norm = n.step(n.int("p", 2) === 1 ? "reduceL1" : "reduceL2", [x], { axes: [n.int("axis", -1)], keepDims: true });
  return n.emit("div", [x, n.step("max", [norm, n.scalarLike(x, SMALLEST)])]);
};

/** The smallest normal float32. */
const SMALLEST = 2 ** -126;

const meanVarianceNormalization: Mapper = (n) => {
  const x = n.input(0);
  const axes = n.ints("axes") ?? [0, 2, 3];
  const centred = n.step("sub", [x, n.step("reduceMean", [x], { axes, keepDims: true })]);
  const variance = n.step("reduceMean", [n.step("mul", [centred, centred])], { axes, keepDims: true });
  return n.emit("div", [centred, n.step("add", [n.step("sqrt", [variance]), n.scalarLike(x, 1e-9)])]);
};

const gemm: Mapper = (n) =>
  n.emit("gemm", [n.input(0), n.input(1), n.inputs[2]], {
    alpha: n.float("alpha", 1),
    beta: n.float("beta", 1),
    transA: n.flag("transA"),
    transB: n.flag("transB"),
  });

/** Normalisations and products of matrices. */
export const LINEAR: Readonly<Record<string, Mapper>> = {
  BatchNormalization: batchNormalization,
  Gemm: gemm,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  MatMul: (n) => n.emit("matMul", [n.input(0), n.input(1)]),
  MeanVarianceNormalization: meanVarianceNormalization,
};
