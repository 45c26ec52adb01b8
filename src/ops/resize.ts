/** Resize (ONNX operator specification, version 19 without antialias and crop). */
import { isStatic, mulDim, sym, type Dim } from "../tensor/dim.ts";
import { add, binary, cast, constant, int } from "../loop/expr.ts";
import type { Read } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";
import { HoneError } from "../util/errors.ts";
import * as a from "./arith.ts";
import { constantInts, defineOp, misfit, sameAs, type Known, type Op } from "./define.ts";
import { gather } from "./nests.ts";

const ATTRS = { mode: "nearest", coordinates: "half_pixel", nearestMode: "round_prefer_floor", cubicCoeff: -0.75 };

interface Axis {
  readonly input: number;
  readonly output: number;
  /** output / input as the model gives it. */
  readonly scale: number;
}

const floats = (k: { readonly data?: Known["data"] } | undefined): number[] | undefined =>
  k?.data && k.data.data.length > 0 ? Array.from(k.data.data as ArrayLike<number | bigint>, Number) : undefined;

/** Source coordinate of output position i, as float32. */
function sourceOf(i: Expr, { input, output, scale }: Axis, coordinates: string): Expr {
  const at = cast(i, "float32");
  switch (coordinates) {
    case "asymmetric":
      return a.div(at, scale);
    case "align_corners":
      return output === 1 ? constant(0, "float32") : a.div(a.mul(at, input - 1), output - 1);
    case "pytorch_half_pixel":
      return output === 1 ? constant(0, "float32") : a.sub(a.div(a.add(at, 0.5), scale), 0.5);
    case "half_pixel_symmetric": {
      const adjustment = output / (scale * input);
      const offset = (input / 2) * (1 - adjustment);
      return a.add(a.sub(a.div(a.add(at, 0.5), scale), 0.5), offset);
    }
    case "half_pixel":
      return a.sub(a.div(a.add(at, 0.5), scale), 0.5);
    default:
      throw new HoneError("model.unsupported", `resize: coordinate transformation ${coordinates}`, { at: { op: "resize" } });
  }
}

const NEAREST: Readonly<Record<string, (x: Expr) => Expr>> = {
  round_prefer_floor: (x) => a.ceil(a.sub(x, 0.5)),
  round_prefer_ceil: (x) => a.floor(a.add(x, 0.5)),
  floor: a.floor,
  ceil: a.ceil,
};

const clampIndex = (i: Expr, size: number): Expr => binary("min", binary("max", i, int(0)), int(size - 1));

export interface Tap {
  readonly index: Expr;
  readonly weight: Expr | undefined;
}

/** The integer ratio of a nearest upscale whose source is exactly floor(i / ratio). */
function wholeRatio(axis: Axis, attrs: typeof ATTRS): number | undefined {
  const ratio = axis.output / axis.input;
  const whole = Number.isInteger(ratio) && ratio === axis.scale;
  const floorRule = attrs.coordinates === "asymmetric" && attrs.nearestMode === "floor";
  const halfRule =
    (attrs.coordinates === "half_pixel" || attrs.coordinates === "pytorch_half_pixel") && attrs.nearestMode.startsWith("round");
  return whole && (floorRule || (halfRule && axis.output > 1)) ? ratio : undefined;
}

function nearestTaps(i: Expr, axis: Axis, attrs: typeof ATTRS): Tap[] {
  const ratio = wholeRatio(axis, attrs);
  if (ratio !== undefined) return [{ index: binary("div", i, int(ratio)), weight: undefined }];
  const round = NEAREST[attrs.nearestMode];
  if (!round) throw new HoneError("model.unsupported", `resize: nearest mode ${attrs.nearestMode}`, { at: { op: "resize" } });
  return [{ index: clampIndex(cast(round(sourceOf(i, axis, attrs.coordinates)), "index"), axis.input), weight: undefined }];
}

