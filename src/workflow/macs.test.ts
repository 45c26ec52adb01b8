import { expect, test } from "vitest";
import { parseGraph } from "../ir/parse.ts";
import { inferOp } from "../passes/pass.ts";
import { countMacs } from "./macs.ts";

const count = (x: string, lines: string): number | undefined =>
  countMacs(parseGraph(`graph "g"(%x: ${x}) -> (%y) {\n${lines}\n}`, { infer: inferOp }));
const IMAGE = "float32[1,4,6,6]";

test("a convolution, and a product", () => {
  expect(count(IMAGE, "%w = const float32[8,2,3,3] random(1)\n%y = conv(%x, %w) {group=2, pads=[1, 1, 1, 1]}")).toBe(8 * 36 * 2 * 9);
  expect(count(IMAGE, "%w = const float32[6,5] random(1)\n%y = matMul(%x, %w)")).toBe(4 * 6 * 5 * 6);
  expect(count(IMAGE, "%y = relu(%x)")).toBe(0);
});

test("a convolution of scaled integers counts as one of numbers", () => {
  const constants = `
  %w = const int8[8,4,3,3] random(1)
  %b = const int32[8] random(2)
  %m = const float32[8] random(3)
  %zero = const uint8[] = [3]`;
  expect(count("uint8[1,4,6,6]", `${constants}\n  %y = quantizedConv(%x, %w, %zero, %b, %m, %zero)`)).toBe(8 * 16 * 36);
});

test("a recurrent layer multiplies its state in each step", () => {
  expect(count("float32[5,1,2,12]", "%w = const float32[1,12,3] random(1)\n%y, %h, %c = lstm(%x, %w) {activations=[0, 1, 1]}")).toBe(
    5 * 2 * 12 * 3,
  );
});
