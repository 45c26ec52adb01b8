import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram, magnitudes, SIDE } from "./histogram.ts";
import { Observations } from "./observations.ts";

const numbers = fc
  .array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constant(0), fc.float({ min: -1, max: 1, noNaN: true })), {
    maxLength: 60,
  })
  .map((list) => Float32Array.from(list));

const filled = (...parts: Float32Array[]): Histogram => {
  const h = new Histogram();
  for (const p of parts) h.add(p);
  return h;
};

test("neither order nor splitting can be seen in a histogram", () => {
  fc.assert(
    fc.property(fc.array(numbers, { maxLength: 5 }), fc.array(numbers, { maxLength: 5 }), (a, b) => {
      const whole = filled(Float32Array.from([...a, ...b].flatMap((x) => [...x])));
      const backwards = filled(...[...a, ...b].reverse());
      const merged = filled(...a);
      merged.merge(filled(...b));
      expect(backwards).toEqual(whole);
      expect(merged).toEqual(whole);
    }),
  );
});

test("every value lies in its bin, zeros in none", () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const h = filled(values);
      const width = 2 ** h.exponent;
      const counts = new Float64Array(2 * SIDE);
      for (const v of values) if (v !== 0) counts[Math.floor(v / width) + SIDE] = (counts[Math.floor(v / width) + SIDE] ?? 0) + 1;
      expect(h.counts).toEqual(counts);
      expect(h.zeros).toBe(values.filter((v) => v === 0).length);
      expect(magnitudes(h).reduce((n, c) => n + c, 0) + h.zeros).toBe(values.length);
    }),
  );
});

test("bins are as narrow as they can be", () => {
  const h = filled(Float32Array.of(0.3, -7));
  expect(7 / 2 ** h.exponent).toBeLessThan(SIDE);
  expect(7 / 2 ** h.exponent).toBeGreaterThanOrEqual(SIDE / 2);
});

test("a number that is not finite is named", () => {
  expect(() => filled(Float32Array.of(1, 2, NaN))).toThrow("element 2 is NaN");
  expect(() => filled(Float32Array.of(-Infinity))).toThrow("element 0 is -Infinity");
});

test("shards of samples in any order observe the same", () => {
  const sample = fc.tuple(numbers, numbers).filter(([a, b]) => a.length > 0 && b.length > 0);
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 6 }), fc.nat({ max: 6 }), (samples, cut) => {
      const add = (to: Observations, i: number): void =>
        to.add(
          `hash${i}`,
          new Map([
            ["a", samples[i]?.[0] ?? new Float32Array()],
            ["b", samples[i]?.[1] ?? new Float32Array()],
          ]),
        );
      const [whole, left, right] = [new Observations(), new Observations(), new Observations()];
      samples.forEach((_, i) => add(whole, i));
      samples.forEach((_, i) => add(i < cut ? left : right, samples.length - 1 - i));
      right.merge(left);
      expect([...right.all()].sort()).toEqual([...whole.all()].sort());
      expect(right.samples).toEqual(whole.samples);
    }),
  );
});
