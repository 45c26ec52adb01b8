import { HoneError } from "../util/errors.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";

/** An int64 tensor for a graph. Throws `model.damaged` for what is no whole number: such come out of models that contradict themselves. */
export function int64Tensor(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  const bad = values.find((v) => !Number.isSafeInteger(v));
  if (bad !== undefined) throw new HoneError("model.damaged", `${bad} stands where a whole number must`);
  return tensor("int64", dims, BigInt64Array.from(values, BigInt));
}
