/** What a page and the worker that runs its engine say to each other, and that worker and those that share its runs. */
import type { Engine, ManifestTarget } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import type { ErrorCode } from "../../util/codes.ts";
import { HoneError } from "../../util/errors.ts";
import type { EngineCall, SharedPlace, ThreadInit } from "../core/wasm/engine.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export type Question =
  | {
      readonly kind: "open";
      /** Only the sections of the target. */
      readonly engine: Engine;
      readonly target: ManifestTarget;
      /** How many share a run; more than one only where memory can be shared. */
      readonly threads: number;
    }
  /** In the order of the manifest; outputs are what the last run of the profile answered, to be written anew, or none. */
  | { readonly kind: "run"; readonly profile: number; readonly inputs: readonly Bytes[]; readonly outputs: readonly TypedArray[] }
  /** Where the arrays of a profile lie in memory that is shared. */
  | { readonly kind: "place"; readonly profile: number }
  /** A run with what was written there. */
  | { readonly kind: "runInPlace"; readonly profile: number }
  | { readonly kind: "help"; readonly thread: ThreadInit }
  | { readonly kind: "call"; readonly call: EngineCall };

export type Request = Question & { readonly id: number };

/** What a question is answered with. A run's arrays go to and fro: new memory for a large image takes longer than its copy. */
export interface Answer {
  readonly outputs: readonly TypedArray[];
  /** What the inputs came in. */
  readonly inputs: readonly Bytes[];
  readonly place?: SharedPlace;
}

export const NOTHING: Answer = { outputs: [], inputs: [] };

/** What a message moves to the other side instead of copying it. */
export const buffersOf = ({ inputs, outputs }: Answer): ArrayBuffer[] =>
  [...inputs, ...outputs].flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));

export type Reply = ({ readonly id: number } & Answer) | { readonly id: number; readonly failure: Failure };

/** A HoneError as data; other classes do not survive the way between threads. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

export function toFailure(error: unknown): Failure {
  if (error instanceof HoneError) return { code: error.code, message: error.message, hint: error.hint };
  return { code: "internal", message: error instanceof Error ? error.message : String(error), hint: undefined };
}

export function fromFailure({ code, message, hint }: Failure): HoneError {
  return new HoneError(code, message, hint === undefined ? {} : { hint });
}
