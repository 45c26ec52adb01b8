import type { OnEvent } from "../index.ts";
import type { HoneError } from "../util/errors.ts";
import type { WorkflowEvent } from "../workflow/events.ts";
import { readValues, type Options, type Values } from "./options.ts";
import type { Paint } from "./text.ts";

/** What a verb answers; it never writes to stdout itself. */
export interface Outcome {
  /** Fields of the one object that --json prints. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The same for people. */
  readonly text: (paint: Paint) => string;
  /** The result stands, but the command has failed: a gate was missed, or part of it is unsupported. */
  readonly failure?: HoneError;
}

/** What a verb may use of the process. */
export interface Job {
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent & ((event: WorkflowEvent) => void);
}

export interface Argument {
  /** `<model>`, `[photo]` or `<model...>` */
  readonly name: string;
  readonly about: string;
}

export interface Verb {
  readonly summary: string;
  readonly arguments: readonly Argument[];
  /** A command line without `hone`, and what it does. */
  readonly examples: readonly (readonly [string, string])[];
  readonly options: Options;
  readonly run: (job: Job, args: readonly string[], parsed: Readonly<Record<string, unknown>>) => Promise<Outcome>;
}

interface VerbParts<O extends Options> extends Omit<Verb, "options" | "run"> {
  readonly options: O;
  readonly run: (job: Job, args: readonly string[], values: Values<O>) => Promise<Outcome>;
}

export function defineVerb<O extends Options>(parts: VerbParts<O>): Verb {
  return { ...parts, run: (job, args, parsed) => parts.run(job, args, readValues(parts.options, parsed)) };
}
