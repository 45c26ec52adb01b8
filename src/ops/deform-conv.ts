/** Deformable convolution (Dai and others, 2017; with a mask Zhu and others, 2019; ONNX operator specification: DeformConv). */
import { add, cast, constant, div, int, mul } from "../loop/expr.ts";
import type { BodyContext } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { conv, windowIndex, windowOf, type Window } from "./conv.ts";
import { defineOp, misfit, type Computed, type Op } from "./define.ts";
import { accumulator, reduction } from "./nests.ts";
import { sample, type Tap } from "./resize.ts";

/** The two neighbours of a coordinate; far outside, where nothing is read, their places do not matter. */
function taps(v: Expr, size: number): Tap[] {
  const at = a.clamp(v, -2, size + 1);
  const low = a.floor(at);
  const t = a.sub(at, low);
  const index = cast(low, "index");
  return [
    { index, weight: a.sub(1, t) },
    { index: a.add(index, 1), weight: t },
  ];
}

interface Place {
  readonly w: Window;
  readonly kernel: readonly number[];
  readonly offsetGroup: Expr;
}

/** x at a tap of the kernel, moved by its offset: 0 outside. */
function moved(x: Computed, offset: Computed, { w, kernel, offsetGroup }: Place, channel: Expr, { p, r, read }: BodyContext): Expr {
  const [n = int(0), , oy = int(0), ox = int(0)] = p;
  const [, ky = int(0), kx = int(0)] = r;
  const tap = add(mul(add(mul(offsetGroup, int(kernel[0] ?? 1)), ky), int(kernel[1] ?? 1)), kx);
  const places = windowIndex([oy, ox], [ky, kx], w).map((i, axis) => {
    const by = read(offset, [n, add(mul(tap, int(2)), int(axis)), oy, ox]);
    return taps(a.add(a.fromIndex(i, accumulator(x.dtype)), cast(by, accumulator(x.dtype))), x.dims[axis + 2] ?? 1);
  });
  return sample((index) => cast(read(x, [n, channel, ...index], constant(0, x.dtype)), accumulator(x.dtype)), places);
}

export const deformConv: Op = defineOp({
  name: "deformConv",
  inputs: { x: "float", w: "float", offset: "float", bias: "float?", mask: "float?" },
  attrs: { strides: [] as number[], dilations: [] as number[], pads: [] as number[], group: 1, offsetGroup: 1 },
  traits: { alike: ["x", "w", "offset", "bias", "mask"] },
  infer: ({ x, w, offset, bias, mask }, { offsetGroup, ...attrs }) => {
    const all = [x, w, offset, bias, mask];
    if (x.shape.length !== 4 || w.shape.length !== 4) throw misfit("deformConv", "only two spatial axes are supported", all);
    const shape = conv.infer([x, w, bias], attrs, 1)[0]?.shape ?? [];
    const [, , kh = 1, kw = 1] = w.shape.map(Number);
    const wanted = (channels: number): readonly unknown[] => [x.shape[0], channels, ...shape.slice(2)];
    const fits = (v: typeof offset | undefined, channels: number): boolean => !v || v.shape.every((d, i) => d === wanted(channels)[i]);
    if (offset.shape.length !== 4 || !fits(offset, 2 * offsetGroup * kh * kw) || !fits(mask, offsetGroup * kh * kw))
      throw misfit("deformConv", "the offsets do not fit", all);
    if (offsetGroup < 1 || Number(x.shape[1]) % offsetGroup !== 0)
      throw misfit("deformConv", `${offsetGroup} groups of offsets do not fit`, all);
    return [{ dtype: x.dtype, shape }];
  },
  compute: ({ out }, { x, w, offset, bias, mask }, { group, offsetGroup, ...attrs }) => {
    const kernel = w.dims.slice(2);
    const window = windowOf(2, attrs);
    const perGroup = w.dims[1] ?? 1;
    const outPerGroup = (w.dims[0] ?? 1) / group;
    const perOffset = (x.dims[1] ?? 1) / offsetGroup;
    const kept = accumulator(x.dtype);
    return reduction(
      "reduce",
      out,
      (context) => {
        const { p, r, read } = context;
        const [n = int(0), o = int(0), oy = int(0), ox = int(0)] = p;
        const [c = int(0), ky = int(0), kx = int(0)] = r;
        const channel = group === 1 ? c : add(mul(div(o, int(outPerGroup)), int(perGroup)), c);
        const place = { w: window, kernel, offsetGroup: div(channel, int(perOffset)) };
        const tap = add(mul(add(mul(place.offsetGroup, int(kernel[0] ?? 1)), ky), int(kernel[1] ?? 1)), kx);
        const value = a.mul(moved(x, offset, place, channel, context), cast(read(w, [o, c, ky, kx]), kept));
        return mask ? a.mul(value, cast(read(mask, [n, tap, oy, ox]), kept)) : value;
      },
      {
        extents: [perGroup, ...kernel],
        combine: "add",
        init: constant(0, kept),
        finish: (acc, { p, read }) => cast(bias ? a.add(acc, cast(read(bias, [p[1] ?? int(0)]), kept)) : acc, out.dtype),
      },
    );
  },
});
