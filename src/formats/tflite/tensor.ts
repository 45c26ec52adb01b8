import { HoneError } from "../../util/errors.ts";
import { byteSize } from "../../tensor/dtype.ts";
import { elementCount, tensor, viewOf, type Tensor } from "../../tensor/tensor.ts";
import type { TfliteModel, TfliteTensor } from "./ast.ts";
import { tfliteDType, tfliteTypeName } from "./types.ts";

/**
 * The constant that a tensor holds; `undefined` when it is computed. A view into the file where it is aligned, else a copy.
 * Throws `model.unsupported` for a type that hone lacks, `model.damaged` when data and shape disagree.
 */
export function tfliteConstant(model: TfliteModel, t: TfliteTensor, file: string): Tensor | undefined {
  const data = model.buffers[t.buffer];
  if (data === undefined || data.length === 0) return undefined;
  const dtype = tfliteDType(t.type);
  const at = { file, node: t.name };
  if (dtype === undefined) throw new HoneError("model.unsupported", `a constant of the type ${tfliteTypeName(t.type)}`, { at });
  const count = elementCount(t.shape);
  if (t.shape.some((d) => d < 0) || !Number.isSafeInteger(count) || count * byteSize(dtype) !== data.length) {
    throw new HoneError("model.damaged", `${dtype}[${t.shape.join(",")}] holds ${data.length} bytes`, { at });
  }
  return tensor(dtype, t.shape, viewOf(dtype, data.buffer, data.byteOffset, count));
}
