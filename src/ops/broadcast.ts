import { dimEquals, type Dim, type Shape } from "../tensor/dim.ts";
import type { ValueType } from "../ir/graph.ts";
import { misfit } from "./define.ts";

function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1 || dimEquals(a, b)) return a;
  // Of a number and a symbol the number must win: the symbol is 1 or equal to it.
  if (typeof a === "number") return typeof b === "number" ? undefined : a;
  return b;
}

/** The common shape by numpy's broadcasting rule (ONNX Broadcasting.md). Throws `graph.shape`. */
export function broadcastShapes(op: string, operands: readonly ValueType[]): Shape {
  const rank = Math.max(...operands.map((o) => o.shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    operands.reduce<Dim>((dim, o) => {
      const at = axis - (rank - o.shape.length);
      const d = broadcastDim(dim, at < 0 ? 1 : (o.shape[at] ?? 1));
      if (d === undefined) throw misfit(op, `axis ${axis} does not broadcast`, operands);
      return d;
    }, 1),
  );
}
