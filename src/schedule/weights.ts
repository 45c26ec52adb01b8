/** Constant weights that a kernel keeps in an order of its own, in the type in which their value is kept: halves are widened as they are read. */
import { cast, load } from "../loop/expr.ts";
import type { Buffer, Expr } from "../loop/types.ts";
import type { Operand } from "../loop/nest.ts";
import { narrowAll } from "../tensor/halves.ts";
import { DoesNotFit } from "./epilogue.ts";
import type { Lowering } from "./lowering.ts";

/** Keeps finite numbers made of a constant operand as that is kept. Throws DoesNotFit when one of them is too large for float16. */
export function keepWeights(l: Lowering, operand: Operand, name: string, data: Float32Array<ArrayBuffer>): Buffer {
  const half = l.halfOf(operand);
  const dims = [data.length];
  if (half === undefined) return l.pack(name, { type: "float32", dims, data });
  const kept = narrowAll(data, half);
  if (kept.some((bits) => (bits & 0x7fff) >= INFINITE[half])) throw new DoesNotFit(`a weight is too large for ${half}`);
  return l.pack(name, { type: half, dims, data: kept }, true);
}

const INFINITE = { float16: 0x7c00, bfloat16: 0x7f80 } as const;

/** Weights as float32. */
export const loadWeights = (buffer: Buffer, index: Expr, lanes: number): Expr => cast(load(buffer, index, lanes), "float32");
