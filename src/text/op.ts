import type { AnyTensor } from "./tensor.ts";

/** Plain data, as it lies in an engine's manifest. */
export type HostAttrs = Readonly<Record<string, number | string | boolean | readonly number[] | readonly string[]>>;

/** One operator: tensors for tensors. */
export type HostOp = (inputs: readonly AnyTensor[], attrs: HostAttrs) => readonly AnyTensor[];
