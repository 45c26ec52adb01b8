/**
 * Shape arithmetic on symbols: the elements of small integer values as dimensions, so that a reshape to a computed shape has a
 * type although no number is known yet.
 */
import type { Node, Value, ValueType } from "../ir/graph.ts";
import { broadcastShapes } from "../ops/broadcast.ts";
import { addDim, dimEquals, divDim, mulDim, productDim, type Dim, type Shape } from "../tensor/dim.ts";
import { integers } from "./constants.ts";

/** Elements of a value as dimensions, in order; its rank is 0 or 1. */
export type Elements = readonly Dim[];
export type ElementsOf = (value: Value | undefined) => Elements | undefined;

/** Shape operands are short. */
const LONGEST = 64;

export function constantElements(value: Value): Elements | undefined {
  return value.data && value.shape.length <= 1 && value.data.data.length <= LONGEST ? integers(value) : undefined;
}

/** Element by element; a single element meets all. */
function elementwise(f: (a: Dim, b: Dim) => Dim | undefined): (node: Node, of: ElementsOf) => Elements | undefined {
  return (node, of) => {
    const [a, b] = node.inputs.map(of);
    if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
    const results = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => f(a[i] ?? a[0] ?? 1, b[i] ?? b[0] ?? 1));
    return results.every((d) => d !== undefined) ? results : undefined;
  };
}

const first = (node: Node, of: ElementsOf): Elements | undefined => of(node.inputs[0]);

const RULES: Readonly<Record<string, (node: Node, of: ElementsOf) => Elements | undefined>> = {
  shape: (node) => node.inputs[0]?.shape.slice(Number(node.attrs.start ?? 0), Number(node.attrs.end ?? Infinity)),
  identity: first,
  cast: (node, of) => (node.attrs.to === "int64" || node.attrs.to === "int32" ? first(node, of) : undefined),
  squeeze: first,
  unsqueeze: first,
  reshape: first,
  concat: (node, of) => {
    const parts = node.inputs.map(of);
    return parts.every((p) => p !== undefined) ? parts.flat() : undefined;
  },
  gather: (node, of) => {
    const x = of(node.inputs[0]);
    const picked = integers(node.inputs[1])?.map((i) => x?.at(i));
    return picked?.every((d) => d !== undefined) ? picked : undefined;
  },
  slice: (node, of) => {
    const [start, end, , step] = node.inputs.slice(1).map((v) => integers(v)?.[0]);
    const x = of(node.inputs[0]);
    return x && start !== undefined && end !== undefined && (step ?? 1) === 1 ? x.slice(start, end) : undefined;
  },
  add: elementwise(addDim),
  sub: elementwise((a, b) => (typeof b === "number" ? addDim(a, -b) : undefined)),
  mul: elementwise(mulDim),
  div: elementwise((a, b) => (b === 0 ? undefined : divDim(a, b))),
};

/** The elements of a node's output, when it is an integer of at most one axis that follows from shapes. */
export function elementsOf(node: Node, type: ValueType, of: ElementsOf): Elements | undefined {
  if (type.shape.length > 1 || !type.dtype.startsWith("int")) return undefined;
  const elements = RULES[node.op]?.(node, of);
  return elements && elements.length <= LONGEST ? elements : undefined;
}

/** -1 is what remains of x: factors that both have are cancelled first. */
function reshaped(x: Shape, wanted: Elements, allowZero: boolean): Shape {
  const dims = wanted.map((d, i): Dim => (d === 0 && !allowZero ? (x[i] ?? 1) : d));
  const rest = [...x];
  const others = dims.filter((d) => {
    if (d === -1) return false;
    const at = rest.findIndex((r) => dimEquals(r, d));
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return dims.map((d) => (d === -1 ? divDim(productDim(rest), productDim(others)) : d));
}

/** The shape of a node whose shape operand has known elements, numbers or not. */
export function symbolicShape(node: Node, inputs: readonly (Value | undefined)[], of: ElementsOf): Shape | undefined {
  const [x, second, third] = inputs;
  const wanted = of(node.op === "constantOfShape" ? x : node.op === "resize" ? third : second);
  if (!x || !wanted) return undefined;
  if (node.op === "reshape") return reshaped(x.shape, wanted, node.attrs.allowZero === true);
  if (node.op === "expand") return broadcastShapes("expand", [x, { dtype: "int64", shape: wanted }]);
  return node.op === "constantOfShape" || node.op === "resize" ? wanted : undefined;
}
