/** What a schedule is given, and what it gives back. */
import type { Machine } from "../loop/machine.ts";
import type { Placement } from "../loop/expand.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import type { Buffer, Stmt } from "../loop/types.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Half } from "../tensor/halves.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sharing } from "./share.ts";

export interface Lowering {
  readonly nest: Nest;
  readonly machine: Machine;
  readonly place: (operand: Operand) => Placement;
  /** How an operand is made that the kernel computes for itself while it reads it. */
  readonly prologueOf: (operand: Operand) => Nest | undefined;
  /** The value of a constant operand: float32 where it is kept in halves. */
  readonly constantOf: (operand: Operand) => Tensor | undefined;
  /** The type in which a constant of float32 is kept, if that is a half. */
  readonly halfOf: (operand: Operand) => Half | undefined;
  /** A buffer for a constant that was rearranged at compile time, which may be said to be finite. */
  readonly pack: (name: string, tensor: Tensor, finite?: true) => Buffer;
  /** Memory that a thread has for itself while it runs the kernel, of float32 when nothing is said. */
  readonly scratch: (name: string, length: number, dtype?: DType) => Buffer;
  /** The turns of a loop that are for this thread: all of them, unless threads share the kernel. */
  readonly share: Sharing;
  /** Prefix for names, unique in the kernel. */
  readonly prefix: string;
}

/** Gives the statements of the nest, or undefined when the schedule does not apply. */
export interface Schedule {
  readonly name: string;
  readonly lower: (l: Lowering) => readonly Stmt[] | undefined;
}
