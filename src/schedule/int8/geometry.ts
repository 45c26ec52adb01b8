/** Sizes of a quantised convolution, and how its input is laid out for the dot products. */
import type { Machine } from "../../loop/machine.ts";
import { geometryOf, type Geometry } from "../conv-geometry.ts";
import type { Lowering } from "../lowering.ts";
import type { Int8Match } from "./match.ts";

/** Input channels of one dot product: two of int16, or four bytes where the machine multiplies u8 with s8 and the weights are bytes. */
export const groupOf = (machine: Machine, { conv }: Int8Match): 2 | 4 => (machine.dot4 === true && conv.w.dtype === "int8" ? 4 : 2);

export interface Int8Geometry extends Geometry {
  readonly group: 2 | 4;
  /** Input channels that lie together. */
  readonly inner: number;
  /** Runs of `inner` input channels. */
  readonly runs: number;
  /** Columns of a staged row, padding included. */
  readonly stagedColumns: number;
  /** Staged rows of the whole image. */
  readonly stagedRows: number;
}

/**
 * Whether all channels of a staged pixel lie together, so that a dot product's loop runs over all of them: of short vectors a block
 * holds so few that loops over each would cost as much as they do.
 */
const joinsRuns = (machine: Machine, group: number): boolean => group === 2 && machine.lanes === 4;

export function int8Geometry(l: Lowering, match: Int8Match): Int8Geometry {
  const { conv } = match;
  const g = geometryOf(l, conv);
  const group = groupOf(l.machine, match);
  const { layout } = l.place(conv.x);
  const block = layout.kind === "blocked" ? layout.block : group;
  const inner = layout.kind === "plain" || joinsRuns(l.machine, group) ? Math.ceil(g.inputChannels / block) * block : block;
  return { ...g, group, inner, runs: Math.ceil(g.inputChannels / inner), ...stagedSize(g) };
}

/** Rows and columns of the input that an image's windows reach over. */
function stagedSize(g: Geometry): { readonly stagedRows: number; readonly stagedColumns: number } {
  const reach = (outputs: number, kernel: number, axis: 0 | 1): number =>
    (outputs - 1) * g.m.strides[axis] + (kernel - 1) * g.m.dilations[axis] + 1;
  return { stagedRows: reach(g.rows, g.kernelRows, 0), stagedColumns: reach(g.columns, g.kernelColumns, 1) };
}

/** A depthwise convolution goes over its input block by block, as bytes. */
export function depthwiseGeometry(l: Lowering, { conv }: Int8Match): Int8Geometry {
  const g = geometryOf(l, conv);
  return { ...g, group: 4, inner: g.lanes, runs: 1, ...stagedSize(g) };
}

/** Output channel blocks and pixels of a register tile: accumulators, weights, one input and one product must fit. */
export function int8Tile(machine: Machine, g: Int8Geometry): { readonly blocks: number; readonly pixels: number } {
  const blocks = Math.min(2, Math.ceil(g.channels / g.lanes));
  const spare = blocks + (g.group === 4 ? 1 : 2);
  return { blocks, pixels: Math.min(Math.floor((machine.registers - spare) / blocks), machine.registers > 16 ? 7 : 12) };
}
