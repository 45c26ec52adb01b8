/**
 * What a name in an ONNX model stands for. Sequences and optionals are lists of tensors that the importer holds: what is done
 * to them is done while importing, and the graph has tensors only.
 */
import type { Value } from "../../ir/graph.ts";
import { HoneError } from "../../util/errors.ts";

export type Thing = Value | Sequence | Optional;

export interface Sequence {
  readonly kind: "sequence";
  readonly items: readonly Thing[];
}

export interface Optional {
  readonly kind: "optional";
  /** Absent when it has no element. */
  readonly value: Thing | undefined;
}

export const isTensor = (thing: Thing | undefined): thing is Value => thing !== undefined && "dtype" in thing;

/** Throws `model.unsupported` where a tensor is needed. */
export function tensorOnly(thing: Thing | undefined, what: string): Value {
  if (isTensor(thing)) return thing;
  throw new HoneError("model.unsupported", `${what} is ${thing === undefined ? "missing" : `a ${thing.kind}`}, where hone needs a tensor`);
}

/** The thing with `f` of every tensor in it. */
export function mapTensors(thing: Thing, f: (value: Value) => Value): Thing {
  if (isTensor(thing)) return f(thing);
  if (thing.kind === "sequence") return { kind: "sequence", items: thing.items.map((t) => mapTensors(t, f)) };
  return { kind: "optional", value: thing.value && mapTensors(thing.value, f) };
}
