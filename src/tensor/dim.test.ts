import { describe, expect, test } from "vitest";
import { addDim, bindShape, dimEquals, dimText, divDim, mulDim, productDim, shapeText, staticShape, sym } from "./dim.ts";
import { layoutEquals, layoutText, physicalDims, PLAIN } from "./layout.ts";

const h = sym("h");
const w = sym("w");

describe("dims", () => {
  test("numbers fold; neutral elements vanish", () => {
    expect(addDim(2, 3)).toBe(5);
    expect(mulDim(2, 3)).toBe(6);
    expect(divDim(7, 2)).toBe(3);
    expect(divDim(7, 2, true)).toBe(4);
    expect([addDim(h, 0), mulDim(1, h), divDim(h, 1)]).toEqual([h, h, h]);
    expect(divDim(h, sym("h"))).toBe(1);
  });

  test("expressions print, evaluate, and know their symbols", () => {
    const d = divDim(addDim(mulDim(h, 2), w), 3, true);
    expect(dimText(d)).toBe("ceil(((h*2)+w)/3)");
    expect(typeof d === "number" ? [] : d.free).toEqual(["h", "w"]);
    const bindings = new Map([
      ["h", 4],
      ["w", 2],
    ]);
    expect(bindShape([1, d, sym("n")], bindings).map(dimText)).toEqual(["1", "4", "n"]);
    expect(dimEquals(d, divDim(addDim(mulDim(h, 2), w), 3, true))).toBe(true);
    expect(dimText(productDim([2, h, 3]))).toBe("((2*h)*3)");
  });

  test("an unbound symbol is named in the error", () => {
    expect(staticShape([1, 2], "x")).toEqual([1, 2]);
    expect(() => staticShape([h, w, h], "input x")).toThrow("input x has the shape [h,w,h]: h, w have no value");
    expect(shapeText([1, h])).toBe("[1,h]");
  });
});

test("blocked layouts round channels up and put the block innermost", () => {
  const c8 = { kind: "blocked", block: 8 } as const;
  expect(physicalDims([1, 20, 5, 7], c8)).toEqual([1, 3, 5, 7, 8]);
  expect(physicalDims([1, 20], PLAIN)).toEqual([1, 20]);
  expect(layoutText(c8)).toBe("@c8");
  expect(layoutEquals(c8, PLAIN)).toBe(false);
});
