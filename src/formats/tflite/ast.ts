import type { TfliteOptions } from "./options.ts";

/** A TFLite model as it stands in the file, by the names of its schema (version 3). */
export interface TfliteModel {
  readonly version: number;
  readonly description: string;
  readonly subgraphs: readonly TfliteSubgraph[];
  /** Views into the file. Buffer 0 is empty: what has no constant data points there. */
  readonly buffers: readonly Uint8Array[];
  readonly metadata: readonly TfliteMetadata[];
}

export interface TfliteSubgraph {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  /** Indices of tensors. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly TfliteOperator[];
}

export interface TfliteTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** As `shape`, with -1 for what may change; empty when nothing may. */
  readonly shapeSignature: readonly number[];
  /** A key of TFLITE_TYPES. */
  readonly type: number;
  readonly buffer: number;
  readonly quantization?: TfliteQuantization;
  readonly isVariable: boolean;
  readonly sparsity?: TfliteSparsity;
  readonly hasRank: boolean;
}

export interface TfliteQuantization {
  readonly min: readonly number[];
  readonly max: readonly number[];
  /** One for the whole tensor, or one for each index along `quantizedDimension`. Empty: not quantised. */
  readonly scale: readonly number[];
  readonly zeroPoint: readonly bigint[];
  readonly quantizedDimension: number;
}

export interface TfliteSparsity {
  readonly traversalOrder: readonly number[];
  readonly blockMap: readonly number[];
}

export interface TfliteOperator {
  /** The builtin's name, or `CUSTOM`. */
  readonly op: string;
  /** The name of a custom operator; else empty. */
  readonly customCode: string;
  readonly version: number;
  /** Indices of tensors; -1 is an optional input that is not given. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: TfliteOptions;
  readonly customOptions: Uint8Array;
}

export interface TfliteMetadata {
  readonly name: string;
  readonly buffer: number;
}
