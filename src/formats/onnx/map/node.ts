import type { Attrs, Graph, Value } from "../../../ir/graph.ts";
import type { ImportBuilder } from "../../builder.ts";
import type { DType } from "../../../tensor/dtype.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { int64Tensor } from "../../int64.ts";
import { HoneError, must } from "../../../util/errors.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode } from "../ast.ts";
import { NARROW_TYPES, type NarrowType } from "../narrow.ts";
import { TENSOR_TYPES, onnxTypeName } from "../types.ts";

/** Turns an ONNX node into graph nodes; gives its outputs. */
export type Mapper = (n: NodeView) => Value | readonly Value[];

/** What a mapping needs of the model around a node. */
export interface MapContext {
  readonly builder: ImportBuilder;
  /** Version of ONNX's own operator set that the model asks for. */
  readonly opset: number;
  readonly tensorOf: (attribute: OnnxAttribute) => Tensor | undefined;
}

/** One ONNX node while it is mapped: its inputs as values, its attributes as plain data. */
export class NodeView {
  readonly node: OnnxNode;
  readonly name: string;
  readonly opset: number;
  /** `undefined` where an optional input is not given. */
  readonly inputs: readonly (Value | undefined)[];
  readonly #context: MapContext;
  readonly #attributes: ReadonlyMap<string, OnnxAttribute>;
  #steps = 0;

  /** `name` is unique in the graph. */
  constructor(node: OnnxNode, name: string, inputs: readonly (Value | undefined)[], context: MapContext) {
    this.node = node;
    this.name = name;
    this.inputs = inputs;
    this.opset = context.opset;
    this.#context = context;
    this.#attributes = new Map(node.attribute.map((a) => [a.name, a]));
  }

