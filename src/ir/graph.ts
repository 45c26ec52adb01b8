import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { HostProgram } from "../text/program.ts";
import { invariant } from "../util/errors.ts";
import { PLAIN, type Layout } from "../tensor/layout.ts";

export type Attr = number | string | boolean | readonly number[];
export type Attrs = Readonly<Record<string, Attr>>;

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** An edge of the graph: a graph input, a constant, or one output of one node. Its identity is the object. */
export interface Value extends ValueType {
  readonly name: string;
  /** Present when the value is constant. A constant of float32 may be kept in float16 or bfloat16, which is widened as it is read. */
  readonly data?: Tensor;
  /** How its elements lie in memory; every op reads and writes through it. */
  readonly layout: Layout;
}

/** One operation. Its meaning is the op definition of that name in the ops room. */
export interface Node {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attrs: Attrs;
  /** Names of the nodes of the original model that this one stands for. */
  readonly origin: readonly string[];
  /**
   * The bodies of control flow. A region is a graph of its own: what it uses from outside it is handed through inputs, so that
   * whatever holds of graphs, and whatever works on them, holds of and works on regions. How the node's inputs and outputs
   * meet the region's is the op's to say (src/ops/control.ts).
   */
  readonly regions?: readonly Graph[];
}

/** A data-flow graph in SSA form; `nodes` is in topological order. Immutable: a patch makes a new one. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  /** Of a model with strings: what JavaScript does before and after the nodes. Its inputs and outputs are the model's. */
  readonly host?: HostProgram;
}

/**
 * Nodes that become one kernel: `anchor` decides the loop nest, `nodes` holds it and what is computed in its epilogue,
 * in topological order. Only `outputs` are written to memory.
 */
export interface Group {
  readonly anchor: Node;
  readonly nodes: readonly Node[];
  /** Nodes that make the anchor's first input and are computed while it is read; `nodes` has them too, before the anchor. */
  readonly prologue?: Group;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** A graph cut into groups, in execution order. */
export interface GroupedGraph {
  readonly graph: Graph;
  readonly groups: readonly Group[];
}

export function makeValue(name: string, type: ValueType, layout: Layout = PLAIN): Value {
  return { name, dtype: type.dtype, shape: type.shape, layout };
}

export function makeConstant(name: string, data: Tensor, layout: Layout = PLAIN): Value {
  return { name, dtype: data.type, shape: data.dims, data, layout };
}

/** The first output, for nodes that have one. */
export function output(node: Node): Value {
  const [first] = node.outputs;
  invariant(first, `node ${node.name} has an output`);
  return first;
}

/** Input i, which must be there. */
export function input(node: Node, i: number): Value {
  const value = node.inputs[i];
  invariant(value, `node ${node.name} (${node.op}) has input ${i}`);
  return value;
}
