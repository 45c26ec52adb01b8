import type { Attrs, Value } from "../../../ir/graph.ts";
import { HoneError } from "../../../util/errors.ts";
import type { Mapper, NodeView } from "./node.ts";
import { dequantized, productScale, QUANTIZED, single } from "./quantize.ts";
import { averagePoolAttrs } from "./window.ts";

/** Quantised with the scale at input i and the zero point after it. */
const quantizedAt = (n: NodeView, y: Value, i: number): Value =>
  n.emit("quantizeLinear", [y, single(n, n.input(i)), n.inputs[i + 1]], n.inputs[i + 1] ? {} : { to: n.input(0).dtype });

/** A and B, each with its scale and zero point, then the result's. */
const binary =
  (op: string): Mapper =>
  (n) =>
    quantizedAt(n, n.step(op, [dequantized(n, 0, 0), dequantized(n, 3, 0)]), 6);

/** X with its scale and zero point, then the result's. */
const unary =
  (op: string, attrs: (n: NodeView) => Attrs = () => ({})): Mapper =>
  (n) => {
    if (n.flag("channels_last")) throw n.unsupported("channels_last");
    return quantizedAt(n, n.step(op, [dequantized(n, 0, 0)], attrs(n)), 3);
  };

/** The result's scale and zero point, then each part with its own. */
const concat: Mapper = (n) => {
  const count = (n.inputs.length - 2) / 3;
  if (!Number.isInteger(count) || count < 1) throw new HoneError("model.damaged", `${n.inputs.length} inputs`);
  const parts = Array.from({ length: count }, (_, i) => dequantized(n, 2 + 3 * i, 0));
  return n.emit("quantizeLinear", [n.step("concat", parts, { axis: n.int("axis", 0) }), single(n, n.input(0)), n.inputs[1]]);
};

/** alpha · A'·B' + C, where C is in int32 with the scale of the products; without a scale of its own the result stays in floats. */
const gemm: Mapper = (n) => {
  const alpha = n.float("alpha", 1);
  const transB = n.flag("transB");
  const c = n.inputs[6];
  const products = productScale(n, single(n, n.input(1)), single(n, n.input(4)));
  const bias = c && n.step("dequantizeLinear", [c, products], { axis: c.shape.length - 1 });
  const attrs = { alpha, beta: alpha, transA: n.flag("transA"), transB };
  const inputs = [dequantized(n, 0, 0), dequantized(n, 3, transB ? 0 : 1), bias];
  return n.inputs[7] ? quantizedAt(n, n.step("gemm", inputs, attrs), 7) : n.emit("gemm", inputs, attrs);
};

const spatialAxes = (n: NodeView): Attrs => ({
  axes: n
    .input(0)
    .shape.slice(2)
    .map((_, i) => i + 2),
  keepDims: true,
});

/** Operators of ONNX Runtime's own set (domain com.microsoft) on scaled integers, as what they mean. */
const MAPPERS: ReadonlyMap<string, Mapper> = new Map(
  Object.entries({
    DequantizeLinear: QUANTIZED["DequantizeLinear"],
    QGemm: gemm,
    QLinearAdd: binary("add"),
    QLinearAveragePool: unary("averagePool", (n) => averagePoolAttrs(n, n.input(0))),
    QLinearConcat: concat,
    QLinearGlobalAveragePool: unary("reduceMean", spatialAxes),
    QLinearLeakyRelu: unary("leakyRelu", (n) => ({ alpha: n.float("alpha", 0.01) })),
    QLinearMul: binary("mul"),
    QLinearSigmoid: unary("sigmoid"),
    QLinearSoftmax: unary("softmax", (n) => ({ axis: n.int("axis", -1) })),
    QuantizeLinear: QUANTIZED["QuantizeLinear"],
  }).flatMap(([name, mapper]) => (mapper ? [[name, mapper] as const] : [])),
);

export const findMicrosoftMapper = (opType: string): Mapper | undefined => MAPPERS.get(opType);