function linearTaps(i: Expr, axis: Axis, attrs: typeof ATTRS): Tap[] {
  const source = a.clamp(sourceOf(i, axis, attrs.coordinates), 0, axis.input - 1);
  const low = a.floor(source);
  const index = cast(low, "index");
  const fraction = a.sub(source, low);
  return [
    { index, weight: a.sub(1, fraction) },
    { index: binary("min", add(index, int(1)), int(axis.input - 1)), weight: fraction },
  ];
}

/** Keys' cubic convolution kernel (IEEE TASSP 29(6), 1981) with coefficient c. */
function cubicTaps(i: Expr, axis: Axis, attrs: typeof ATTRS): Tap[] {
  const c = attrs.cubicCoeff;
  const source = sourceOf(i, axis, attrs.coordinates);
  const low = a.floor(source);
  const t = a.sub(source, low);
  const base = cast(low, "index");
  const near = (d: Expr): Expr => a.add(a.mul(a.sub(a.mul(c + 2, d), c + 3), a.mul(d, d)), 1);
  const far = (d: Expr): Expr => a.sub(a.mul(a.add(a.mul(a.sub(a.mul(c, d), 5 * c), d), 8 * c), d), 4 * c);
  const weights = [far(a.add(t, 1)), near(t), near(a.sub(1, t)), far(a.sub(2, t))];
  return weights.map((weight, k) => ({ index: clampIndex(add(base, int(k - 1)), axis.input), weight }));
}

const TAPS: Readonly<Record<string, (i: Expr, axis: Axis, attrs: typeof ATTRS) => Tap[]>> = {
  nearest: nearestTaps,
  linear: linearTaps,
  cubic: cubicTaps,
};

/** The weighted sum over every combination of the axes' taps. */
export function sample(read: (index: readonly Expr[]) => Expr, taps: readonly (readonly Tap[])[], done: readonly Expr[] = []): Expr {
  const [first, ...rest] = taps;
  if (!first) return read(done);
  const parts = first.map(({ index, weight }) => {
    const value = sample(read, rest, [...done, index]);
    return weight ? a.mul(value, weight) : value;
  });
  return parts.reduce((sum, part) => a.add(sum, part));
}

function resizedDims(x: Known, scales: number[] | undefined, sizes: number[] | undefined): readonly Dim[] {
  if (sizes) return sizes;
  if (!scales) return x.shape.map((_, i) => sym(`?resize${i}`));
  return x.shape.map((d, i) => (typeof d === "number" ? Math.floor(d * (scales[i] ?? 1)) : mulDim(d, scales[i] ?? 1)));
}

export const resize: Op = defineOp({
  name: "resize",
  inputs: { x: "any", scales: "float?", sizes: "integer?" },
  attrs: ATTRS,
  traits: { channels: "same" },
  infer: ({ x, scales, sizes }) => {
    const shape = resizedDims(x, floats(scales), floats(sizes));
    if (shape.length !== x.shape.length || (isStatic(shape) && shape.some((d) => d <= 0)))
      throw misfit("resize", "the sizes do not fit", [x, scales, sizes]);
    return [sameAs(x, shape)];
  },
  compute: ({ out }, { x, scales, sizes }, attrs) => {
    const given = floats(scales);
    if (!given && !floats(sizes)) constantInts("resize", "sizes", sizes ?? {});
    const taps = TAPS[attrs.mode];
    if (!taps) throw new HoneError("model.unsupported", `resize: mode ${attrs.mode}`, { at: { op: "resize" } });
    const axes = x.dims.map((input, i): Axis => {
      const output = out.dims[i] ?? 1;
      return { input, output, scale: given?.[i] ?? output / input };
    });
    return gather(out, ({ p, read }) => {
      const perAxis = axes.map((axis, i): Tap[] => {
        const at = p[i] ?? int(0);
        return axis.input === axis.output && axis.scale === 1 ? [{ index: at, weight: undefined }] : taps(at, axis, attrs);
      });
      return sample((index) => readAs(read, x, index, out.dtype), perAxis);
    });
  },
});

function readAs(read: Read, x: Parameters<Read>[0], index: readonly Expr[], dtype: Known["dtype"]): Expr {
  return cast(read(x, index), dtype);
}
