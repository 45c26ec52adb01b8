/**
 * Rows of a photo for a convolution that reads its bytes: for every row of the result those under the kernel are turned into
 * floats, normalised, in the photo's own order of channels. They stay in the nearest cache, and no picture of floats is written.
 */
import { affine } from "../loop/affine.ts";
import { add, cast, indexVar, int, load, mod, mul, sub } from "../loop/expr.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import { forLoop, store } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../loop/types.ts";
import { stridesOf, tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { kernelRowRange, type Geometry } from "./conv-geometry.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Rows } from "./conv-tile.ts";
import type { Lowering } from "./lowering.ts";

/** The bytes that the nest reads, which are those of the same pixel and channel in [N, H, W, C]. */
function photoOf(nest: Nest, constantOf: Lowering["constantOf"]): Operand | undefined {
  const p = nest.result.dims.map((_, i) => indexVar(`p${i}`));
  const found: Operand[] = [];
  nest.body({
    p,
    r: [],
    read: (operand, index) => {
      const inOrder = [0, 2, 3, 1].every((axis, i) => index[i] === p[axis]);
      if (!constantOf(operand)) found.push(...(inOrder && operand.dtype === "uint8" ? [operand] : [operand, operand]));
      return cast(int(1), operand.dtype);
    },
  });
  return found.length === 1 ? found[0] : undefined;
}

/** A constant that differs by channel, as the elements of a row need it: `length` of them, channels beside each other. */
function pattern(l: Lowering, operand: Operand, index: readonly Expr[], channels: number, length: number): Buffer {
  const value = must(l.constantOf(operand), "a constant");
  const strides = stridesOf(operand.dims);
  const at = (c: number): number =>
    index.reduce((sum, e, axis) => {
      const form = affine(e);
      if (!form || [...form.coefficients.keys()].some((name) => name !== CHANNEL)) throw new DoesNotFit("a constant differs by pixel");
      return sum + (strides[axis] ?? 1) * (form.constant + c * (form.coefficients.get(CHANNEL) ?? 0));
    }, 0);
  if (value.type !== "float32") throw new DoesNotFit("a constant is no float");
  const data = Float32Array.from({ length }, (_, i) => Number(value.data[at(i % channels)] ?? 0));
  return l.pack("pattern", tensor("float32", [length], data));
}

const CHANNEL = "channel";

/** The rows under a convolution's kernel when a photo's bytes are what it reads; undefined when its input is anything else. */
export function photoRows(l: Lowering, g: Geometry): Rows | undefined {
  const nest = l.prologueOf(g.m.x);
  const photo = nest && photoOf(nest, l.constantOf);
  if (!nest || !photo) return undefined;
  const { prefix } = l;
  const { inputChannels: channels, inputColumns: columns, inputRows, lanes } = g;
  const [stride, dilation, pad] = [g.m.strides[0], g.m.dilations[0], g.m.pads[0]];
  const length = columns * channels;
  const rows = l.scratch("rows", g.kernelRows * length, "float32");
  const bytes = l.place(photo).buffer;

  const patterns = new Map<Operand, Buffer>();
  /** Elements of row r from `at` on: as many as the machine has lanes, or one. */
  const elements = (n: Expr, r: Expr, at: Expr, count: number): Expr =>
    nest.body({
      p: [n, indexVar(CHANNEL), r, indexVar("column")],
      r: [],
      read: (operand, index) => {
        if (operand === photo) return load(bytes, add(mul(add(mul(n, int(inputRows)), r), int(length)), at), count);
        const buffer = patterns.get(operand) ?? pattern(l, operand, index, channels, lanes * channels);
        patterns.set(operand, buffer);
        return load(buffer, mod(at, int(lanes * channels)), count);
      },
    });
  const perTurn = lanes * channels;
  const whole = columns - (columns % lanes);
  const makeRow = (n: Expr, r: Expr, to: Expr): readonly Stmt[] => {
    const [turn, rest] = [indexVar(`${prefix}turn`), indexVar(`${prefix}rest`)];
    const vectors = Array.from({ length: channels }, (_, i) => {
      const at = add(mul(turn, int(perTurn)), int(i * lanes));
      return store(rows, add(to, at), elements(n, r, at, lanes));
    });
    const one = store(rows, add(to, rest), elements(n, r, rest, 1));
    const tail = whole < columns ? [forLoop(rest, length, [one], { from: int(whole * channels) })] : [];
    return [forLoop(turn, whole / lanes, vectors), ...tail];
  };
  const make = (n: Expr, oh: Expr): readonly Stmt[] => {
    const range = kernelRowRange(g, oh, `${prefix}photo`);
    const kh = indexVar(`${prefix}photoRow`);
    const r = sub(add(mul(oh, int(stride)), mul(kh, int(dilation))), int(pad));
    return [...range.lets, forLoop(kh, range.to, makeRow(n, r, mul(kh, int(length))), { from: range.from })];
  };
  return {
    g: { ...g, rowsOutside: true },
    make,
    at: (kh, channel, iw) => load(rows, add(mul(kh, int(length)), add(mul(iw, int(channels)), channel))),
  };
}
