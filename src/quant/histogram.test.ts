import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluateOp } from "../ops/evaluate.ts";
import { exponentOf, SIDE, SLOTS } from "../ops/histogram.ts";
import { tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { Histogram, magnitudes } from "./histogram.ts";
import { Observations } from "./observations.ts";

const numbers = fc
  .array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constant(0), fc.float({ min: -1, max: 1, noNaN: true })), {
    minLength: 1,
    maxLength: 60,
  })
  .map((list) => Float32Array.from(list));

const counted = (values: Float32Array, dims: readonly number[] = [values.length], every = 1): Int32Array =>
  must(evaluateOp("histogram", [tensor("float32", dims, values)], { every })[0], "counts").data as Int32Array;

const filled = (...parts: Float32Array[]): Histogram => {
  const h = new Histogram();
  for (const p of parts) h.add(counted(p));
  return h;
};

/** Counts in plain float64: what the op must give to the bit. */
function plainly(values: Float32Array): Pick<Histogram, "exponent" | "counts" | "zeros"> {
  const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  let exponent = -127;
  while (most >= SIDE * 2 ** exponent) exponent++;
  const counts = new Float64Array(2 * SIDE);
  for (const v of values) {
    const bin = Math.floor(Math.abs(v) / 2 ** exponent);
    const at = v < 0 ? SIDE - 1 - bin : SIDE + bin;
    if (v !== 0) counts[at] = (counts[at] ?? 0) + 1;
  }
  return { exponent, counts, zeros: values.filter((v) => v === 0).length };
}

test("neither order nor splitting can be seen in a histogram", () => {
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 1, maxLength: 5 }), fc.array(numbers, { minLength: 1, maxLength: 5 }), (a, b) => {
      const whole = filled(Float32Array.from([...a, ...b].flatMap((x) => [...x])));
      const backwards = filled(...[...a, ...b].reverse());
      const merged = filled(...a);
      merged.merge(filled(...b));
      expect(backwards).toEqual(whole);
      expect(merged).toEqual(whole);
    }),
    { numRuns: 25 },
  );
});

test("every value lies in its bin, zeros in none", () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const h = filled(values);
      expect({ exponent: h.exponent, counts: h.counts, zeros: h.zeros }).toEqual(plainly(values));
      expect([h.min, h.max]).toEqual([Math.min(...values) + 0, Math.max(...values) + 0]);
      expect(magnitudes(h).reduce((n, c) => n + c, 0) + h.zeros).toBe(values.length);
    }),
    { numRuns: 50 },
  );
});

test.for([0, 1, 2 ** -149, 2 ** -126, 1.5 * 2 ** -116, 0.3, 2047.9, 2048, 3.4e38])("bins are as narrow as they can be for %s", (most) => {
  const bits = new Int32Array(Float32Array.of(most).buffer)[0] ?? 0;
  const holds = (exponent: number): boolean => Math.fround(most) < SIDE * 2 ** exponent;
  expect(holds(exponentOf(bits))).toBe(true);
  expect(exponentOf(bits) === -127 || !holds(exponentOf(bits) - 1)).toBe(true);
});

test("of some rows only is counted, but the range is that of all", () => {
  const values = Float32Array.from({ length: 2 * 7 * 3 }, (_, i) => i - 20);
  const rows = [1, 4, 8, 11].flatMap((row) => [...values.subarray(row * 3, row * 3 + 3)]);
  const h = new Histogram();
  h.add(counted(values, [2, 7, 3], 3));
  const those = plainly(Float32Array.from([...rows, -20, 21]));
  expect([h.min, h.max]).toEqual([-20, 21]);
  expect(h.counts.reduce((n, c) => n + c, 0) + h.zeros).toBe(rows.length);
  expect(h.exponent).toBe(those.exponent);
});

test("a number that is not finite is told, and nothing is counted", () => {
  expect(() => filled(Float32Array.of(1, 2, NaN, -Infinity))).toThrow("an element is NaN");
  expect(() => filled(Float32Array.of(-Infinity, 3))).toThrow("an element is infinite");
  expect(counted(Float32Array.of(1, NaN)).subarray(0, SLOTS.zeros + 1)).toEqual(new Int32Array(SLOTS.zeros + 1));
});

test("shards of samples in any order observe the same", () => {
  const sample = fc.tuple(numbers, numbers);
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 6 }), fc.nat({ max: 6 }), (samples, cut) => {
      const add = (to: Observations, i: number): void => {
        const [a, b] = must(samples[i], "a sample");
        to.add(
          `hash${i}`,
          new Map([
            ["a", counted(a)],
            ["b", counted(b)],
          ]),
        );
      };
      const [whole, left, right] = [new Observations(), new Observations(), new Observations()];
      samples.forEach((_, i) => add(whole, i));
      samples.forEach((_, i) => add(i < cut ? left : right, samples.length - 1 - i));
      right.merge(left);
      expect([...right.all()].sort()).toEqual([...whole.all()].sort());
      expect(right.samples).toEqual(whole.samples);
    }),
    { numRuns: 30 },
  );
});
