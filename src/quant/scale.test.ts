import fc from "fast-check";
import { expect, test } from "vitest";
import { tensor } from "../tensor/tensor.ts";
import { multiplier, roundEven } from "../passes/integer-parts.ts";
import { fromBFloat16, toBFloat16 } from "../tensor/half.ts";
import { quantizeWeights, scaleFor } from "./scale.ts";

test("zero is one of the 256 values of every range, and the ends are within a step", () => {
  const end = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(end, end, (a, b) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const { scale, zeroPoint } = scaleFor({ min, max });
      expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true);
      if (Math.max(max, 0) - Math.min(min, 0) < 1e-30) return;
      expect(scale * (255 - zeroPoint)).toBeGreaterThanOrEqual(max - scale);
      expect(scale * -zeroPoint).toBeLessThanOrEqual(min + scale);
    }),
  );
});

test("a tensor that is always zero has a scale all the same", () => {
  expect(scaleFor({ min: 0, max: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
});

test("halves go to the even integer", () => {
  expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -2.6].map((x) => roundEven(x) + 0)).toEqual([-2, -2, 0, 0, 2, 2, 2, -3]);
});

test("every channel of weights has its own scale; a dead one gets one too", () => {
  const w = tensor("float32", [3, 2, 1, 1], Float32Array.of(1, -0.25, 0, 0, 100, 40));
  const { data, scales } = quantizeWeights(w, undefined, { input: 0.1, output: 1 });
  for (const [i, v] of (w.data as Float32Array).entries()) {
    const scale = scales[Math.floor(i / 2)] ?? 0;
    expect(Math.abs((data[i] ?? 0) * scale - v)).toBeLessThanOrEqual(scale * 0.5001);
  }
  expect([data[0], data[2], data[3], data[4]].map((v) => Math.abs(v ?? 0) > 120)).toEqual([true, false, false, true]);
  expect(scales.map((s) => s > 0 && Number.isFinite(s))).toEqual([true, true, true]);
});

test("a bias that would overflow int32 in units of the products raises the channel's scale", () => {
  const w = tensor("float32", [2, 1, 1, 1], Float32Array.of(1e-12, 1));
  const bias = Float32Array.of(5, 5);
  const inputScale = 1e-3;
  const { scales } = quantizeWeights(w, bias, { input: inputScale, output: 1 });
  for (const [c, s] of scales.entries()) expect(Math.abs((bias[c] ?? 0) / (inputScale * s))).toBeLessThanOrEqual(2 ** 30);
  expect((scales[1] ?? 0) * 127).toBeGreaterThanOrEqual(1);
  expect((scales[1] ?? 0) * 127).toBeLessThan(1.01);
});

test("nearly all scales of weights have multipliers that are bfloat16s, and are little above the least", () => {
  const positive = fc.double({ min: 2 ** -20, max: 2 ** 4, noNaN: true }).map(Math.fround);
  let [all, grown] = [0, 0];
  fc.assert(
    fc.property(positive, positive, fc.array(positive, { minLength: 1, maxLength: 8 }), (input, output, list) => {
      const { scales } = quantizeWeights(tensor("float32", [list.length, 1], Float32Array.from(list)), undefined, { input, output });
      for (const [c, scale] of scales.entries()) {
        const least = Math.fround((list[c] ?? 0) / 127);
        const m = multiplier(input, scale, output);
        expect(scale).toBeGreaterThanOrEqual(least);
        if (fromBFloat16(toBFloat16(m)) !== m) expect(scale).toBe(least);
        else [all, grown] = [all + 1, grown + scale / least - 1];
        expect(scale).toBeLessThan(least * (1 + 25 * 2 ** -7));
      }
    }),
    { numRuns: 2000 },
  );
  expect(all).toBeGreaterThan(2000);
  expect(grown / all).toBeLessThan(0.01);
});
