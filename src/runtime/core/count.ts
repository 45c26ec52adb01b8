import { HoneError } from "../../util/errors.ts";

/** An option that is a number of things. Throws `usage`. */
export function countOf(what: string, count: number, most: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new HoneError("usage", `${what} must be an integer from 1 to ${most}, got ${count}`);
}

/** The most threads that may share a run. */
export const MOST_THREADS = 64;
