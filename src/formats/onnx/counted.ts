/**
 * Values whose size depends on data (docs/adr/0014-results-sized-by-data.md). One axis has room for the most that can be, and a
 * count tells what of it is there. What is known of that is remembered here while a model is imported: operators that treat each
 * element along that axis alike hand it on, and no others may touch such a value.
 */
import type { Value } from "../../ir/graph.ts";
import { HoneError } from "../../util/errors.ts";

export interface Counted {
  /** An int64 scalar. */
  readonly count: Value;
  /** From the front. */
  readonly axis: number;
}

const marks = new WeakMap<Value, Counted>();

export const countedOf = (value: Value | undefined): Counted | undefined => value && marks.get(value);

/** Remembers that a value is counted; gives the value. */
export function markCounted(value: Value, counted: Counted): Value {
  marks.set(value, counted);
  return value;
}

/** Throws `model.unsupported` where a value of a size that depends on data cannot be used. */
export function refuseCounted(value: Value | undefined, what: string): void {
  if (!countedOf(value)) return;
  throw new HoneError("model.unsupported", `${what} would need the size of "${value?.name ?? ""}", which depends on data`, {
    hint: "hone computes such results in full only at the end of a model: end it at this value, and go on in the program that runs it.",
  });
}
