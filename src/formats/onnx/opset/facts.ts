/** What is known of the values of a model whose nodes are rewritten, by their names. */
import type { Tensor } from "../../../tensor/tensor.ts";
import { int64Tensor } from "../../int64.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxType } from "../ast.ts";
import { isOnnxDomain } from "../versions.ts";
import { narrowOf } from "../narrow.ts";
import { isTensor, type Thing } from "../things.ts";
import type { Trace } from "../trace.ts";
import { storageOf, TENSOR_TYPES } from "../types.ts";
import { onnxTensor } from "../write.ts";

/** ONNX's name of an element type in lower case, or `sequence`, `optional`. */
export type TypeName = string;

export interface Known {
  readonly type: TypeName | undefined;
  /** `undefined` inside: that dim is open. */
  readonly dims: readonly (number | undefined)[] | undefined;
}

const NUMBERS = new Map(Object.entries(TENSOR_TYPES).map(([number, { name }]) => [name.toLowerCase(), Number(number)]));

/** The number of TensorProto.DataType; undefined for what is no tensor. */
export const typeNumber = (type: TypeName): number | undefined => NUMBERS.get(type);

export const typeName = (number: number): TypeName | undefined => TENSOR_TYPES[number]?.name.toLowerCase();

const nameOfDtype = new Map(
  Object.values(TENSOR_TYPES).flatMap(({ name, dtype }) => (dtype ? [[dtype, name.toLowerCase()] as const] : [])),
);

/** Gives the tensor that a file holds; throws when it cannot. */
export type ReadTensor = (proto: OnnxTensor) => Tensor;

export class Facts {
  readonly #trace: Trace | undefined;
  readonly #read: ReadTensor;
  /** What the graph itself says of its values, and those around it. */
  readonly #declared: ReadonlyMap<string, Known>;
  readonly #written: ReadonlyMap<string, OnnxTensor>;
  /** Of values that were made on the way; they are the same in all graphs of the model. */
  readonly #made: Map<string, Known>;
  readonly #constants: Map<string, Tensor | undefined>;

  /** Without a trace only that is known which the graph says. */
  constructor(trace: Trace | undefined, graph: OnnxGraph, read: ReadTensor, outer?: Facts) {
    this.#trace = trace;
    this.#read = read;
    const infos = [...graph.input, ...graph.output, ...graph.valueInfo];
    const types = infos.flatMap((v) => (v.type ? [[v.name, declaredOf(v.type)] as const] : []));
    this.#declared = new Map([...(outer ? outer.#declared : []), ...types]);
    this.#written = new Map([...(outer ? outer.#written : []), ...writtenIn(graph)]);
    this.#made = outer ? outer.#made : new Map<string, Known>();
    this.#constants = outer ? outer.#constants : new Map<string, Tensor | undefined>();
  }

  /** Of a subgraph, whose names are seen beside those around it. */
  inner(graph: OnnxGraph): Facts {
    return new Facts(this.#trace?.inner(graph), graph, this.#read, this);
  }

  of(name: string): Known {
    const known = this.#made.get(name) ?? knownOf(this.#trace?.thing(name)) ?? this.#declared.get(name);
    if (known) return known;
    const proto = this.#written.get(name);
    return proto ? { type: typeName(proto.dataType), dims: proto.dims } : { type: undefined, dims: undefined };
  }

  constant(name: string): Tensor | undefined {
    return this.#constants.get(name) ?? this.#trace?.constant(name) ?? this.#readConstant(name);
  }

  #readConstant(name: string): Tensor | undefined {
    const proto = this.#written.get(name);
    if (proto === undefined || storageOf(proto.dataType) === undefined) return undefined;
    const value = this.#read(proto);
    this.#constants.set(name, value);
    return value;
  }

  /** Tells of a value that was made on the way. */
  learn(name: string, known: Known): void {
    this.#made.set(name, known);
  }

  learnConstant(name: string, value: Tensor): void {
    this.#constants.set(name, value);
    this.learn(name, { type: nameOfDtype.get(value.type), dims: value.dims });
  }
}

/** Tensors that the graph holds, by the names of the values they are. */
function writtenIn(graph: OnnxGraph): readonly (readonly [string, OnnxTensor])[] {
  const nodes = graph.node.flatMap((n) => {
    const value = n.opType === "Constant" && isOnnxDomain(n.domain) ? constantOf(n) : undefined;
    return value ? [[n.output[0] ?? "", value] as const] : [];
  });
  return [...graph.initializer.map((t) => [t.name, t] as const), ...nodes];
}

const FORMS: Readonly<Record<string, (a: OnnxAttribute) => OnnxTensor | undefined>> = {
  value: (a) => a.t,
  value_int: (a) => onnxTensor("", int64Tensor([Number(a.i ?? 0n)], [])),
  value_ints: (a) => onnxTensor("", { type: "int64", dims: [a.ints.length], data: a.ints }),
  value_float: (a) => onnxTensor("", { type: "float32", dims: [], data: Float32Array.of(a.f ?? 0) }),
  value_floats: (a) => onnxTensor("", { type: "float32", dims: [a.floats.length], data: a.floats }),
};

/** What a Constant holds, in whichever attribute it keeps it; undefined for strings and sparse tensors. */
export const constantOf = ({ attribute: [a] }: OnnxNode): OnnxTensor | undefined => a && FORMS[a.name]?.(a);

function declaredOf({ tensorType, sequenceType, optionalType }: OnnxType): Known {
  if (sequenceType) return { type: "sequence", dims: undefined };
  if (optionalType) return { type: "optional", dims: undefined };
  const size = (value: bigint | undefined): number | undefined => (value === undefined || value < 0n ? undefined : Number(value));
  return { type: typeName(tensorType?.elemType ?? 0), dims: tensorType?.shape?.dim.map((d) => size(d.dimValue)) };
}

function knownOf(thing: Thing | undefined): Known | undefined {
  if (thing === undefined) return undefined;
  if (!isTensor(thing)) {
    if (thing.kind !== "text") return { type: thing.kind, dims: undefined };
    return { type: thing.type === "string" ? "string" : nameOfDtype.get(thing.type), dims: sizes(thing.shape) };
  }
  return { type: narrowOf(thing)?.name.toLowerCase() ?? nameOfDtype.get(thing.dtype), dims: sizes(thing.shape) };
}

const sizes = (shape: readonly unknown[]): readonly (number | undefined)[] => shape.map((d) => (typeof d === "number" ? d : undefined));
