/** Which columns a depthwise convolution's dot products take, and its weights in their order. */
import type { Machine } from "../../loop/machine.ts";
import { zeros, type Tensor } from "../../tensor/tensor.ts";
import { must } from "../../util/errors.ts";
import type { Int8Match } from "./match.ts";

/** One vector of weights in every row of a kernel. */
export interface TapVector {
  /** Where it lies among those of the row. */
  readonly place: number;
  /** By how many columns the window begins behind the vectors of the input. */
  readonly phase: number;
  /** The first column that it multiplies, counted from where the vectors begin. */
  readonly column: number;
}

export interface DepthwiseTaps {
  /** Columns of one dot product: four bytes, two int16, or one. */
  readonly group: 1 | 2 | 4;
  /** Columns from one vector of the input to the next that may be made. */
  readonly spacing: 1 | 2;
  readonly vectors: readonly TapVector[];
  /** Columns that the last vector may reach beyond the last that has a weight. */
  readonly reach: number;
}

const groupOf = (machine: Machine, { conv }: Int8Match): 1 | 2 | 4 => {
  if (machine.dot4 === true && conv.w.dtype === "int8") return 4;
  return machine.widening === true ? 1 : 2;
};

/** Columns without a weight, as dilation leaves them, are multiplied by zero where they lie beside others, and skipped elsewhere. */
export function depthwiseTaps(machine: Machine, match: Int8Match): DepthwiseTaps {
  const { conv } = match;
  const group = groupOf(machine, match);
  const spacing = group === 1 ? 1 : 2;
  const phases = spacing === 2 && conv.strides[1] % 2 === 1 ? [0, 1] : [0];
  const columns = Array.from({ length: conv.w.dims[3] ?? 1 }, (_, kw) => kw * conv.dilations[1]);
  const found = phases.flatMap((phase) =>
    [...new Set(columns.map((c) => Math.floor((c + phase) / group) * group))].map((column) => ({ phase, column })),
  );
  return { group, spacing, vectors: found.map((v, place) => ({ ...v, place })), reach: group };
}

/** The column of the kernel whose weight stands at `i` of a vector's dot product; undefined for none. */
export function weightColumn({ column, phase }: TapVector, i: number, dilation: number, columns: number): number | undefined {
  const kw = (column + i - phase) / dilation;
  return Number.isInteger(kw) && kw >= 0 && kw < columns ? kw : undefined;
}

/** [C, 1, KH, KW] to [C/block][KH][vectors][block][group], zero where a vector has no weight and where channels are missing. */
export function packDepthwise(w: Tensor, block: number, { group, vectors }: DepthwiseTaps, dilation: number): Tensor {
  const [channels = 1, , rows = 1, columns = 1] = w.dims;
  const blocks = Math.ceil(channels / block);
  const packed = zeros(group === 4 ? "int8" : "int16", [blocks * rows * vectors.length * block * group]);
  const data = packed.data as Int8Array | Int16Array;
  const source = w.data as Int8Array | Int16Array;
  for (let c = 0; c < channels; c++) {
    for (let kh = 0; kh < rows; kh++) {
      const row = (Math.floor(c / block) * rows + kh) * vectors.length;
      for (const v of vectors) {
        const at = ((row + v.place) * block + (c % block)) * group;
        for (let i = 0; i < group; i++) {
          const kw = weightColumn(v, i, dilation, columns);
          if (kw !== undefined) data[at + i] = must(source[(c * rows + kh) * columns + kw], "a weight");
        }
      }
    }
  }
  return packed;
}
