import fc from "fast-check";
import { expect, test } from "vitest";
import { tensor } from "../tensor/tensor.ts";
import { roundEven } from "../passes/integer-parts.ts";
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
  const { data, scales } = quantizeWeights(w, undefined, 0.1);
  expect([...data]).toEqual([127, -32, 0, 0, 127, 51]);
  expect(scales.map((s) => s > 0 && Number.isFinite(s))).toEqual([true, true, true]);
});

test("a bias that would overflow int32 in units of the products raises the channel's scale", () => {
  const w = tensor("float32", [2, 1, 1, 1], Float32Array.of(1e-12, 1));
  const bias = Float32Array.of(5, 5);
  const inputScale = 1e-3;
  const { scales } = quantizeWeights(w, bias, inputScale);
  for (const [c, s] of scales.entries()) expect(Math.abs((bias[c] ?? 0) / (inputScale * s))).toBeLessThanOrEqual(2 ** 30);
  expect(scales[1]).toBe(Math.fround(1 / 127));
});
