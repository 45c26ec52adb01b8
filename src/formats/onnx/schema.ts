import {
  byteStrings,
  floats,
  int32,
  int64,
  int64s,
  maybeBytes,
  maybeFloat,
  maybeInt64,
  maybeText,
  message,
  messages,
  packedDoubles,
  packedFloats,
  packedInt32s,
  packedInt64s,
  packedUint64s,
  size,
  sizes,
  text,
  texts,
  type Schema,
} from "../protobuf/field.ts";
import type {
  OnnxAttribute,
  OnnxDimension,
  OnnxElementType,
  OnnxFunction,
  OnnxGraph,
  OnnxMapType,
  OnnxModel,
  OnnxNode,
  OnnxOpset,
  OnnxOptional,
  OnnxSegment,
  OnnxSequence,
  OnnxShape,
  OnnxSparseTensor,
  OnnxStringEntry,
  OnnxTensor,
  OnnxTensorAnnotation,
  OnnxTensorType,
  OnnxType,
  OnnxValueInfo,
} from "./ast.ts";

// Field numbers of onnx.proto. Each table is in the order of the numbers, as other writers write.

const entry: Schema<OnnxStringEntry> = { name: "StringStringEntryProto", fields: { key: text(1), value: text(2) } };

const opset: Schema<OnnxOpset> = { name: "OperatorSetIdProto", fields: { domain: text(1), version: size(2) } };

const segment: Schema<OnnxSegment> = { name: "Segment", fields: { begin: int64(1), end: int64(2) } };

export const tensorSchema: Schema<OnnxTensor> = {
  name: "TensorProto",
  fields: {
    dims: sizes(1),
    dataType: int32(2),
    segment: message(3, () => segment),
    floatData: packedFloats(4),
    int32Data: packedInt32s(5),
    stringData: byteStrings(6),
    int64Data: packedInt64s(7),
    name: text(8),
    rawData: maybeBytes(9),
    doubleData: packedDoubles(10),
    uint64Data: packedUint64s(11),
    docString: text(12),
    externalData: messages(13, () => entry),
    dataLocation: int32(14),
    metadataProps: messages(16, () => entry),
  },
};

const sparseTensor: Schema<OnnxSparseTensor> = {
  name: "SparseTensorProto",
  fields: { values: message(1, () => tensorSchema), indices: message(2, () => tensorSchema), dims: sizes(3) },
};

const dimension: Schema<OnnxDimension> = {
  name: "TensorShapeProto.Dimension",
  fields: { dimValue: maybeInt64(1), dimParam: maybeText(2), denotation: text(3) },
};

const shape: Schema<OnnxShape> = { name: "TensorShapeProto", fields: { dim: messages(1, () => dimension) } };

const tensorType: Schema<OnnxTensorType> = { name: "TypeProto.Tensor", fields: { elemType: int32(1), shape: message(2, () => shape) } };

const elementType: Schema<OnnxElementType> = { name: "TypeProto.Sequence", fields: { elemType: message(1, () => typeSchema) } };

const mapType: Schema<OnnxMapType> = { name: "TypeProto.Map", fields: { keyType: int32(1), valueType: message(2, () => typeSchema) } };

const typeSchema: Schema<OnnxType> = {
  name: "TypeProto",
  fields: {
    tensorType: message(1, () => tensorType),
    sequenceType: message(4, () => elementType),
    mapType: message(5, () => mapType),
    denotation: text(6),
    sparseTensorType: message(8, () => tensorType),
    optionalType: message(9, () => elementType),
  },
};

const valueInfo: Schema<OnnxValueInfo> = {
  name: "ValueInfoProto",
  fields: { name: text(1), type: message(2, () => typeSchema), docString: text(3), metadataProps: messages(4, () => entry) },
};

const attribute: Schema<OnnxAttribute> = {
  name: "AttributeProto",
  fields: {
    name: text(1),
    f: maybeFloat(2),
    i: maybeInt64(3),
    s: maybeBytes(4),
    t: message(5, () => tensorSchema),
    g: message(6, () => graph),
    floats: floats(7),
    ints: int64s(8),
    strings: byteStrings(9),
    tensors: messages(10, () => tensorSchema),
    graphs: messages(11, () => graph),
    docString: text(13),
    tp: message(14, () => typeSchema),
    typeProtos: messages(15, () => typeSchema),
    type: int32(20),
    refAttrName: text(21),
    sparseTensor: message(22, () => sparseTensor),
    sparseTensors: messages(23, () => sparseTensor),
  },
};

const node: Schema<OnnxNode> = {
  name: "NodeProto",
  fields: {
    input: texts(1),
    output: texts(2),
    name: text(3),
    opType: text(4),
    attribute: messages(5, () => attribute),
    docString: text(6),
    domain: text(7),
    overload: text(8),
    metadataProps: messages(9, () => entry),
  },
};

const annotation: Schema<OnnxTensorAnnotation> = {
  name: "TensorAnnotation",
  fields: { tensorName: text(1), quantParameterTensorNames: messages(2, () => entry) },
};

const graph: Schema<OnnxGraph> = {
  name: "GraphProto",
  fields: {
    node: messages(1, () => node),
    name: text(2),
    initializer: messages(5, () => tensorSchema),
    docString: text(10),
    input: messages(11, () => valueInfo),
    output: messages(12, () => valueInfo),
    valueInfo: messages(13, () => valueInfo),
    quantizationAnnotation: messages(14, () => annotation),
    sparseInitializer: messages(15, () => sparseTensor),
    metadataProps: messages(16, () => entry),
  },
};

export const sequenceSchema: Schema<OnnxSequence> = {
  name: "SequenceProto",
  fields: {
    name: text(1),
    elemType: int32(2),
    tensorValues: messages(3, () => tensorSchema),
    sequenceValues: messages(5, () => sequenceSchema),
  },
};

/** What ONNX's test data are of: a tensor, a sequence of either, or an optional. */
export const optionalSchema: Schema<OnnxOptional> = {
  name: "OptionalProto",
  fields: {
    name: text(1),
    elemType: int32(2),
    tensorValue: message(3, () => tensorSchema),
    sequenceValue: message(5, () => sequenceSchema),
  },
};

const functionSchema: Schema<OnnxFunction> = {
  name: "FunctionProto",
  fields: {
    name: text(1),
    input: texts(4),
    output: texts(5),
    attribute: texts(6),
    node: messages(7, () => node),
    docString: text(8),
    opsetImport: messages(9, () => opset),
    domain: text(10),
    attributeProto: messages(11, () => attribute),
    valueInfo: messages(12, () => valueInfo),
    overload: text(13),
    metadataProps: messages(14, () => entry),
  },
};

export const modelSchema: Schema<OnnxModel> = {
  name: "ModelProto",
  fields: {
    irVersion: size(1),
    producerName: text(2),
    producerVersion: text(3),
    domain: text(4),
    modelVersion: int64(5),
    docString: text(6),
    graph: message(7, () => graph),
    opsetImport: messages(8, () => opset),
    metadataProps: messages(14, () => entry),
    functions: messages(25, () => functionSchema),
  },
};
