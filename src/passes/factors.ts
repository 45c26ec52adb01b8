/** A product as its factors, however it is bracketed: exporters write the same formula in many orders. */
import { output, type Node, type Value } from "../ir/graph.ts";
import type { RewriteContext } from "../ir/rewrite.ts";
import { dimEquals } from "../tensor/dim.ts";
import { uniform } from "./constants.ts";

export interface Product {
  /** What all constants make together. */
  readonly constant: number;
  /** The factors that are no constants, in the order in which they stand. */
  readonly factors: readonly Value[];
  /** The multiplications and divisions, the last one first. */
  readonly nodes: readonly [Node, ...Node[]];
}

/** Whether the node's result has the shape of its first operand: then a constant with it is a number for all elements. */
const keepsShape = (node: Node): boolean => {
  const [x] = node.inputs;
  const y = output(node);
  return x !== undefined && x.shape.length === y.shape.length && x.shape.every((d, i) => dimEquals(d, y.shape[i] ?? 1));
};

/** Multiplied or divided by one number: that number, and what it is done to. */
export function scaledBy(node: Node | undefined): { readonly x: Value; readonly factor: number } | undefined {
  const [x, by] = node?.inputs ?? [];
  if (!node || !x || !by || (node.op !== "mul" && node.op !== "div") || !keepsShape(node)) return undefined;
  const number = by.data && uniform(by);
  return number === undefined ? undefined : { x, factor: node.op === "mul" ? number : 1 / number };
}

/** A number added: which, and to what. */
export function raisedBy(node: Node | undefined): { readonly x: Value; readonly summand: number } | undefined {
  const [x, by] = node?.inputs ?? [];
  if (!node || !x || !by || node.op !== "add" || !keepsShape(node)) return undefined;
  const summand = by.data && uniform(by);
  return summand === undefined ? undefined : { x, summand };
}

/** Factors of one product; more would be no formula that is looked for. */
const MOST = 4;

/** The factors of what the node multiplies; only products that nothing else reads are opened. Undefined when it multiplies nothing. */
export function productAt(node: Node, context: RewriteContext): Product | undefined {
  if (node.op !== "mul" && node.op !== "div") return undefined;
  let constant = 1;
  const nodes: [Node, ...Node[]] = [node];
  const factors: Value[] = [];
  const open = (at: Node): void => {
    const scaled = scaledBy(at);
    if (scaled) constant *= scaled.factor;
    for (const v of scaled ? [scaled.x] : at.inputs) {
      const inner = v && context.usedOnce(v) ? context.producer(v) : undefined;
      if (v && inner && (inner.op === "mul" || scaledBy(inner))) {
        nodes.push(inner);
        open(inner);
      } else if (v) factors.push(v);
    }
  };
  if (node.op === "div" && !scaledBy(node)) return undefined;
  open(node);
  return factors.length <= MOST ? { constant, factors, nodes } : undefined;
}

/** What makes the value, when nothing else reads it. */
export const madeFor = (value: Value | undefined, { producer, usedOnce }: RewriteContext): Node | undefined =>
  value && usedOnce(value) ? producer(value) : undefined;

/** Constants of a formula, as float32 or half precision round them. */
export const about = (x: number, wanted: number): boolean => Math.abs(x - wanted) <= 2e-6 * Math.abs(wanted);

/** Both operands of a node of two, in both orders. */
export function eitherWay(node: Node | undefined): readonly (readonly [Value, Value])[] {
  const [a, b] = node?.inputs ?? [];
  return a && b ? [[a, b] as const, [b, a] as const] : [];
}
