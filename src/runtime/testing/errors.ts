import { HoneError } from "../../util/errors.ts";

/** The HoneError that the work throws; anything else fails the test. */
export async function errorOf(work: () => unknown): Promise<HoneError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof HoneError) return error;
    throw error;
  }
  throw new Error("expected a HoneError");
}
