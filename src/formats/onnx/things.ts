/**
 * What a name in an ONNX model stands for. Sequences and optionals are lists of tensors that the importer holds: what is done
 * to them is done while importing, and the graph has tensors only.
 */
import type { Value } from "../../ir/graph.ts";
import type { Shape } from "../../tensor/dim.ts";
import type { AnyTensor, AnyType } from "../../text/tensor.ts";
import { HoneError } from "../../util/errors.ts";

export type Thing = Value | Sequence | Optional | Text;

/** Strings, or what JavaScript computes of them where no kernel can read it: host.ts. */
export interface Text {
  readonly kind: "text";
  readonly name: string;
  readonly type: AnyType;
  readonly shape: Shape;
  /** It is known only after the kernels have run. */
  readonly late: boolean;
  readonly data?: AnyTensor;
}

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
  if (thing?.kind === "text" && thing.type !== "string") {
    throw new HoneError(
      "model.unsupported",
      `${what} would have to be computed from strings ${thing.late ? "between kernels" : "of unknown number"}`,
      {
        hint: thing.late
          ? "hone computes strings before the kernels or after them: cut the model in two there."
          : "Give the shapes of the model's inputs, for example --shape text=8.",
      },
    );
  }
  const is = thing === undefined ? "missing" : thing.kind === "text" ? "of strings" : `a ${thing.kind}`;
  throw new HoneError("model.unsupported", `${what} is ${is}, where hone needs a tensor of numbers`);
}

/** What a node cannot be without. Throws `model.damaged`. */
export function present<T>(thing: T | undefined, what: string): T {
  if (thing === undefined) throw new HoneError("model.damaged", `the node lacks ${what}`);
  return thing;
}

/** The thing with `f` of every tensor in it. */
export function mapTensors(thing: Thing, f: (value: Value) => Value): Thing {
  if (isTensor(thing)) return f(thing);
  if (thing.kind === "text") return thing;
  if (thing.kind === "sequence") return { kind: "sequence", items: thing.items.map((t) => mapTensors(t, f)) };
  return { kind: "optional", value: thing.value && mapTensors(thing.value, f) };
}
