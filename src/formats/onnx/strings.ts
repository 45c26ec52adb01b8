/** ONNX's tensors of strings, UTF-8 in their own field. */
import { stringTensor, type StringTensor } from "../../text/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxTensor } from "./ast.ts";

/** TensorProto.DataType of strings. */
export const STRING = 8;

/** Throws `model.damaged` when dims and data disagree. */
export function stringsOf(proto: OnnxTensor): StringTensor {
  const decoder = new TextDecoder();
  const { dims, stringData } = proto;
  if (dims.reduce((n, d) => n * d, 1) !== stringData.length)
    throw new HoneError("model.damaged", `the tensor "${proto.name}" [${dims.join(",")}] holds ${stringData.length} strings`);
  return stringTensor(
    dims,
    stringData.map((s) => decoder.decode(s)),
  );
}
