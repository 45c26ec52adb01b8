import { ERROR_CODES, type ErrorCode } from "./codes.ts";

/** Where something went wrong; every field that is known is given. */
export interface ErrorPlace {
  readonly file?: string;
  readonly node?: string;
  readonly op?: string;
  readonly pass?: string;
  readonly target?: string;
}

export interface ErrorOptions {
  readonly at?: ErrorPlace;
  /** What to do about it, as a full sentence or a command. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Everything that is wrong when there is more than one problem. */
  readonly problems?: readonly Problem[];
}

/** One of several problems that are reported together. */
export interface Problem {
  readonly message: string;
  readonly at?: ErrorPlace;
  readonly hint?: string;
}

/** The one error class of hone. `code` is documented in docs/errors.md. */
export class HoneError extends Error {
  override readonly name = "HoneError";
  readonly code: ErrorCode;
  readonly at: ErrorPlace;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.at = options.at ?? {};
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }

  /** The process exit code that the command line answers with. */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  /** Message, place, problems and hint as a person reads them, several lines; the same problem of many nodes is one line. */
  describe(): string {
    const lines = [`${this.message}${placeText(this.at)}`];
    for (const p of gathered(this.problems)) lines.push(`  - ${p.message}${placeText(p.at ?? {})}${p.hint ? ` (${p.hint})` : ""}`);
    if (this.hint) lines.push(`hint: ${this.hint}`);
    return lines.join("\n");
  }
}

/** Nodes that a line names before it counts. */
const NAMED = 3;

/** Problems that differ only in their node as one, in the place of the first. */
function gathered(problems: readonly Problem[]): readonly Problem[] {
  const alike = new Map<string, Problem[]>();
  for (const p of problems) {
    const { node: _differs, ...place } = p.at ?? {};
    const key = JSON.stringify([p.message, p.hint, place, p.at?.node === undefined]);
    const group = alike.get(key);
    if (group) group.push(p);
    else alike.set(key, [p]);
  }
  return [...alike.values()].flatMap((group) => {
    const [first] = group;
    if (!first || group.length <= NAMED) return group;
    const names = group.slice(0, NAMED).map((p) => p.at?.node);
    return [{ ...first, at: { ...first.at, node: `${names.join(", ")} and ${group.length - NAMED} more` } }];
  });
}

function placeText(at: ErrorPlace): string {
  const parts = Object.entries(at)
    .filter(([, v]) => v !== undefined && v !== "")
    .map(([k, v]) => `${k} ${String(v)}`);
  return parts.length > 0 ? ` [${parts.join(", ")}]` : "";
}

/** The same error with more of its place known; fields it already has win. */
export function locate(error: unknown, at: ErrorPlace): unknown {
  if (!(error instanceof HoneError)) return error;
  const { hint, problems, cause } = error;
  return new HoneError(error.code, error.message, {
    at: { ...at, ...error.at },
    problems,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Marks a bug of hone's own: what is asserted can only fail if hone is wrong. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) {
    throw new HoneError("internal", `invariant broken: ${message}`, { hint: "This is a bug in hone. Please report it with the model." });
  }
}

/** For the default branch of a switch that must know every case. */
export function unreachable(value: never): never {
  throw new HoneError("internal", `unreachable case: ${inspect(value)}`);
}

/** A value as text for a message; JSON has no words for bigints and cycles. */
function inspect(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

/** The value, or an internal error that says what was missing. */
export function must<T>(value: T | undefined | null, what: string): T {
  invariant(value !== undefined && value !== null, `missing ${what}`);
  return value;
}
