import { describe, expect, test } from "vitest";
import { fromBFloat16, fromFloat16, roundEven, toBFloat16, toFloat16 } from "./half.ts";

const isNaN16 = (bits: number): boolean => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
const isNaNB16 = (bits: number): boolean => (bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0;
const mismatches = (same: (bits: number) => boolean): number[] =>
  Array.from({ length: 65536 }, (_, bits) => bits).filter((bits) => !same(bits));

describe("float16", () => {
  test("all 65536 bit patterns come back", () => {
    expect(mismatches((bits) => (isNaN16(bits) ? Number.isNaN(fromFloat16(bits)) : toFloat16(fromFloat16(bits)) === bits))).toEqual([]);
  });

  test("known values", () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00].map(fromFloat16)).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      2 ** -14,
      Infinity,
      -Infinity,
    ]);
    expect(fromFloat16(0x8000)).toBe(-0);
    expect(toFloat16(NaN)).toBe(0x7e00);
  });

  test("halfway between two neighbours goes to the even one, just beside it to the near one", () => {
    // Positive finite neighbours bits and bits + 1; 0x7bff + 1 is infinity, whose halfway point is 65520.
    const wrong = [];
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = fromFloat16(bits);
      const high = fromFloat16(bits + 1);
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const nudge = (high - low) * 2 ** -20;
      const got = [toFloat16(middle), toFloat16(middle - nudge), toFloat16(middle + nudge), toFloat16(-middle)];
      if (got.join() !== [even, bits, bits + 1, even | 0x8000].join()) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
    expect([65519.99, 65520, 1e300].map(toFloat16)).toEqual([0x7bff, 0x7c00, 0x7c00]);
  });
});

describe("bfloat16", () => {
  test("all 65536 bit patterns come back", () => {
    expect(mismatches((bits) => (isNaNB16(bits) ? Number.isNaN(fromBFloat16(bits)) : toBFloat16(fromBFloat16(bits)) === bits))).toEqual([]);
  });

  test("rounds to nearest even", () => {
    expect(toBFloat16(1 + 2 ** -8)).toBe(0x3f80);
    expect(toBFloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(toBFloat16(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
    expect(toBFloat16(3.4028234663852886e38)).toBe(0x7f80);
    expect(toBFloat16(NaN)).toBe(0x7fc0);
  });
});

test("roundEven", () => {
  expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 2.5001, -2.6, -0.3, 0.3].map(roundEven)).toEqual([-2, -2, -0, 0, 2, 2, 2, 3, -3, -0, 0]);
});