  /** The same node with other inputs. */
  within(inputs: readonly (Value | undefined)[]): NodeView {
    return new NodeView(this.node, this.name, inputs, this.#context);
  }

  /** An input that the operator cannot be without. */
  input(i: number): Value {
    const value = this.inputs[i];
    if (value === undefined) throw new HoneError("model.damaged", `the node has no input ${i}`);
    return value;
  }

  has(attribute: string): boolean {
    return this.#attributes.has(attribute);
  }

  /** int64 saturates at ±2^53, as slices to "the end" want it. */
  int(attribute: string, otherwise: number): number {
    const value = this.#attributes.get(attribute)?.i;
    return value === undefined ? otherwise : saturate(value);
  }

  flag(attribute: string, otherwise = false): boolean {
    return this.int(attribute, otherwise ? 1 : 0) !== 0;
  }

  ints(attribute: string): readonly number[] | undefined {
    const values = this.#attributes.get(attribute)?.ints;
    return values === undefined ? undefined : Array.from(values, saturate);
  }

  float(attribute: string, otherwise: number): number {
    return this.#attributes.get(attribute)?.f ?? otherwise;
  }

  floats(attribute: string): Float32Array | undefined {
    return this.#attributes.get(attribute)?.floats;
  }

  text(attribute: string, otherwise: string): string {
    const value = this.#attributes.get(attribute)?.s;
    return value === undefined ? otherwise : new TextDecoder().decode(value);
  }

  texts(attribute: string): readonly string[] | undefined {
    return this.#attributes.get(attribute)?.strings.map((s) => new TextDecoder().decode(s));
  }

  tensor(attribute: string): Tensor | undefined {
    const value = this.#attributes.get(attribute);
    return value === undefined ? undefined : this.#context.tensorOf(value);
  }

  /** As `dtype`, with what a type of 8 bits or fewer means. */
  type(attribute: string, otherwise: number): { readonly dtype: DType; readonly narrow: NarrowType | undefined } {
    const narrow = NARROW_TYPES[this.int(attribute, otherwise)];
    return { dtype: narrow?.dtype ?? this.dtype(attribute, otherwise), narrow };
  }

  /** Our dtype for an attribute that holds one of ONNX's data types. */
  dtype(attribute: string, otherwise: number): DType {
    const number = this.int(attribute, otherwise);
    const dtype = TENSOR_TYPES[number]?.dtype;
    if (dtype === undefined) throw this.unsupported(`the type ${onnxTypeName(number)}`);
    return dtype;
  }

  /** The values of an integer input when they are known; `undefined` when the input is not given or is computed. */
  known(i: number): readonly number[] | undefined {
    const value = this.inputs[i];
    return value && this.knownOf(value);
  }

  /** The same of any value. */
  knownOf(value: Value): readonly number[] | undefined {
    const known = this.#context.builder.known(value);
    if (known === undefined) return undefined;
    return Array.from<number | bigint, number>(known.data, (v) => (typeof v === "bigint" ? saturate(v) : v));
  }

  /** What a value holds, where that is known while importing. */
  knownTensor(value: Value): Tensor | undefined {
    return this.#context.builder.known(value);
  }

  /** The values of an integer input that must be known now; `undefined` when it is not given. */
  fixed(i: number, what: string): readonly number[] | undefined {
    if (this.inputs[i] === undefined) return undefined;
    const values = this.known(i);
    if (values === undefined) {
      throw this.unsupported(
        `${what} that are computed while the model runs`,
        "Export the model with fixed values, or simplify it for fixed input shapes.",
      );
    }
    return values;
  }

  /** Axes as an attribute in old operator sets, as input `i` in newer ones. */
  axes(i: number): readonly number[] | undefined {
    return this.ints("axes") ?? this.fixed(i, "axes");
  }

  /** A constant that a mapping needs. */
  ints64(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.constant(int64Tensor(values, dims));
  }

  constant(data: Tensor): Value {
    return this.#context.builder.constant(data, `${this.name}.const${this.#steps++}`);
  }

  int32(value: number): Value {
    return this.constant(tensor("int32", [], Int32Array.of(value)));
  }

  /** A scalar of a value's own dtype, to calculate with it. */
  scalarLike(x: Value, value: number): Value {
    const one = tensor("float32", [], Float32Array.of(value));
    return x.dtype === "float32" ? this.constant(one) : this.step("cast", [this.constant(one)], { to: x.dtype });
  }

  /** The node that stands for this one: has its name, and its outputs' names. */
  emit(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    const outputNames = this.node.output.slice(0, 1);
    return this.#one(op, inputs, attrs, this.name, outputNames);
  }

  /** As `emit`, with all of the node's outputs. */
  emitAll(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, outputs: number, regions?: readonly Graph[]): readonly Value[] {
    const options = { name: this.name, outputNames: this.node.output, origin: [this.name], outputs, ...(regions ? { regions } : {}) };
    return this.#context.builder.ops(op, inputs, attrs, options);
  }

  /** A subgraph. Throws `model.damaged` when it is not there. */
  graph(attribute: string): OnnxGraph {
    const value = this.#attributes.get(attribute)?.g;
    if (value === undefined) throw new HoneError("model.damaged", `the node has no subgraph ${attribute}`);
    return value;
  }

  /** A node on the way to the one that is emitted last. */
  step(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    const name = `${this.name}.${op}${this.#steps++}`;
    return this.#one(op, inputs, attrs, name, [name]);
  }

  #one(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, name: string, outputNames: readonly string[]): Value {
    return must(this.#context.builder.ops(op, inputs, attrs, { name, outputNames, origin: [this.name] })[0], `output of ${op}`);
  }

  unsupported(what: string, hint?: string): HoneError {
    return new HoneError("model.unsupported", `hone does not support ${what} of ${this.node.opType}`, hint === undefined ? {} : { hint });
  }
}

/** Nodes need no name in ONNX; the name of an output is unique. */
export function nodeName(node: OnnxNode): string {
  return node.name !== "" ? node.name : (node.output.find((o) => o !== "") ?? node.opType);
}

const BOUND = BigInt(Number.MAX_SAFE_INTEGER);

function saturate(value: bigint): number {
  return Number(value > BOUND ? BOUND : value < -BOUND ? -BOUND : value);
}
