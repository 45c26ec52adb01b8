/** What a page and the worker that runs its engine say to each other. */
import type { Engine, ManifestTarget } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import type { ErrorCode } from "../../util/codes.ts";
import { HoneError } from "../../util/errors.ts";

export type Request =
  | {
      readonly kind: "open";
      readonly id: number;
      /** Only the sections of the target. */
      readonly engine: Engine;
      readonly target: ManifestTarget;
    }
  /** Inputs and outputs in the order of the manifest; outputs are answered in their length and type. */
  | { readonly kind: "run"; readonly id: number; readonly profile: number; readonly inputs: readonly TypedArray[] };

export type Reply = { readonly id: number; readonly outputs: readonly TypedArray[] } | { readonly id: number; readonly failure: Failure };

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
