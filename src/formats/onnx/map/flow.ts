/** What mappings of control flow and of lists are given besides a node. */
import type { Attrs, Graph, Node, Value, ValueType } from "../../../ir/graph.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Problems } from "../../problems.ts";
import type { OnnxGraph } from "../ast.ts";
import type { Thing } from "../things.ts";
import type { NodeView } from "./node.ts";

/** Builds a region: a graph of its own, to which what it uses from outside becomes inputs. */
export interface RegionMaker {
  readonly flow: Flow;
  readonly input: (name: string, type: ValueType) => Value;
  /** A value from outside, as it is read in here. */
  readonly use: (outer: Value) => Value;
  /** The outputs of a subgraph of the model for these inputs. */
  readonly run: (graph: OnnxGraph, inputs: readonly Thing[]) => readonly Thing[];
  readonly known: (value: Value) => Tensor | undefined;
  readonly constant: (data: Tensor) => Value;
  readonly step: (op: string, inputs: readonly (Value | undefined)[], attrs?: Attrs) => Value;
  readonly steps: (
    op: string,
    inputs: readonly (Value | undefined)[],
    attrs: Attrs,
    outputs: number,
    regions: readonly Graph[],
  ) => readonly Value[];
}

export interface MadeRegion {
  readonly graph: Graph;
  /** Values outside, with the inputs that stand for them: the region's last inputs, in this order. */
  readonly captures: ReadonlyMap<Value, Value>;
}

export interface Flow {
  /** The outputs of a subgraph of the model, its nodes written out here. */
  readonly inline: (graph: OnnxGraph, inputs: readonly Thing[]) => readonly Thing[];
  readonly region: (name: string, build: (region: RegionMaker) => readonly Value[]) => MadeRegion;
  /** What has a name in the graph around the node; undefined where nothing that was read has. */
  readonly named: (name: string) => Thing | undefined;
  /** The nodes that were made so far where the node's are made, in their order. */
  readonly made: () => readonly Node[];
  /** Does what may turn out to be impossible; the problems are for the caller to tell. */
  readonly attempt: <T>(work: () => T) => { readonly result: T | undefined; readonly problems: Problems };
}

/** As a `Mapper`, for operators that take subgraphs, sequences or optionals; `things` are the node's inputs. */
export type FlowMapper = (n: NodeView, things: readonly (Thing | undefined)[], flow: Flow) => Thing | readonly Thing[];
