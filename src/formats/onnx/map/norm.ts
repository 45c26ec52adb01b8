import type { Value } from "../../../ir/graph.ts";
import { axisOf } from "../../../ops/define.ts";
import type { Mapper, NodeView } from "./node.ts";

/** By the statistics of the batch itself, with the running ones moved towards them. */
function trained(n: NodeView): readonly Value[] {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => n.input(i));
  const axes = n
    .input(0)
    .shape.map((_, i) => i)
    .filter((i) => i !== 1);
  if (!x || !scale || !bias || !mean || !variance) return [];
  const own = n.step("reduceMean", [x], { axes, keepDims: true });
  const centred = n.step("sub", [x, own]);
  const spread = n.step("reduceMean", [n.step("mul", [centred, centred])], { axes, keepDims: true });
  const flat = (v: Value): Value => n.step("squeeze", [v], { axes });
  const momentum = n.float("momentum", 0.9);
  const moved = (running: Value, now: Value): Value => {
    const kept = n.step("mul", [running, n.scalarLike(running, momentum)]);
    return n.step("add", [kept, n.step("mul", [flat(now), n.scalarLike(now, 1 - momentum)])]);
  };
  const y = n.emit("batchNorm", [x, scale, bias, flat(own), flat(spread)], { epsilon: n.float("epsilon", 1e-5) });
  return [y, moved(mean, own), moved(variance, spread)];
}

const batchNormalization: Mapper = (n) => {
  const training = n.flag("training_mode") || n.node.output.slice(1).some((o) => o !== "");
  if (training && n.opset < 14) throw n.unsupported("the training mode", "Export the model for inference.");
  if (training) return trained(n);
  if (!n.flag("spatial", true)) throw n.unsupported("statistics for each position (spatial = 0)");
  return n.emit("batchNorm", n.inputs, { epsilon: n.float("epsilon", 1e-5) });
};

interface Normalized {
  readonly value: Value;
  readonly mean: Value;
  /** 1 / sqrt(variance + epsilon) */
  readonly inverse: Value;
}

/** (x − mean) / sqrt(variance + epsilon) over the axes. */
function normalized(n: NodeView, x: Value, axes: readonly number[], epsilon: number): Normalized {
  const mean = n.step("reduceMean", [x], { axes, keepDims: true });
  const centred = n.step("sub", [x, mean]);
  const variance = n.step("reduceMean", [n.step("mul", [centred, centred])], { axes, keepDims: true });
  const inverse = n.step("reciprocal", [n.step("sqrt", [n.step("add", [variance, n.scalarLike(x, epsilon)])])]);
  return { value: n.step("mul", [centred, inverse]), mean, inverse };
}

const instanceNormalization: Mapper = (n) => {
  const [x, scale, bias] = [n.input(0), n.input(1), n.input(2)];
  const spatial = x.shape.slice(2).map((_, i) => i + 2);
  const perChannel = (v: Value): Value => n.step("unsqueeze", [v], { axes: spatial.map((axis) => axis - 1) });
  const { value: y } = normalized(n, x, spatial, n.float("epsilon", 1e-5));
  return n.emit("add", [n.step("mul", [y, perChannel(scale)]), perChannel(bias)]);
};

/** All axes from `axis` on. */
function axesFrom(n: NodeView, x: Value): readonly number[] {
  const first = axisOf(n.node.opType, n.int("axis", -1), x.shape.length);
  return x.shape.map((_, i) => i).filter((i) => i >= first);
}

const layerNormalization: Mapper = (n) => {
  const [x, scale, bias] = [n.input(0), n.input(1), n.inputs[2]];
  const { value, mean, inverse } = normalized(n, x, axesFrom(n, x), n.float("epsilon", 1e-5));
  const y = bias === undefined ? n.emit("mul", [value, scale]) : n.emit("add", [n.step("mul", [value, scale]), bias]);
  return [y, mean, inverse];
};

/** x / sqrt(mean(x²) + epsilon) · scale */
const rmsNormalization: Mapper = (n) => {
  const [x, scale] = [n.input(0), n.input(1)];
  const square = n.step("reduceMean", [n.step("mul", [x, x])], { axes: axesFrom(n, x), keepDims: true });
  const norm = n.step("sqrt", [n.step("add", [square, n.scalarLike(x, n.float("epsilon", 1e-5))])]);
  return n.emit("mul", [n.step("div", [x, norm]), scale]);
};

/** Over each group of channels; scale and bias are per group in operator set 18, per channel since 21. */
const groupNormalization: Mapper = (n) => {
  const x = n.input(0);
  const groups = n.int("num_groups", 1);
  const grouped = n.step("reshape", [x, n.ints64([0, groups, -1])], { allowZero: false });
  const { value } = normalized(n, grouped, [2], n.float("epsilon", 1e-5));
  const scaled = (y: Value, op: string, by: Value, last: boolean): Value => {
    const axes = y.shape.slice(2).map((_, i) => i + 1);
    const shaped = n.step("unsqueeze", [by], { axes });
    return last ? n.emit(op, [y, shaped]) : n.step(op, [y, shaped]);
  };
  const back = (y: Value): Value => n.step("reshape", [y, n.step("shape", [x])], { allowZero: false });
  if (n.opset >= 21) return scaled(scaled(back(value), "mul", n.input(1), false), "add", n.input(2), true);
  const y = scaled(scaled(value, "mul", n.input(1), false), "add", n.input(2), false);
  return n.emit("reshape", [y, n.step("shape", [x])], { allowZero: false });
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
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  MatMul: (n) => n.emit("matMul", [n.input(0), n.input(1)]),
  MeanVarianceNormalization: meanVarianceNormalization,
  RMSNormalization: rmsNormalization,
};
