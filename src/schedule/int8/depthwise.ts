/**
 * Depthwise quantised convolution on blocked channels. Every sum has few terms, so it stays below 2^24 and float32 holds it exactly
 * in any order: bytes become floats as they are loaded, and the sum an integer again before it is requantised.
 */
import { add, cast, broadcast, constant, fma, indexVar, int, load, mul, sub, typeOf, variable } from "../../loop/expr.ts";
import { forLoop, letMutable, letVar, setVar } from "../../loop/stmt.ts";
import type { Expr, Stmt, Var } from "../../loop/types.ts";
import { physicalDims } from "../../tensor/layout.ts";
import { stridesOf } from "../../tensor/tensor.ts";
import type { Machine } from "../../loop/machine.ts";
import { geometryOf, kernelRowRange, type Geometry } from "../conv-geometry.ts";
import { accumulators, epilogue, tileLoops, validPixels, type TileContext } from "../conv-tile.ts";
import type { Schedule } from "../lowering.ts";
import { inputColumn } from "../tiles.ts";
import { writesBlocks } from "./conv.ts";
import { matchInt8Conv, type Int8Match } from "./match.ts";
import { packInt8 } from "./pack.ts";

/** Taps up to which Σ |x - zero|·|w| < 2^24. */
const EXACT_TAPS = Math.floor((2 ** 24 - 1) / (255 * 128));

function depthwiseTile(c: TileContext, match: Int8Match, weights: (kh: Expr, kw: number) => Expr): readonly Stmt[] {
  const { g, l, prefix } = c;
  const { vars, at } = accumulators(c);
  const type = typeOf("float32", g.lanes);
  const x = l.place(g.m.x);
  const strides = stridesOf(physicalDims(g.m.x.dims, x.layout));
  const kh = indexVar(`${prefix}kh`);
  const bounds = kernelRowRange(g, c.oh, prefix);
  const ih = sub(add(mul(c.oh, int(g.m.strides[0])), mul(kh, int(g.m.dilations[0]))), int(g.m.pads[0]));
  const columns = { stride: g.m.strides[1], dilation: g.m.dilations[1], pad: g.m.pads[1] };
  const base = add(add(mul(c.n, int(strides[0] ?? 1)), mul(c.block, int(strides[1] ?? 1))), mul(ih, int(strides[2] ?? 1)));
  const zero = broadcast(cast(load(l.place(match.xZero).buffer, int(0)), "int32"), g.lanes);
  const loads = new Map<number, Stmt>();
  const inputAt = (t: number, kw: number): Var => {
    const shift = inputColumn(columns, t, kw);
    const v = variable(`${prefix}x${shift + columns.pad}`, type);
    const iw = add(mul(c.ow, int(columns.stride)), int(shift));
    const bytes = load(x.buffer, add(base, mul(iw, int(g.lanes))), g.lanes);
    loads.set(shift, letVar(v, cast(sub(cast(bytes, "int32"), zero), "float32")));
    return v;
  };
  const updates = Array.from({ length: g.kernelColumns }, (_, kw) => kw).flatMap((kw) => {
    const w = variable(`${prefix}w${kw}`, type);
    const pixels = validPixels(c, kw);
    return pixels.length === 0
      ? []
      : [
          letVar(w, cast(cast(weights(kh, kw), "int32"), "float32")),
          ...pixels.map((t) => setVar(at(0, t), fma(inputAt(t, kw), w, at(0, t)))),
        ];
  });
  return [
    ...bounds.lets,
    ...vars.map((v) => letMutable(v, constant(0, "float32", g.lanes))),
    forLoop(kh, bounds.to, [...loads.values(), ...updates], { from: bounds.from }),
    ...epilogue(c, (b, t) => cast(at(b, t), "int32")),
  ];
}

/** As many pixels as leave room for their accumulators, the inputs they share, the weights of one row and the zero point. */
function pixelsOf(machine: Machine, g: Geometry): number {
  const [, stride] = g.m.strides;
  return Math.max(1, Math.floor((machine.registers - 2 - 2 * g.kernelColumns + stride) / (1 + stride)));
}

/** A depthwise quantised convolution with constant weights, blocked in and out. */
export const int8Depthwise: Schedule = {
  name: "int8 depthwise convolution",
  lower: (l) => {
    const match = matchInt8Conv(l.nest);
    const w = match && l.constantOf(match.conv.w);
    if (!match?.conv.depthwise || !w || !writesBlocks(l)) return undefined;
    const { layout } = l.place(match.conv.x);
    const g = geometryOf(l, match.conv);
    const taps = g.kernelRows * g.kernelColumns;
    if (layout.kind !== "blocked" || layout.block !== l.machine.lanes || taps > EXACT_TAPS) return undefined;
    const packed = packInt8(w, g.lanes, 1, 1);
    const buffer = l.pack("weights", { type: "int8", dims: [packed.length], data: packed });
    return tileLoops(l, g, { blocks: 1, pixels: pixelsOf(l.machine, g) }, (c) =>
      depthwiseTile(c, match, (kh, kw) =>
        load(buffer, mul(add(mul(c.block, int(taps)), add(mul(kh, int(g.kernelColumns)), int(kw))), int(g.lanes)), g.lanes),
      ),
    );
  },
};
