/** Random choices from a tape of numbers: fast-check makes the tapes, and a test that fails names the one that did it. */
import fc from "fast-check";
import { must } from "../../src/util/errors.ts";

/** One random choice after another, each from 0 to below its bound. */
export type Draw = (below: number) => number;

export const pick = <T>(draw: Draw, list: readonly T[]): T => must(list[draw(list.length)], "choice");

/** Reads a tape from its beginning, again and again. */
export function drawFrom(tape: readonly number[]): Draw {
  let at = 0;
  return (below) => (tape[at++ % tape.length] ?? 0) % below;
}

interface TapeOptions {
  readonly runs: number;
  readonly seed: number;
  readonly longest: number;
}

/** As many tapes as HONE_RUNS says, of the seed HONE_SEED. */
export function tapesOf({ runs, seed, longest }: TapeOptions): number[][] {
  return fc.sample(fc.array(fc.nat({ max: 5040 }), { minLength: 24, maxLength: longest }), {
    numRuns: Number(process.env["HONE_RUNS"] ?? runs),
    seed: Number(process.env["HONE_SEED"] ?? seed),
  });
}
