import type { Value } from "../../../ir/graph.ts";
import { tensor } from "../../../tensor/tensor.ts";
import type { Mapper, NodeView } from "./node.ts";

/** A complex signal along its last axis; without an imaginary part it is real. */
interface Signal {
  readonly re: Value;
  readonly im: Value | undefined;
}

/** Longest transform that is one product with a matrix where its length has no factors. */
const MAX_PRIME = 2048;
const MAX_LENGTH = 1 << 20;

/** The largest factor that is no more than the root; 1 for a prime. */
function factorOf(length: number): number {
  for (let f = Math.floor(Math.sqrt(length)); f > 1; f--) if (length % f === 0) return f;
  return 1;
}

/** Twiddle factors: the real or imaginary part of e^(±2πi·row·column/length), as constants of x's type. */
function twiddles(n: NodeView, x: Value, length: number, rows: number, columns: number, inverse: boolean): readonly [Value, Value] {
  const sign = inverse ? 1 : -1;
  const table = (f: (angle: number) => number): Value => {
    const data = Float64Array.from({ length: rows * columns }, (_, i) =>
      f((2 * Math.PI * ((Math.floor(i / columns) * (i % columns)) % length)) / length),
    );
    const values = n.constant(tensor("float64", [rows, columns], data));
    return x.dtype === "float64" ? values : n.step("cast", [values], { to: x.dtype });
  };
  return [table(Math.cos), table((angle) => sign * Math.sin(angle))];
}

/** Products of a signal with complex numbers, by `op`: elementwise or as matrices. */
function times(n: NodeView, op: "mul" | "matMul", { re, im }: Signal, [cos, sin]: readonly [Value, Value]): Signal {
  const [a, b] = [n.step(op, [re, cos]), n.step(op, [re, sin])];
  if (im === undefined) return { re: a, im: b };
  return { re: n.step("sub", [a, n.step(op, [im, sin])]), im: n.step("add", [b, n.step(op, [im, cos])]) };
}

const each = ({ re, im }: Signal, f: (x: Value) => Value): Signal => ({ re: f(re), im: im && f(im) });

/** The discrete Fourier transform along the last axis, cut in two at each factor of its length (Cooley and Tukey, 1965). */
function transformed(n: NodeView, signal: Signal, length: number, inverse: boolean): Signal {
  const factor = length <= 32 ? 1 : factorOf(length);
  if (factor === 1) {
    if (length > MAX_PRIME) throw n.unsupported(`a transform of length ${length}, which has no factors`);
    return times(n, "matMul", signal, twiddles(n, signal.re, length, length, length, inverse));
  }
  const rest = length / factor;
  const rank = signal.re.shape.length;
  const perm = [...Array.from({ length: rank - 1 }, (_, i) => i), rank, rank - 1];
  const turned = (s: Signal): Signal => each(s, (x) => n.step("transpose", [x], { perm }));
  const outer = Array.from({ length: rank - 1 }, () => 0);
  const apart = each(signal, (x) => n.step("reshape", [x, n.ints64([...outer, factor, rest])], { allowZero: false }));
  const first = transformed(n, turned(apart), factor, inverse);
  const second = times(n, "mul", first, twiddles(n, signal.re, length, rest, factor, inverse));
  const last = transformed(n, turned(second), rest, inverse);
  return each(turned(last), (x) => n.step("reshape", [x, n.ints64([...outer, length])], { allowZero: false }));
}

const cut = (n: NodeView, x: Value, axis: number, from: number, to: number): Value =>
  n.step("slice", [x, n.ints64([from]), n.ints64([to]), n.ints64([axis])]);

/** x with an axis cut or filled up with zeros to a length. */
function resized(n: NodeView, x: Value, axis: number, length: number): Value {
  const size = sizeOf(n, x, axis);
  if (size >= length) return size === length ? x : cut(n, x, axis, 0, length);
  const pads = new Array<number>(2 * x.shape.length).fill(0);
  pads[x.shape.length + axis] = length - size;
  return n.step("pad", [x, n.ints64(pads)], { mode: "constant" });
}

function sizeOf(n: NodeView, x: Value, axis: number): number {
  const size = x.shape[axis];
  if (typeof size !== "number") throw n.unsupported("an axis of unknown size", "Give the input shapes with --shape.");
  return size;
}

/** [..., 1] or [..., 2] as the parts of a signal. */
function partsOf(n: NodeView, x: Value): Signal {
  const axis = x.shape.length - 1;
  const part = (i: number): Value => n.step("squeeze", [cut(n, x, axis, i, i + 1)], { axes: [axis] });
  return { re: part(0), im: x.shape[axis] === 2 ? part(1) : undefined };
}

/** What the real signal's spectrum leaves out: the other half is the conjugate of the first, backwards. */
function mirrored(n: NodeView, { re, im }: Signal, length: number): Signal {
  const have = Math.floor(length / 2) + 1;
  const from = Array.from({ length }, (_, i) => (i < have ? i : length - i));
  const pick = (x: Value): Value => n.step("gather", [x, n.ints64(from)], { axis: x.shape.length - 1 });
  const signs = Float32Array.from({ length }, (_, i) => (i < have ? 1 : -1));
  const sign = n.constant(tensor("float32", [length], signs));
  const typed = re.dtype === "float32" ? sign : n.step("cast", [sign], { to: re.dtype });
  return { re: pick(re), im: im && n.step("mul", [pick(im), typed]) };
}

