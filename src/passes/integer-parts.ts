/** What integer kernels are made of: scales of bytes, multipliers, and what an activation becomes when its operand is requantised. */
import type { Node, Value } from "../ir/graph.ts";
import { evaluateOp } from "../ops/evaluate.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { floats } from "./constants.ts";

/** real = scale · (byte - zeroPoint); scale is a float32. */
export interface ByteScale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * What a sum of products is multiplied by to be steps of the result: float32 operations in this order, as ONNX Runtime's QLinearConv
 * has them, so that a model computes the same bytes there and here. One step in an early layer is many in the last.
 */
export const multiplier = (x: number, w: number, y: number): number => Math.fround(Math.fround(x * w) / y);

/** To the nearest integer, halves to the even one. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The larger scale of a sum as an integer: sums of two such products are below 2^24, where float32 is exact. */
const FACTOR = 2 ** 14;

/** A sum's scales as integers of a unit, and the unit. */
export function sumFactors(x: ByteScale, y: ByteScale): { readonly x: number; readonly y: number; readonly unit: number } {
  const unit = Math.max(x.scale, y.scale) / FACTOR;
  return { x: roundEven(x.scale / unit), y: roundEven(y.scale / unit), unit };
}

const upperEnd = (activation: Node | undefined): number =>
  activation?.op === "clip" ? Number(activation.attrs["max"] ?? Infinity) : Infinity;

/** What negative sums are multiplied by besides, for each channel; undefined when nothing, or when the byte's lower end does it. */
export function negativeSlopes(activation: Node | undefined, channels: number, explicit: boolean): Float32Array | undefined {
  if (!activation) return undefined;
  const all = (slope: number): Float32Array => new Float32Array(channels).fill(slope);
  if (activation.op === "relu" || activation.op === "clip") return explicit ? all(0) : undefined;
  if (activation.op === "leakyRelu") return all(Number(activation.attrs["alpha"] ?? 0.01));
  const slopes = must(floats(activation.inputs[1]), "slopes");
  return slopes.length === 1 ? all(slopes[0] ?? 0) : slopes;
}

/**
 * What an absorbed activation still asks for, as a table, when the scale alone does not cut there: zero below zero, and clip's upper end.
 * `negative` says that sums below zero were seen to.
 */
export function limitTable(activation: Node | undefined, { scale, zeroPoint }: ByteScale, negative: boolean): Tensor | undefined {
  const low = activation !== undefined && !negative && zeroPoint > 0 && (activation.op === "relu" || activation.op === "clip");
  const limit = upperEnd(activation);
  const high = limit / scale + zeroPoint < 254.5;
  if (!low && !high) return undefined;
  const top = high ? Math.round(limit / scale) + zeroPoint : 255;
  return tensor(
    "uint8",
    [256],
    Uint8Array.from({ length: 256 }, (_, i) => Math.min(top, low ? Math.max(i, zeroPoint) : i)),
  );
}

/** The upper end that an activation has, for results in floats. */
export const floatLimit: (activation: Node | undefined) => number = upperEnd;

/** A function of one float as bytes from bytes. */
export function functionTable(node: Node, from: ByteScale, to: ByteScale): Tensor {
  const reals = Float32Array.from({ length: 256 }, (_, i) => from.scale * (i - from.zeroPoint));
  const [values] = evaluateOp(node.op, [tensor("float32", [256], reals)], node.attrs);
  return byteTable(must(values, "values").data as Float32Array, to);
}

/** Bytes of one scale as those of another. */
export const rescaleTable = (from: ByteScale, to: ByteScale): Tensor =>
  byteTable(
    Float32Array.from({ length: 256 }, (_, i) => from.scale * (i - from.zeroPoint)),
    to,
  );

function byteTable(values: Float32Array, { scale, zeroPoint }: ByteScale): Tensor {
  const byte = (v: number): number => Math.max(0, Math.min(255, roundEven(v / scale) + zeroPoint));
  return tensor("uint8", [256], Uint8Array.from(values, byte));
}

const isSlope = (slope: unknown): boolean => typeof slope === "number" && Number.isFinite(slope);

/** Whether a PReLU has one slope, or one a channel. */
function hasChannelSlopes({ inputs: [x, slope] }: Node): boolean {
  if (slope?.data?.type !== "float32") return false;
  const dims = slope.data.dims.filter((d) => d !== 1);
  return dims.length === 0 || (dims.length === 1 && slope.data.data.length === x?.shape[1]);
}

/** Activations that requantising can compute: one multiplier for positive sums and one for negative ones. */
const ABSORBED: Readonly<Record<string, (node: Node, leader: string) => boolean>> = {
  relu: () => true,
  clip: ({ attrs }) => attrs["min"] === 0,
  leakyRelu: ({ attrs }, leader) => leader === "conv" && isSlope(attrs["alpha"] ?? 0.01),
  prelu: (node, leader) => leader === "conv" && hasChannelSlopes(node),
};

/** Whether an activation can be computed where a `conv` or an `add` requantises. */
export const isAbsorbed = (node: Node, leader: string): boolean => ABSORBED[node.op]?.(node, leader) ?? false;

const MOVES: ReadonlySet<string> = new Set([
  "maxPool",
  "concat",
  "reshape",
  "flatten",
  "squeeze",
  "unsqueeze",
  "transpose",
  "slice",
  "identity",
  "gather",
]);

/** Whether a node gives elements of its float operands as they are. */
export function movesElements(node: Node, isData: (v: Value | undefined) => boolean): boolean {
  if (node.op === "resize") return (node.attrs["mode"] ?? "nearest") === "nearest" && isData(node.inputs[0]);
  const whole = node.inputs.every((v) => v === undefined || v.dtype !== "float32" || isData(v));
  return MOVES.has(node.op) && node.outputs.length === 1 && isData(node.inputs[0]) && whole;
}

/** Products that an int32 sum holds with room for a bias. */
export const MOST_PRODUCTS: number = Math.floor(2 ** 30 / (255 * 127));
/** A bias in int32 is kept within this, so that it and the largest sum of products do not overflow. */
export const MOST_BIAS: number = 2 ** 30;
