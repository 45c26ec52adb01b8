/** Reads of a kernel's epilogue as vectors along the channels of a blocked result. */
import { narrowed } from "../tensor/halves.ts";
import { bytesOf, elementCount, stridesOf, zeros } from "../tensor/tensor.ts";
import { cast, intValue, load } from "../loop/expr.ts";
import type { Operand, Read } from "../loop/nest.ts";
import type { Buffer, Expr, Var } from "../loop/types.ts";
import type { Lowering } from "./lowering.ts";

/** Thrown when a nest does not fit a schedule after all; the next schedule is tried. */
export class DoesNotFit extends Error {}

interface VectorPoint {
  /** The dims of the result, [n, c, ...spatial]. */
  readonly dims: readonly number[];
  /** Stand-ins for the logical index of the result. */
  readonly p: readonly Var[];
  /** First channel of the vector. */
  readonly channel: Expr;
  /** Offset in the result's memory of the vector. */
  readonly offset: Expr;
  readonly lanes: number;
}

/** Along which axis of the result each index of a read runs; undefined for index 0 of a broadcast axis. */
function axesOf(index: readonly Expr[], p: readonly Var[]): readonly (number | undefined)[] {
  return index.map((e) => {
    const at = p.findIndex((v) => e.kind === "var" && e.name === v.name);
    if (at < 0 && intValue(e) !== 0) throw new DoesNotFit("an epilogue reads at another index");
    return at < 0 ? undefined : at;
  });
}

/** Constants that were made longer, by kernel: tiles share them. */
const lengthened = new WeakMap<Lowering["pack"], Map<Operand, Buffer>>();

/** The buffer of a vector with one element a channel, zeros appended up to whole vectors: the last one must not be read past its end. */
function wholeVectors(l: Lowering, operand: Operand, lanes: number): Buffer {
  const length = elementCount(operand.dims);
  if (length % lanes === 0) return l.place(operand).buffer;
  const made = lengthened.get(l.pack) ?? new Map<Operand, Buffer>();
  lengthened.set(l.pack, made);
  const known = made.get(operand);
  if (known) return known;
  const tensor = l.constantOf(operand);
  if (tensor?.type !== "float32" && tensor?.type !== "int32")
    throw new DoesNotFit("a vector of channels that is not constant ends inside a block");
  const longer = zeros(tensor.type, [Math.ceil(length / lanes) * lanes]);
  bytesOf(longer).set(bytesOf(tensor));
  const half = l.halfOf(operand);
  const buffer = l.pack("channels", half ? narrowed(longer, half) : longer);
  made.set(operand, buffer);
  return buffer;
}

/** A read that gives `lanes` consecutive channels: of a value that lies as the result does, of a channel vector, or one scalar for all. */
export function channelRead(l: Lowering, point: VectorPoint): Read {
  return (operand, index) => {
    const { buffer, layout } = l.place(operand);
    const axes = axesOf(index, point.p);
    const whole = axes.length === point.dims.length && operand.dims.every((d, i) => d === point.dims[i] && (axes[i] === i || d === 1));
    if (whole && layout.kind === "blocked" && layout.block === point.lanes)
      return cast(load(buffer, point.offset, point.lanes), operand.dtype);
    if (elementCount(operand.dims) === 1) return cast(load(buffer, { ...ZERO }), operand.dtype);
    const channelAxis = axes.indexOf(1);
    const others = operand.dims.filter((d, i) => i !== channelAxis && d !== 1);
    if (layout.kind === "plain" && channelAxis >= 0 && others.length === 0 && stridesOf(operand.dims)[channelAxis] === 1)
      return cast(load(wholeVectors(l, operand, point.lanes), point.channel, point.lanes), operand.dtype);
    throw new DoesNotFit("an epilogue reads a value that lies in another way");
  };
}

const ZERO: Expr = { kind: "const", type: { dtype: "index", lanes: 1 }, value: 0 };
