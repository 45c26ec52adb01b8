/** Weights of a depthwise convolution as its dot products take them: kept so, or kept plain and rearranged by the kernel. */
import { add, cast, constant, indexVar, int, load, mul } from "../../loop/expr.ts";
import { alloc, forLoop, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../../loop/types.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Lowering } from "../lowering.ts";
import { packDepthwise, weightColumn, type DepthwiseTaps } from "./depthwise-taps.ts";
import type { Int8Geometry } from "./geometry.ts";
import { packInt8 } from "./pack.ts";

export interface DepthwiseWeights {
  readonly buffer: Buffer;
  /** The first of the vectors of row `kh` of the block's kernels, counted in vectors. */
  readonly row: (block: Expr, kh: Expr) => Expr;
  /** What makes the block's weights for `body`. */
  readonly forBlock: (block: Expr, body: readonly Stmt[]) => readonly Stmt[];
}

/** Results of one channel from which on rearranging takes little beside them. It makes the weights two to five times smaller. */
const MANY = 256;

export function depthwiseWeights(l: Lowering, g: Int8Geometry, w: Tensor, taps: DepthwiseTaps): DepthwiseWeights {
  const [, dilation] = g.m.dilations;
  const { vectors, group } = taps;
  const { lanes, kernelRows, kernelColumns } = g;
  if (g.rows * g.columns < MANY) {
    const buffer = l.pack("weights", packDepthwise(w, lanes, taps, dilation));
    return { buffer, row: (block, kh) => mul(add(mul(block, int(kernelRows)), kh), int(vectors.length)), forBlock: (_, body) => body };
  }
  const plain = l.pack("weights", packInt8(w, lanes, 1, 1));
  const dtype = group === 4 ? "int8" : "int16";
  const length = kernelRows * vectors.length * lanes * group;
  const buffer: Buffer = { name: `${l.prefix}taps`, dtype, length, access: "readwrite" };
  const [kh, c] = [indexVar(`${l.prefix}wkh`), indexVar(`${l.prefix}wc`)];
  const rearrange = (block: Expr): readonly Stmt[] =>
    vectors.flatMap((v) =>
      Array.from({ length: group }, (_, i) => {
        const kw = weightColumn(v, i, dilation, kernelColumns);
        const tap = add(mul(add(mul(block, int(kernelRows)), kh), int(kernelColumns)), int(kw ?? 0));
        const value = kw === undefined ? constant(0, dtype) : cast(load(plain, add(mul(tap, int(lanes)), c)), dtype);
        const vector = add(mul(kh, int(vectors.length)), int(v.place));
        return store(buffer, add(mul(add(mul(vector, int(lanes)), c), int(group)), int(i)), value);
      }),
    );
  return {
    buffer,
    row: (_, row) => mul(row, int(vectors.length)),
    forBlock: (block, body) => [alloc(buffer, [forLoop(kh, kernelRows, [forLoop(c, lanes, rearrange(block))]), ...body])],
  };
}
