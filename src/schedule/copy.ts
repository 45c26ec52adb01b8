/** Kernels that a program needs between those of a loop's body. */
import type { Node } from "../ir/graph.ts";
import { add, cast, indexVar, int, load, mul } from "../loop/expr.ts";
import { forLoop, store } from "../loop/stmt.ts";
import type { Buffer, Expr } from "../loop/types.ts";
import { byteSize, type DType } from "../tensor/dtype.ts";
import type { Kernel } from "./lower.ts";

/** Half-precision numbers are moved as bits: not every target can load them. */
const movable = (dtype: DType): DType => (dtype === "float16" || dtype === "bfloat16" ? "uint16" : dtype);

/** Copies `length` elements; its arguments are the source and the destination. */
export function copyKernel(name: string, node: Node, dtype: DType, length: number): Kernel {
  return mover(name, node, movable(dtype), [length, length], [], () => int(0));
}

/** Copies a slice of `length` elements to where slice number n of `total` elements lies; its arguments are the slice, n, and the whole. */
export function sliceKernel(name: string, node: Node, dtype: DType, length: number, total: number): Kernel {
  const counter: Buffer = { name: "n", dtype: "int64", length: 1, access: "read" };
  return mover(name, node, movable(dtype), [length, total], [counter], () => mul(cast(load(counter, int(0)), "index"), int(length)));
}

function mover(
  name: string,
  node: Node,
  dtype: DType,
  [length, total]: readonly [number, number],
  between: readonly Buffer[],
  begin: () => Expr,
): Kernel {
  const from: Buffer = { name: "from", dtype, length, access: "read" };
  const to: Buffer = { name: "to", dtype, length: total, access: "readwrite" };
  const i = indexVar("i");
  const body = [forLoop(i, length, [store(to, add(begin(), i), load(from, i))])];
  const params = [from, ...between, to];
  const args = params.map((b) => ({ kind: "temp", bytes: b.length * byteSize(b.dtype) }) as const);
  return { func: { name, params, body }, args, nodes: [node], schedules: ["copy"] };
}
