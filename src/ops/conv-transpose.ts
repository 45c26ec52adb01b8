/** Transposed convolution (ONNX operator specification: ConvTranspose). */
import { isStatic, type Dim } from "../tensor/dim.ts";
import { add, compare, constant, div, int, mod, mul, sub } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { reduction } from "./nests.ts";

/**
 * The gradient of a convolution over 1 to 3 spatial axes: x[N,C,…], w[C,O/group,…], bias[O]. Each element of the result gathers the
 * inputs that reach it: those where (o + pad - dilation·k) is a multiple of the stride.
 */
export const convTranspose: Op = defineOp({
  name: "convTranspose",
  inputs: { x: "float", w: "float", bias: "float?" },
  attrs: { strides: [] as number[], dilations: [] as number[], pads: [] as number[], outputPads: [] as number[], group: 1 },
  traits: { alike: ["x", "w", "bias"] },
  infer: ({ x, w, bias }, { strides, dilations, pads, outputPads, group }) => {
    const [n = 1, c = 1, ...spatial] = x.shape;
    const [inputs = 1, perGroup = 1, ...kernel] = w.shape;
    const rank = spatial.length;
    if (!isStatic(kernel) || typeof perGroup !== "number" || kernel.length !== rank || rank === 0)
      throw misfit("convTranspose", "x and w need the same rank of at least 3, w static", [x, w, bias]);
    if (typeof c === "number" && c !== inputs) throw misfit("convTranspose", "the input channels differ", [x, w, bias]);
    const sizes = spatial.map((size, i): Dim => {
      if (typeof size !== "number") throw misfit("convTranspose", "the spatial size of x must be known", [x, w, bias]);
      const span = (dilations[i] ?? 1) * ((kernel[i] ?? 1) - 1) + 1;
      return (strides[i] ?? 1) * (size - 1) + (outputPads[i] ?? 0) + span - (pads[i] ?? 0) - (pads[i + rank] ?? 0);
    });
    if (sizes.some((d) => typeof d === "number" && d <= 0)) throw misfit("convTranspose", "nothing is left between the pads", [x, w, bias]);
    return [{ dtype: x.dtype, shape: [n, perGroup * group, ...sizes] }];
  },
  compute: ({ out }, { x, w, bias }, { strides, dilations, pads, group }) => {
    const [inputs = 1, outputs = 1, ...kernel] = w.dims;
    const perGroup = inputs / group;
    const zero = constant(0, x.dtype);
    return reduction(
      "contraction",
      out,
      ({ p: [n = int(0), oc = int(0), ...o], r: [ic = int(0), ...k], read }) => {
        const moved = o.map((at, i) => sub(add(at, int(pads[i] ?? 0)), mul(k[i] ?? int(0), int(dilations[i] ?? 1))));
        const source = moved.map((m, i) => div(m, int(strides[i] ?? 1)));
        const channel = group === 1 ? ic : add(mul(div(oc, int(outputs)), int(perGroup)), ic);
        const product = a.mul(read(x, [n, channel, ...source], zero), read(w, [channel, mod(oc, int(outputs)), ...k]));
        const conditions = moved.flatMap((m, i): Expr[] =>
          (strides[i] ?? 1) > 1 ? [compare("eq", mod(m, int(strides[i] ?? 1)), int(0))] : [],
        );
        return conditions.reduceRight<Expr>((value, ok) => a.select(ok, value, a.constantLike(value, 0)), product);
      },
      {
        extents: [perGroup, ...kernel],
        combine: "add",
        init: zero,
        ...(bias ? { finish: (acc, { p: [, oc = int(0)], read }) => a.add(acc, read(bias, [oc])) } : {}),
      },
    );
  },
});
