/**
 * Bet 3: integer arithmetic gives the same bits everywhere. `HONE_CASES=1000000 npx vitest run test/bets/integer.test.ts` is the whole
 * of it; the default is a part that takes seconds.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/tensor/dtype.ts";
import { interpret } from "../../src/loop/interpret/interpret.ts";
import { PLANS, Skip, type Backend } from "./integer/backends.ts";
import { BATCH, RESULTS, emptyBatch, fillBatch, integerKernel } from "./integer/kernel.ts";

const CASES = Number(process.env["HONE_CASES"] ?? 20_000);
const BATCHES = Math.ceil(CASES / BATCH);
const TIMEOUT = 120_000 + BATCHES * 5000;

const bytesOf = (a: TypedArray | undefined): Buffer => Buffer.from(a?.buffer ?? new ArrayBuffer(0));

/** The same inputs with results of zeros. */
function copyOf(args: readonly TypedArray[]): TypedArray[] {
  const copy = emptyBatch(integerKernel(1));
  copy.slice(0, -RESULTS).forEach((a, i) => new Uint8Array(a.buffer).set(bytesOf(args[i])));
  return copy;
}

describe(`bet 3: dot4 and requantisation, ${BATCHES * BATCH} cases`, () => {
  const reference: TypedArray[][] = [];

  beforeAll(() => {
    const f = integerKernel(1);
    for (let i = 0; i < BATCHES; i++) {
      const args = emptyBatch(f);
      fillBatch(args, i);
      interpret(f, args);
      reference.push(args);
    }
  }, TIMEOUT);

  afterAll(() => reference.splice(0));

  test("the cases reach what they are for: all results, wrapping sums, saturating pairs, halves", () => {
    const numbers = (i: number): number[] => [...(reference[0]?.[i] ?? [])].map(Number);
    const [u, s, bias, m, y, sums] = [1, 2, 3, 4, 6, 8].map(numbers);
    expect(new Set(y).size).toBeGreaterThan(200);
    const totals = sums?.map((v, i) => v + (bias?.[i] ?? 0)) ?? [];
    expect(totals.some((t) => Math.abs(t) > 2 ** 31)).toBe(true);
    expect(totals.some((t, i) => Math.abs((t * (m?.[i] ?? 0)) % 1) === 0.5)).toBe(true);
    const pairs = u?.map((x, i) => (i % 2 === 0 ? x * (s?.[i] ?? 0) + (u[i + 1] ?? 0) * (s?.[i + 1] ?? 0) : 0)) ?? [];
    expect(pairs.some((p) => p > 32767) && pairs.some((p) => p < -32768)).toBe(true);
  });

  test.for(PLANS)("$name is bit-equal to the interpreter", { timeout: TIMEOUT }, async ({ open }, { skip }) => {
    const backend = await open().catch((reason: unknown) => reason);
    if (backend instanceof Skip) skip(backend.message);
    if (backend instanceof Error) throw backend;
    const { run, close } = backend as Backend;
    try {
      const mine = reference.map(copyOf);
      run(mine);
      mine.forEach((args, i) => {
        const want = reference[i] ?? [];
        for (let r = args.length - RESULTS; r < args.length; r++)
          expect(Buffer.compare(bytesOf(args[r]), bytesOf(want[r])), `batch ${i}, result ${r}`).toBe(0);
      });
    } finally {
      close();
    }
  });
});
