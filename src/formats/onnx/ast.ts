/**
 * An ONNX model as it stands in the file, by ONNX's own names (onnx.proto, IR version 13) in camel case.
 * Absent repeated fields are empty lists; absent singular fields are the type's zero, or absent where that makes a difference.
 */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: bigint;
  readonly docString: string;
  readonly graph?: OnnxGraph;
  readonly opsetImport: readonly OnnxOpset[];
  readonly metadataProps: readonly OnnxStringEntry[];
  readonly functions: readonly OnnxFunction[];
}

export interface OnnxOpset {
  /** Empty or `ai.onnx` is ONNX's own operator set. */
  readonly domain: string;
  readonly version: number;
}

export interface OnnxStringEntry {
  readonly key: string;
  readonly value: string;
}

export interface OnnxGraph {
  readonly node: readonly OnnxNode[];
  readonly name: string;
  readonly initializer: readonly OnnxTensor[];
  readonly docString: string;
  readonly input: readonly OnnxValueInfo[];
  readonly output: readonly OnnxValueInfo[];
  readonly valueInfo: readonly OnnxValueInfo[];
  readonly quantizationAnnotation: readonly OnnxTensorAnnotation[];
  readonly sparseInitializer: readonly OnnxSparseTensor[];
  readonly metadataProps: readonly OnnxStringEntry[];
}

export interface OnnxNode {
  /** An empty name is an optional input that is not given. */
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly attribute: readonly OnnxAttribute[];
  readonly docString: string;
  readonly domain: string;
  readonly overload: string;
  readonly metadataProps: readonly OnnxStringEntry[];
}

export interface OnnxAttribute {
  readonly name: string;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly floats: Float32Array;
  readonly ints: BigInt64Array;
  readonly strings: readonly Uint8Array[];
  readonly tensors: readonly OnnxTensor[];
  readonly graphs: readonly OnnxGraph[];
  readonly docString: string;
  readonly tp?: OnnxType;
  readonly typeProtos: readonly OnnxType[];
  /** AttributeType: 1 f, 2 i, 3 s, 4 t, 5 g, 6 floats, 7 ints, 8 strings, 9 tensors, 10 graphs, 11 sparseTensor, 13 tp; 0 in old files. */
  readonly type: number;
  readonly refAttrName: string;
  readonly sparseTensor?: OnnxSparseTensor;
  readonly sparseTensors: readonly OnnxSparseTensor[];
}

export interface OnnxTensor {
  readonly dims: readonly number[];
  /** A key of TENSOR_TYPES. */
  readonly dataType: number;
  readonly segment?: OnnxSegment;
  readonly floatData: Float32Array;
  readonly int32Data: Int32Array;
  readonly stringData: readonly Uint8Array[];
  readonly int64Data: BigInt64Array;
  readonly name: string;
  readonly rawData?: Uint8Array;
  readonly doubleData: Float64Array;
  readonly uint64Data: BigUint64Array;
  readonly docString: string;
  readonly externalData: readonly OnnxStringEntry[];
  /** 0: in this message. 1: in another file, as `externalData` says. */
  readonly dataLocation: number;
  readonly metadataProps: readonly OnnxStringEntry[];
}

export interface OnnxSegment {
  readonly begin: bigint;
  readonly end: bigint;
}

export interface OnnxSparseTensor {
  readonly values?: OnnxTensor;
  readonly indices?: OnnxTensor;
  readonly dims: readonly number[];
}

export interface OnnxTensorAnnotation {
  readonly tensorName: string;
  readonly quantParameterTensorNames: readonly OnnxStringEntry[];
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly type?: OnnxType;
  readonly docString: string;
  readonly metadataProps: readonly OnnxStringEntry[];
}

/** At most one of the kinds is there. */
export interface OnnxType {
  readonly tensorType?: OnnxTensorType;
  readonly sequenceType?: OnnxElementType;
  readonly mapType?: OnnxMapType;
  readonly denotation: string;
  readonly sparseTensorType?: OnnxTensorType;
  readonly optionalType?: OnnxElementType;
}

export interface OnnxTensorType {
  readonly elemType: number;
  /** Absent: the rank is unknown. */
  readonly shape?: OnnxShape;
}

export interface OnnxElementType {
  readonly elemType?: OnnxType;
}

export interface OnnxMapType {
  readonly keyType: number;
  readonly valueType?: OnnxType;
}

export interface OnnxShape {
  readonly dim: readonly OnnxDimension[];
}

/** A number, a name, or neither: unknown. Some exporters write -1 for unknown. */
export interface OnnxDimension {
  readonly dimValue?: bigint;
  readonly dimParam?: string;
  readonly denotation: string;
}

export interface OnnxFunction {
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly string[];
  readonly node: readonly OnnxNode[];
  readonly docString: string;
  readonly opsetImport: readonly OnnxOpset[];
  readonly domain: string;
  readonly attributeProto: readonly OnnxAttribute[];
  readonly valueInfo: readonly OnnxValueInfo[];
  readonly overload: string;
  readonly metadataProps: readonly OnnxStringEntry[];
}

/** A value of a sequence type, as ONNX's test data have it. */
export interface OnnxSequence {
  readonly name: string;
  readonly elemType: number;
  readonly tensorValues: readonly OnnxTensor[];
  readonly sequenceValues: readonly OnnxSequence[];
}

/** A value of an optional type; without a value it has no element. */
export interface OnnxOptional {
  readonly name: string;
  readonly elemType: number;
  readonly tensorValue?: OnnxTensor;
  readonly sequenceValue?: OnnxSequence;
}
