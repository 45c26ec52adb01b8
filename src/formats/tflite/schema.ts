import type { TfliteMetadata, TfliteQuantization, TfliteSparsity, TfliteTensor } from "./ast.ts";
import {
  bool,
  bytes,
  float32s,
  int32,
  int32s,
  int64s,
  int8,
  offset,
  table,
  tables,
  text,
  uint32,
  uint64,
  uint8,
  type TableSchema,
} from "./table.ts";

// Slots of the tables of TFLite's schema, version 3, as far as hone reads them. What differs from the AST has an interface of its own.

interface OperatorCode {
  readonly deprecatedBuiltinCode: number;
  readonly customCode: string;
  readonly version: number;
  readonly builtinCode: number;
}

interface Operator {
  readonly opcodeIndex: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly optionsTag: number;
  readonly optionsAt: number;
  readonly customOptions: Uint8Array;
}

export interface Subgraph {
  readonly tensors: readonly TfliteTensor[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly Operator[];
  readonly name: string;
}

export interface Buffer {
  readonly data: Uint8Array;
  /** Where the data lie when they are outside of the tables, as in files above 2 GB. */
  readonly offset: bigint;
  readonly size: bigint;
}

export interface Model {
  readonly version: number;
  readonly operatorCodes: readonly OperatorCode[];
  readonly subgraphs: readonly Subgraph[];
  readonly description: string;
  readonly buffers: readonly Buffer[];
  readonly metadata: readonly TfliteMetadata[];
}

const operatorCode: TableSchema<OperatorCode> = {
  name: "OperatorCode",
  slots: { deprecatedBuiltinCode: int8(0), customCode: text(1), version: int32(2, 1), builtinCode: int32(3) },
};

const quantization: TableSchema<TfliteQuantization> = {
  name: "QuantizationParameters",
  slots: { min: float32s(0), max: float32s(1), scale: float32s(2), zeroPoint: int64s(3), quantizedDimension: int32(6) },
};

const sparsity: TableSchema<TfliteSparsity> = { name: "SparsityParameters", slots: { traversalOrder: int32s(0), blockMap: int32s(1) } };

const tensor: TableSchema<TfliteTensor> = {
  name: "Tensor",
  slots: {
    shape: int32s(0),
    type: int8(1),
    buffer: uint32(2),
    name: text(3),
    quantization: table(4, () => quantization),
    isVariable: bool(5),
    sparsity: table(6, () => sparsity),
    shapeSignature: int32s(7),
    hasRank: bool(8),
  },
};

const operator: TableSchema<Operator> = {
  name: "Operator",
  slots: {
    opcodeIndex: uint32(0),
    inputs: int32s(1),
    outputs: int32s(2),
    optionsTag: uint8(3),
    optionsAt: offset(4),
    customOptions: bytes(5),
  },
};

const subgraph: TableSchema<Subgraph> = {
  name: "SubGraph",
  slots: { tensors: tables(0, () => tensor), inputs: int32s(1), outputs: int32s(2), operators: tables(3, () => operator), name: text(4) },
};

const buffer: TableSchema<Buffer> = { name: "Buffer", slots: { data: bytes(0), offset: uint64(1), size: uint64(2) } };

const metadata: TableSchema<TfliteMetadata> = { name: "Metadata", slots: { name: text(0), buffer: uint32(1) } };

export const modelSchema: TableSchema<Model> = {
  name: "Model",
  slots: {
    version: uint32(0),
    operatorCodes: tables(1, () => operatorCode),
    subgraphs: tables(2, () => subgraph),
    description: text(3),
    buffers: tables(4, () => buffer),
    metadata: tables(6, () => metadata),
  },
};
