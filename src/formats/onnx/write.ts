import { HoneError } from "../../util/errors.ts";
import { bytesOf } from "../../tensor/tensor.ts";
import { isStrings, type AnyTensor, type AnyType } from "../../text/tensor.ts";
import { encode } from "../protobuf/write.ts";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from "./ast.ts";
import { modelSchema, tensorSchema } from "./schema.ts";
import { STRING } from "./strings.ts";
import { onnxTypeOf } from "./types.ts";

/** A protobuf message cannot be longer: its readers count in int32. */
const MAX_BYTES = 0x7fffffff;

/**
 * Writes an ONNX file. The same model gives the same bytes.
 * Throws `file.too-large` above 2 GB, which is protobuf's own bound.
 */
export function writeOnnx(model: OnnxModel): Uint8Array {
  const bytes = encode(modelSchema, model);
  if (bytes.length > MAX_BYTES) {
    throw new HoneError("file.too-large", `the model takes ${bytes.length} bytes, and an ONNX file at most ${MAX_BYTES}`, {
      hint: "Put the weights into a file beside it: externalize().",
    });
  }
  return bytes;
}

/** Writes a single tensor, as ONNX's test data are. */
export function writeOnnxTensor(tensor: OnnxTensor): Uint8Array {
  return encode(tensorSchema, tensor);
}

/** Builders of the AST that fill in what is usually absent. */
export function onnxModel(parts: Partial<OnnxModel> & { readonly graph: OnnxGraph }): OnnxModel {
  return {
    irVersion: 8,
    producerName: "hone",
    producerVersion: "",
    domain: "",
    modelVersion: 0n,
    docString: "",
    opsetImport: [{ domain: "", version: 17 }],
    metadataProps: [],
    functions: [],
    ...parts,
  };
}

export function onnxGraph(parts: Partial<OnnxGraph>): OnnxGraph {
  return {
    node: [],
    name: "graph",
    initializer: [],
    docString: "",
    input: [],
    output: [],
    valueInfo: [],
    quantizationAnnotation: [],
    sparseInitializer: [],
    metadataProps: [],
    ...parts,
  };
}

/** What an attribute may be given as: a bigint or a list of them, a float or a list of them, text, a tensor or a subgraph. */
export type AttributeValue = bigint | number | string | readonly bigint[] | readonly number[] | readonly string[] | AnyTensor | OnnxGraph;

export function onnxNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  name = "",
): OnnxNode {
  const attribute = Object.entries(attributes).map(([key, value]) => onnxAttribute(key, value));
  return { input, output, name, opType, attribute, docString: "", domain: "", overload: "", metadataProps: [] };
}

const NO_VALUES = {
  floats: new Float32Array(),
  ints: new BigInt64Array(),
  strings: [],
  tensors: [],
  graphs: [],
  docString: "",
  typeProtos: [],
  refAttrName: "",
  sparseTensors: [],
};

export function onnxAttribute(name: string, value: AttributeValue): OnnxAttribute {
  const base = { name, ...NO_VALUES };
  if (typeof value === "bigint") return { ...base, type: 2, i: value };
  if (typeof value === "number") return { ...base, type: 1, f: value };
  if (typeof value === "string") return { ...base, type: 3, s: new TextEncoder().encode(value) };
  if ("node" in value) return { ...base, type: 5, g: value };
  if ("dims" in value) return { ...base, type: 4, t: onnxTensor("", value) };
  const strings = value.filter((v) => typeof v === "string");
  if (strings.length > 0) return { ...base, type: 8, strings: strings.map((s) => new TextEncoder().encode(s)) };
  const ints = value.filter((v) => typeof v === "bigint");
  if (ints.length === value.length) return { ...base, type: 7, ints: BigInt64Array.from(ints) };
  return { ...base, type: 6, floats: Float32Array.from(value, Number) };
}

/** A tensor with its data in `rawData`: a view, not a copy. */
export function onnxTensor(name: string, t: AnyTensor): OnnxTensor {
  if (isStrings(t)) return { ...NO_DATA, name, dims: t.dims, dataType: STRING, stringData: t.data.map((s) => new TextEncoder().encode(s)) };
  return { ...NO_DATA, name, dims: t.dims, dataType: onnxTypeOf(t.type), rawData: bytesOf(t) };
}

const NO_DATA = {
  floatData: new Float32Array(),
  int32Data: new Int32Array(),
  stringData: [],
  int64Data: new BigInt64Array(),
  doubleData: new Float64Array(),
  uint64Data: new BigUint64Array(),
  docString: "",
  externalData: [],
  dataLocation: 0,
  metadataProps: [],
};

/** An input or output; a dim that is text is symbolic. */
export function onnxValueInfo(name: string, dtype: AnyType, dims: readonly (number | string)[]): OnnxValueInfo {
  const dim = dims.map((d) => ({ denotation: "", ...(typeof d === "number" ? { dimValue: BigInt(d) } : { dimParam: d }) }));
  const type = { denotation: "", tensorType: { elemType: dtype === "string" ? STRING : onnxTypeOf(dtype), shape: { dim } } };
  return { name, type, docString: "", metadataProps: [] };
}
