/** Between floats and scaled integers (ONNX operator specification: QuantizeLinear, DequantizeLinear). */
import { cast, div, int, saturatingCast, unary } from "../loop/expr.ts";
import type { Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { parseDType } from "../tensor/dtype.ts";
import * as a from "./arith.ts";
import { axisOf, defineOp, type Op } from "./define.ts";
import { gather } from "./nests.ts";

/** The index of an element's scale: one for all, one along an axis, or one for each block of an axis. */
function scaleIndex(scale: Operand, p: readonly Expr[], axis: number, blockSize: number): readonly Expr[] {
  if (scale.dims.length === 0) return [];
  if (scale.dims.length === 1 && (scale.dims[0] === 1 || blockSize === 0)) return [scale.dims[0] === 1 ? int(0) : (p[axis] ?? int(0))];
  return p.map((i, at) => (at === axis ? div(i, int(Math.max(1, blockSize))) : i));
}

const ATTRS = { axis: 1, blockSize: 0 };
const axisFor = (op: string, axis: number, rank: number): number => (rank === 0 || axis >= rank ? 0 : axisOf(op, axis, rank));

/** saturate(roundEven(x / scale) + zeroPoint), computed in the scale's type. */
export const quantizeLinear: Op = defineOp({
  name: "quantizeLinear",
  inputs: { x: "number", scale: "float", zeroPoint: "integer?" },
  attrs: { ...ATTRS, to: "uint8" },
  infer: ({ x, zeroPoint }, { to }) => [{ dtype: zeroPoint?.dtype ?? parseDType(to), shape: x.shape }],
  compute: ({ out }, { x, scale, zeroPoint }, { axis: given, blockSize }) => {
    const axis = axisFor("quantizeLinear", given, x.dims.length);
    return gather(out, ({ p, read }) => {
      const at = scaleIndex(scale, p, axis, blockSize);
      const steps = unary("roundEven", a.div(cast(read(x, p), "float32"), cast(read(scale, at), "float32")));
      return saturatingCast(zeroPoint ? a.add(steps, cast(read(zeroPoint, at), "float32")) : steps, out.dtype);
    });
  },
});

/** (x - zeroPoint) · scale */
export const dequantizeLinear: Op = defineOp({
  name: "dequantizeLinear",
  inputs: { x: "integer", scale: "float", zeroPoint: "integer?" },
  attrs: ATTRS,
  infer: ({ x, scale }) => [{ dtype: scale.dtype, shape: x.shape }],
  compute: ({ out }, { x, scale, zeroPoint }, { axis: given, blockSize }) => {
    const axis = axisFor("dequantizeLinear", given, x.dims.length);
    return gather(out, ({ p, read }) => {
      const at = scaleIndex(scale, p, axis, blockSize);
      const whole = cast(read(x, p), "int32");
      const steps = zeroPoint ? a.sub(whole, cast(read(zeroPoint, at), "int32")) : whole;
      return cast(a.mul(cast(steps, "float32"), cast(read(scale, at), "float32")), out.dtype);
    });
  },
});
