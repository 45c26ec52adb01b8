/** Depthwise convolution on blocked channels: every channel of a vector has its own kernel. */
import { add, cast, constant, fma, indexVar, int, load, mul, sub, typeOf, variable } from "../loop/expr.ts";
import type { Machine } from "../loop/machine.ts";
import { forLoop, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../loop/types.ts";
import { physicalDims } from "../tensor/layout.ts";
import { stridesOf } from "../tensor/tensor.ts";
import { geometryOf, kernelRowRange, type Geometry } from "./conv-geometry.ts";
import { accumulators, epilogue, tileLoops, validPixels, writesVectors, type TileContext } from "./conv-tile.ts";
import type { Schedule } from "./lowering.ts";
import { matchConv } from "./match.ts";
import { packConv } from "./pack.ts";
import { inputColumn } from "./tiles.ts";
import { keepWeights } from "./weights.ts";

/** What the vectors of a tile are made of, all of them float32. */
export interface DepthwiseVectors {
  /** From what lies in memory. */
  readonly input: (loaded: Expr) => Expr;
  readonly weight: (kh: Expr, kw: number) => Expr;
  /** From a sum to what the nest finishes. */
  readonly sum: (sum: Expr) => Expr;
  /** Whether each input is loaded once for all the taps of its row that meet it. */
  readonly shared: boolean;
}

/** One tile of a depthwise convolution. */
export function depthwiseTile(c: TileContext, vectors: DepthwiseVectors): readonly Stmt[] {
  const { g, l, prefix } = c;
  const { vars, at } = accumulators(c);
  const type = typeOf("float32", g.lanes);
  const x = l.place(g.m.x);
  const strides = stridesOf(physicalDims(g.m.x.dims, x.layout));
  const kh = indexVar(`${prefix}kh`);
  const range = kernelRowRange(g, c.oh, prefix);
  const ih = sub(add(mul(c.oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0]))), int(g.m.pads[0]));
  const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
  const base = add(add(mul(c.n, int(strides[0] ?? 1)), mul(c.block, int(strides[1] ?? 1))), mul(ih, int(strides[2] ?? 1)));
  const loads = new Map<number, Stmt>();
  const inputAt = (t: number, kw: number): Expr => {
    const shift = inputColumn(columns, t, kw);
    const iw = add(mul(c.ow, int(columns.stride)), int(shift));
    const value = vectors.input(load(x.buffer, add(base, mul(iw, int(g.lanes))), g.lanes));
    if (!vectors.shared) return value;
    const v = variable(`${prefix}x${shift + columns.pad}`, type);
    loads.set(shift, letVar(v, value));
    return v;
  };
  const updates = Array.from({ length: g.kernelColumns }, (_, kw) => kw).flatMap((kw) => {
    const w = variable(`${prefix}w${kw}`, type);
    const pixels = validPixels(c, kw);
    return pixels.length === 0
      ? []
      : [letVar(w, vectors.weight(kh, kw)), ...pixels.map((t) => setVar(at(0, t), fma(inputAt(t, kw), w, at(0, t))))];
  });
  return [
    ...range.lets,
    ...vars.map((v) => letMutable(v, constant(0, "float32", g.lanes))),
    forLoop(kh, range.to, [...loads.values(), ...updates], { from: range.from }),
    ...epilogue(c, (b, t) => vectors.sum(at(b, t))),
  ];
}

/** The weights of one tap, packed by blocks. */
export function tapOf({ g, block }: TileContext, packed: Buffer, kh: Expr, kw: number): Expr {
  const taps = g.kernelRows * g.kernelColumns;
  return load(packed, mul(add(mul(block, int(taps)), add(mul(kh, int(g.kernelColumns)), int(kw))), int(g.lanes)), g.lanes);
}

/** Sums that hide the latency of a multiply-add: four cycles of two. */
const LATENCY = 8;

/** As many pixels as leave room for their accumulators, the inputs they share, and the weights of one row. */
function sharingPixels(machine: Machine, g: Geometry): number {
  const free = machine.registers - 1 - g.kernelColumns;
  const [, stride] = g.m.strides;
  return Math.max(1, Math.floor((free - g.kernelColumns + stride) / (1 + stride)));
}

/** Whether a row's inputs are loaded once for all taps. Under a wide kernel too few sums would be left beside them. */
const sharesInputs = (machine: Machine, g: Geometry): boolean => 2 * sharingPixels(machine, g) >= LATENCY;

const depthwisePixels = (machine: Machine, g: Geometry): number => (sharesInputs(machine, g) ? sharingPixels(machine, g) : LATENCY);

/** A depthwise convolution with constant weights, blocked in and out. */
export const depthwiseConv: Schedule = {
  name: "blocked depthwise convolution",
  lower: (l) => {
    const m = matchConv(l.nest);
    const w = m && l.constantOf(m.w);
    if (!m || !w || !m.depthwise || !writesVectors(l)) return undefined;
    const x = l.place(m.x);
    if (x.layout.kind !== "blocked" || x.layout.block !== l.machine.lanes) return undefined;
    const g = geometryOf(l, m);
    const packed = packConv(w, g.lanes, 1);
    const buffer = keepWeights(l, m.w, "weights", packed.data);
    const pixels = depthwisePixels(l.machine, g);
    const shared = sharesInputs(l.machine, g);
    return tileLoops(l, g, { blocks: 1, pixels }, (c) =>
      depthwiseTile(c, { input: (x) => x, weight: (kh, kw) => cast(tapOf(c, buffer, kh, kw), "float32"), sum: (sum) => sum, shared }),
    );
  },
};
