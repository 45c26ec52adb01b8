import type { Random } from "./random.ts";

/** A kind of file: how a mutant of it is made and what is done with it. */
export interface Subject {
  mutant(random: Random): Uint8Array;
  /** Whether the file is still what it says it is: its header and tables can be read, so that what comes after them is put to the test. */
  passes(bytes: Uint8Array): boolean | Promise<boolean>;
  /** Throws HoneError for what is refused; anything else that it throws is a finding. The answer tells how far it came. */
  run(bytes: Uint8Array): string | Promise<string>;
}

/** Whether something is done without an error. */
export function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
