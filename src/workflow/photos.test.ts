import { expect, test } from "vitest";
import { holdBack } from "./photos.ts";

const photo = (byte: number): { path: string; hash: string } => ({
  path: `${byte}.jpg`,
  hash: byte.toString(16).padStart(2, "0").padEnd(64, "0"),
});

test("the photos that are held back are the same in whatever set they are", () => {
  const files = Array.from({ length: 256 }, (_, i) => photo(i));
  const whole = holdBack(files);
  expect([whole.judges.length, whole.taken.length, whole.apart]).toEqual([32, 224, true]);
  const half = holdBack(files.filter((_, i) => i % 2 === 0));
  expect(half.judges).toEqual(whole.judges.filter((_, i) => i % 2 === 0));
});

test("of few photos all are taken and all judge", () => {
  const few = Array.from({ length: 15 }, (_, i) => photo(i * 4));
  expect(holdBack(few)).toEqual({ taken: few, judges: few, apart: false });
  const none = Array.from({ length: 40 }, (_, i) => photo(100 + i));
  expect(holdBack(none)).toEqual({ taken: none, judges: none, apart: false });
});
