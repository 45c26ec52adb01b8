import { HoneError } from "../../util/errors.ts";
import { decode } from "../protobuf/read.ts";
import type { OnnxModel, OnnxOptional, OnnxSequence, OnnxTensor } from "./ast.ts";
import { modelSchema, optionalSchema, sequenceSchema, tensorSchema } from "./schema.ts";

/** The name of a file, for errors. */
export interface ReadOptions {
  readonly file: string;
}

/**
 * Reads an ONNX file as it stands; nothing is checked but the encoding and that there is a graph. Tensor data are views into `bytes`.
 * Throws `model.damaged` with the byte offset.
 */
export function readOnnx(bytes: Uint8Array, { file }: ReadOptions): OnnxModel {
  const model = decode(modelSchema, bytes, file);
  if (model.graph === undefined) {
    throw new HoneError("model.damaged", "the model holds no graph", {
      at: { file },
      hint: "The file is truncated, or is not an ONNX model.",
    });
  }
  return model;
}

/** Reads a file that holds a single tensor, as ONNX's test data are. */
export function readOnnxTensor(bytes: Uint8Array, { file }: ReadOptions): OnnxTensor {
  return decode(tensorSchema, bytes, file);
}

/** The same of a sequence. */
export function readOnnxSequence(bytes: Uint8Array, { file }: ReadOptions): OnnxSequence {
  return decode(sequenceSchema, bytes, file);
}

/** The same of an optional. */
export function readOnnxOptional(bytes: Uint8Array, { file }: ReadOptions): OnnxOptional {
  return decode(optionalSchema, bytes, file);
}
