import type { CompileEvent } from "../compiler/events.ts";

/** What jobs tell while they work; they never print. `step` is a sentence of what is being done now. */
export type WorkflowEvent = CompileEvent | { readonly kind: "step"; readonly text: string };

export interface JobOptions {
  readonly onEvent?: ((event: WorkflowEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `{ [key]: value }`, or nothing where there is no value: for options that may be absent but not undefined. */
export function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}
