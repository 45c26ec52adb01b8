import type { Value } from "../../../ir/graph.ts";
import { tensor } from "../../../tensor/tensor.ts";
import type { Mapper, NodeView } from "./node.ts";

/** How one axis is resized. */
interface AxisResize {
  readonly input: number;
  readonly output: number;
  /** output / input as the model gives it. */
  readonly scale: number;
  /** The part of the axis that is shown, from 0 to 1. */
  readonly region: readonly [number, number];
}

interface Filter {
  readonly mode: string;
  readonly coordinates: string;
  readonly nearestMode: string;
  readonly cubicCoeff: number;
  readonly antialias: boolean;
  readonly excludeOutside: boolean;
}

/** Source coordinate of output position i. */
function sourceOf(i: number, { input, output, scale, region: [from, to] }: AxisResize, coordinates: string): number {
  const middle = (i + 0.5) / scale - 0.5;
  switch (coordinates) {
    case "asymmetric":
      return i / scale;
    case "align_corners":
      return output === 1 ? 0 : (i * (input - 1)) / (output - 1);
    case "pytorch_half_pixel":
      return output === 1 ? -0.5 : middle;
    case "half_pixel_symmetric":
      return middle + (input / 2) * (1 - output / (scale * input));
    case "tf_crop_and_resize":
      return (input - 1) * (output === 1 ? (from + to) / 2 : from + (i * (to - from)) / (output - 1));
    default:
      return middle;
  }
}

const ROUNDINGS: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Keys' cubic convolution kernel (IEEE TASSP 29(6), 1981). */
function cubic(at: number, c: number): number {
  const x = Math.abs(at);
  if (x <= 1) return ((c + 2) * x - (c + 3)) * x * x + 1;
  return x < 2 ? ((c * x - 5 * c) * x + 8 * c) * x - 4 * c : 0;
}

const triangle = (at: number): number => Math.max(0, 1 - Math.abs(at));

interface Taps {
  /** Position of the first tap; the others follow it. */
  readonly first: number;
  readonly weights: readonly number[];
}

/** The weights of the source positions around one coordinate; when the image shrinks, an antialiasing filter grows. */
function tapsAt(source: number, scale: number, f: Filter): Taps {
  if (f.mode === "nearest") return { first: (ROUNDINGS[f.nearestMode] ?? Math.floor)(source), weights: [1] };
  const radius = f.mode === "cubic" ? 2 : 1;
  const squeeze = f.antialias ? Math.min(scale, 1) : 1;
  const low = Math.ceil(source) - 1;
  const start = Math.floor(-radius / squeeze) + 1;
  const raw = Array.from({ length: 2 - 2 * start }, (_, k) => {
    const at = (start + k - (source - low)) * squeeze;
    return f.mode === "cubic" ? cubic(at, f.cubicCoeff) : triangle(at);
  });
  const sum = f.antialias ? raw.reduce((total, w) => total + w, 0) : 1;
  return { first: low + start, weights: raw.map((w) => w / sum) };
}

/** Tables of all taps of an axis: places within it, and weights; positions whose source lies outside of a crop are told. */
function tableOf(axis: AxisResize, f: Filter): { places: number[]; weights: number[]; count: number; outside: boolean[] } {
  const sources = Array.from({ length: axis.output }, (_, i) => sourceOf(i, axis, f.coordinates));
  const taps = sources.map((s) => tapsAt(s, axis.scale, f));
  const inside = (at: number): boolean => at >= 0 && at < axis.input;
  const kept = taps.map(({ first, weights }) => {
    if (!f.excludeOutside) return weights;
    const some = weights.map((w, k) => (inside(first + k) ? w : 0));
    const sum = some.reduce((total, w) => total + w, 0);
    return some.map((w) => w / sum);
  });
  return {
    places: taps.flatMap(({ first, weights }) => weights.map((_, k) => Math.min(Math.max(first + k, 0), axis.input - 1))),
    weights: kept.flat(),
    count: kept[0]?.length ?? 1,
    outside: sources.map((s) => f.coordinates === "tf_crop_and_resize" && (s < 0 || s > axis.input - 1)),
  };
}

/** Numbers in all tables; more would be a filter over a whole image. */
const MAX_TABLE = 1 << 22;

/** One axis after the other by its table of weights; then what a crop shows beside the image. */
function resampled(n: NodeView, x: Value, axes: readonly AxisResize[], f: Filter): Value {
  let y = x;
  let beyond: Value | undefined;
  axes.forEach((axis, i) => {
    if (axis.input === axis.output && axis.scale === 1 && f.coordinates !== "tf_crop_and_resize") return;
    const radius = (f.mode === "cubic" ? 2 : 1) / (f.antialias ? Math.min(axis.scale, 1) : 1);
    if (!(axis.output * (2 * radius + 2) <= MAX_TABLE)) throw n.unsupported(`a filter of ${Math.round(2 * radius)} by ${axis.output}`);
    const { places, weights, count, outside } = tableOf(axis, f);
    const table = n.constant(tensor("float32", [axis.output, count], Float32Array.from(weights)));
    y = n.step("resample", [y, n.ints64(places, [axis.output, count]), table], { axis: i });
    if (!outside.includes(true)) return;
    const dims = axes.map((_, k) => (k === i ? axis.output : 1));
    const here = n.constant(tensor("bool", dims, Uint8Array.from(outside, Number)));
    beyond = beyond ? n.step("or", [beyond, here]) : here;
  });
  if (!beyond) return n.emit("identity", [y]);
  return n.emit("where", [beyond, n.scalarLike(x, n.float("extrapolation_value", 0)), y]);
}

const COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "tf_crop_and_resize"];

const resize: Mapper = (n) => {
  const x = n.input(0);
  const mode = n.text("mode", "nearest");
  if (n.opset < 11) return n.emit("resize", [x, n.input(1)], { mode, coordinates: "asymmetric", nearestMode: "floor" });
  const coordinates = n.text("coordinate_transformation_mode", "half_pixel");
  if (!COORDINATES.includes(coordinates)) throw n.unsupported(`coordinate_transformation_mode "${coordinates}"`);
  const [scales, sizes] = targets(n, x);
  const attrs = {
    mode,
    coordinates,
    nearestMode: n.text("nearest_mode", "round_prefer_floor"),
    cubicCoeff: n.float("cubic_coeff_a", -0.75),
  };
  const antialias = n.flag("antialias") && mode !== "nearest";
  const excludeOutside = n.flag("exclude_outside") && mode === "cubic";
  if (!antialias && !excludeOutside && coordinates !== "tf_crop_and_resize") return n.emit("resize", [x, scales, sizes], attrs);
  return resampled(n, x, axesOf(n, x, scales, sizes), { ...attrs, antialias, excludeOutside });
};

/** Every axis in numbers. */
function axesOf(n: NodeView, x: Value, scales: Value | undefined, sizes: Value | undefined): readonly AxisResize[] {
  const [factors, lengths] = [scales && n.knownOf(scales), sizes && n.knownOf(sizes)];
  const chosen = axesChosen(n, x);
  const crop = n.text("coordinate_transformation_mode", "") === "tf_crop_and_resize";
  const roi = (crop ? n.fixed(1, "regions") : undefined) ?? [];
  const regionOf = (at: number): readonly [number, number] => (at < 0 ? [0, 1] : [roi[at] ?? 0, roi[at + chosen.length] ?? 1]);
  return x.shape.map((dim, i): AxisResize => {
    const input = typeof dim === "number" ? dim : NaN;
    const factor = factors?.[i];
    const output = lengths?.[i] ?? Math.floor(input * (factor ?? NaN));
    if (!(input >= 1 && output >= 1 && Number.isSafeInteger(output)))
      throw n.unsupported("sizes that are not known", "Give the input shapes with --shape, or export the model with fixed sizes.");
    return { input, output, scale: factor ?? output / input, region: regionOf(chosen.indexOf(i)) };
  });
}

function axesChosen(n: NodeView, x: Value): readonly number[] {
  const axes = n.ints("axes");
  return axes?.map((axis) => (axis < 0 ? axis + x.shape.length : axis)) ?? x.shape.map((_, i) => i);
}

/** The largest size within the given ones, or the smallest that holds them, of the image's own proportions; with the scale. */
function proportionate(n: NodeView, x: Value, policy: string): readonly [Value, Value] {
  const axes = axesChosen(n, x);
  const wanted = n.fixed(3, "sizes") ?? [];
  const dims = x.shape.map((d) => {
    if (typeof d !== "number") throw n.unsupported("an axis of unknown size", "Give the input shapes with --shape.");
    return d;
  });
  const ratios = axes.map((axis, i) => (wanted[i] ?? 1) / (dims[axis] ?? 1));
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  const factors = dims.map((_, i) => (axes.includes(i) ? scale : 1));
  const sizes = dims.map((d, i) => Math.floor(d * (factors[i] ?? 1) + 0.5));
  return [n.constant(tensor("float32", [dims.length], Float32Array.from(factors))), n.ints64(sizes)];
}

/** Scales or sizes, whichever is not empty, for all axes. */
function targets(n: NodeView, x: Value): readonly (Value | undefined)[] {
  const given = (i: number): Value | undefined => (n.inputs[i]?.shape[0] === 0 ? undefined : n.inputs[i]);
  const [scales, sizes] = [given(2), given(3)];
  const policy = n.text("keep_aspect_ratio_policy", "stretch");
  if (sizes !== undefined && policy !== "stretch") return proportionate(n, x, policy);
  if (n.ints("axes") === undefined) return [scales, sizes];
  const rank = x.shape.length;
  const at = axesChosen(n, x);
  if (scales !== undefined) {
    const values = n.fixed(2, "scales of some axes") ?? [];
    const all = x.shape.map((_, i) => (at.includes(i) ? (values[at.indexOf(i)] ?? 1) : 1));
    return [n.constant(tensor("float32", [rank], Float32Array.from(all))), undefined];
  }
  const values = n.fixed(3, "sizes of some axes") ?? [];
  const all = x.shape.map((d, i) => {
    if (at.includes(i)) return values[at.indexOf(i)] ?? 1;
    if (typeof d !== "number") throw n.unsupported("sizes of some axes beside an unknown one");
    return d;
  });
  return [undefined, n.ints64(all)];
}

export const RESIZES: Readonly<Record<string, Mapper>> = { Resize: resize };
