/** Tensors of strings, which live in JavaScript only: no kernel reads them. */
import type { DType } from "../tensor/dtype.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";

/** Structurally a string tensor of ONNX Runtime's JavaScript API. */
export interface StringTensor {
  readonly type: "string";
  readonly dims: readonly number[];
  readonly data: readonly string[];
}

export type AnyTensor = Tensor | StringTensor;
export type AnyType = DType | "string";

export const isStrings = (t: AnyTensor): t is StringTensor => t.type === "string";

/** Elements that a tensor of strings may have, and characters in all of them. */
const MAX_STRINGS = 2 ** 24;
const MAX_CHARACTERS = 2 ** 26;

/** The elements that dims ask for. Throws `graph.shape` when they are more than one tensor may have. */
export function stringCount(dims: readonly number[]): number {
  const count = elementCount(dims);
  if (count <= MAX_STRINGS && dims.every((d) => Number.isInteger(d) && d >= 0)) return count;
  throw new HoneError("graph.shape", `string[${dims.join(",")}] has more than ${MAX_STRINGS} elements`);
}

/** A tensor of strings. Throws `graph.shape` when dims and data do not fit together, or are more than one tensor may have. */
export function stringTensor(dims: readonly number[], data: readonly string[]): StringTensor {
  const count = stringCount(dims);
  if (data.length !== count) throw new HoneError("graph.shape", `string[${dims.join(",")}] has ${count} elements, the data ${data.length}`);
  let characters = 0;
  for (const s of data) characters += s.length;
  if (characters > MAX_CHARACTERS)
    throw new HoneError("graph.shape", `the strings of one tensor have more than ${MAX_CHARACTERS} characters`);
  return { type: "string", dims, data };
}
