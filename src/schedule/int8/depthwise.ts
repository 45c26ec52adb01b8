/**
 * Depthwise quantised convolution on blocked channels. Every sum has few terms, so it stays below 2^24 and float32 holds it exactly
 * in any order: bytes become floats as they are loaded, and the sum an integer again before it is requantised.
 */
import { broadcast, cast, int, load, sub } from "../../loop/expr.ts";
import type { Machine } from "../../loop/machine.ts";
import { depthwiseTile, tapOf } from "../conv-depthwise.ts";
import { geometryOf, type Geometry } from "../conv-geometry.ts";
import { tileLoops } from "../conv-tile.ts";
import type { Schedule } from "../lowering.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { writesBlocks } from "./conv.ts";
import { matchInt8Conv } from "./match.ts";
import { packInt8 } from "./pack.ts";

/** Taps up to which Σ |x - zero|·|w| < 2^24. */
function exactTaps(w: Tensor): number {
  let most = 1;
  for (const v of w.data) most = Math.max(most, Math.abs(Number(v)));
  return Math.floor((2 ** 24 - 1) / (255 * most));
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
    if (layout.kind !== "blocked" || layout.block !== l.machine.lanes || taps > exactTaps(w)) return undefined;
    const buffer = l.pack("weights", packInt8(w, g.lanes, 1, 1));
    const zero = broadcast(cast(load(l.place(match.xZero).buffer, int(0)), "int32"), g.lanes);
    return tileLoops(l, g, { blocks: 1, pixels: pixelsOf(l.machine, g) }, (c) =>
      depthwiseTile(c, {
        input: (bytes) => cast(sub(cast(bytes, "int32"), zero), "float32"),
        weight: (kh, kw) => cast(cast(tapOf(c, buffer, kh, kw), "int32"), "float32"),
        sum: (sum) => cast(sum, "int32"),
        shared: true,
      }),
    );
  },
};