interface Transform {
  readonly axis: number;
  readonly length: number;
  readonly inverse: boolean;
  readonly oneSided: boolean;
}

/** Along any axis of [..., 1 or 2]; to [..., 2], or [..., 1] for the inverse of half a spectrum. */
function along(n: NodeView, x: Value, { axis, length, inverse, oneSided }: Transform): Value {
  if (!(length >= 1 && length <= MAX_LENGTH)) throw n.unsupported(`a transform of length ${length}`);
  const rank = x.shape.length - 1;
  const perm = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  const back = perm.map((_, i) => perm.indexOf(i));
  const half = Math.floor(length / 2) + 1;
  const whole = resized(n, x, axis, oneSided && inverse ? half : length);
  const signal = each(partsOf(n, whole), (v) => n.step("transpose", [v], { perm }));
  const placed = (v: Value): Value => n.step("unsqueeze", [n.step("transpose", [v], { perm: back })], { axes: [rank] });
  const paired = ({ re, im }: Signal): Value =>
    n.step("concat", [placed(re), placed(im ?? n.step("mul", [re, n.scalarLike(re, 0)]))], { axis: rank });
  if (!inverse) {
    const spectrum = transformed(n, signal, length, false);
    return paired(oneSided ? each(spectrum, (v) => cut(n, v, rank - 1, 0, half)) : spectrum);
  }
  const sums = transformed(n, oneSided ? mirrored(n, signal, length) : signal, length, true);
  const scaled = each(sums, (v) => n.step("div", [v, n.scalarLike(v, length)]));
  return oneSided ? placed(scaled.re) : paired(scaled);
}

/** The axis is an attribute up to operator set 19, an input since. */
const dft: Mapper = (n) => {
  const x = n.input(0);
  const given = n.fixed(2, "axes")?.[0] ?? n.int("axis", n.opset < 20 ? 1 : -2);
  const axis = given < 0 ? given + x.shape.length : given;
  const [inverse, oneSided] = [n.flag("inverse"), n.flag("onesided")];
  const size = sizeOf(n, x, axis);
  const length = n.fixed(1, "lengths")?.[0] ?? (inverse && oneSided ? 2 * (size - 1) : size);
  return n.emit("identity", [along(n, x, { axis, length, inverse, oneSided })]);
};

/** Spectra of windows of a signal [B, length, 1 or 2], one every few steps: [B, frames, bins, 2]. */
const stft: Mapper = (n) => {
  const x = n.input(0);
  const step = n.fixed(1, "steps")?.[0] ?? 0;
  const window = n.inputs[2];
  const size = sizeOf(n, x, 1);
  const length = n.fixed(3, "lengths")?.[0] ?? (window ? sizeOf(n, window, 0) : size);
  if (!(step >= 1 && length >= 1 && length <= size)) throw n.unsupported(`frames of ${length} every ${step} of ${size} samples`);
  const frames = Math.floor((size - length) / step) + 1;
  if (frames * length > MAX_LENGTH) throw n.unsupported(`${frames} frames of ${length} samples`);
  const places = Array.from({ length: frames * length }, (_, i) => Math.floor(i / length) * step + (i % length));
  const framed = n.step("gather", [x, n.ints64(places, [frames, length])], { axis: 1 });
  const weighted = window ? n.step("mul", [framed, n.step("unsqueeze", [window], { axes: [1] })]) : framed;
  return n.emit("identity", [along(n, weighted, { axis: 2, length, inverse: false, oneSided: n.flag("onesided", true) })]);
};

const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
const hertz = (m: number): number => 700 * (10 ** (m / 2595) - 1);

/** The height of a triangle at j; one without a left side starts at its top. */
function band(j: number, left: number, centre: number, right: number): number {
  if (j >= centre && j < right) return (right - j) / (right - centre);
  if (left === centre) return j === centre ? 1 : 0;
  return j >= left && j <= centre ? (j - left) / (centre - left) : 0;
}

/** Triangles that overlap, evenly spaced in mel, over the bins of a spectrum. */
const melWeightMatrix: Mapper = (n) => {
  const [bands = 0, length = 0, rate = 1] = [0, 1, 2].map((i) => n.fixed(i, "parameters")?.[0] ?? 0);
  const [low = 0, high = 0] = [3, 4].map((i) => mel(n.fixed(i, "edges")?.[0] ?? 0));
  const bins = Math.floor(length / 2) + 1;
  if (!(bands >= 0 && bins >= 1 && bands * bins <= MAX_LENGTH && rate > 0)) throw n.unsupported(`${bands} bands of ${bins} bins`);
  const step = (high - low) / (bands + 2);
  const edge = (i: number): number => Math.floor(((length + 1) * hertz(low + i * step)) / rate);
  const data = new Float32Array(bins * bands);
  for (let b = 0; b < bands; b++) for (let j = 0; j < bins; j++) data[j * bands + b] = band(j, edge(b), edge(b + 1), edge(b + 2));
  return n.emit("cast", [n.constant(tensor("float32", [bins, bands], data))], { to: n.dtype("output_datatype", 1) });
};

/** Signal processing; windows are with the samples. */
export const SIGNALS: Readonly<Record<string, Mapper>> = {
  DFT: dft,
  MelWeightMatrix: melWeightMatrix,
  STFT: stft,
};
