/** Permutations of axes: transpose by p gives the value whose axis i is the input's axis p[i]. */
import { input, type Node } from "../ir/graph.ts";

export type Permutation = readonly number[];

/** The permutation of a transpose node; reversed axes when it names none. */
export function permutationOf(node: Node): Permutation {
  const rank = input(node, 0).shape.length;
  const { perm } = node.attrs;
  return Array.isArray(perm) && perm.length > 0 ? (perm as readonly number[]) : Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

export const samePermutation = (p: Permutation, q: Permutation): boolean => p.length === q.length && p.every((axis, i) => axis === q[i]);
export const inverse = (p: Permutation): Permutation => p.map((_, i) => p.indexOf(i));
/** First p, then q. */
export const composed = (p: Permutation, q: Permutation): Permutation => q.map((axis) => p[axis] ?? axis);
export const permuted = <T>(items: readonly T[], p: Permutation): T[] => p.flatMap((axis) => items.slice(axis, axis + 1));

/** What is left of p when axes of the result are dropped, the rest counted anew. */
export function without(p: Permutation, droppedResultAxes: readonly number[]): Permutation {
  const kept = p.filter((_, i) => !droppedResultAxes.includes(i));
  const order = [...kept].sort((a, b) => a - b);
  return kept.map((axis) => order.indexOf(axis));
}
