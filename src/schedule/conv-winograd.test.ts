import { expect, test } from "vitest";
import { compileGraph } from "../compiler/compile.ts";
import type { Value } from "../ir/graph.ts";
import { opBuilder } from "../ops/index.ts";
import { packWinograd, PRODUCTS } from "./winograd.ts";

interface Shape {
  readonly c: number;
  readonly o: number;
  readonly size: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly dilation?: number;
}

const filled = (dims: readonly number[]): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7919) % 13) - 6);

/** Schedules of a convolution that follows another one, on 8 lanes. */
function schedulesOf({ c, o, size, kernel = 3, stride = 1, dilation = 1 }: Shape): readonly string[] {
  const b = opBuilder("conv");
  const weights = (dims: readonly number[]): Value => b.constant({ type: "float32", dims, data: filled(dims) });
  const attrs = { strides: [stride, stride], dilations: [dilation, dilation], pads: [1, 1, 1, 1], group: 1 };
  const x = b.input("x", "float32", [1, 3, size, size]);
  const before = b.op("conv", [x, weights([c, 3, 1, 1])], { ...attrs, strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] });
  b.output(b.op("conv", [before, weights([o, c, kernel, kernel])], attrs));
  const { programs } = compileGraph(b.finish(), { machine: { lanes: 8, registers: 16 } });
  return programs[0]?.calls[1]?.kernel.schedules ?? [];
}

const WINOGRAD = "Winograd F(4×4, 3×3) convolution";

test.each<[string, Shape, boolean]>([
  ["many channels", { c: 64, o: 64, size: 56 }, true],
  ["few channels", { c: 16, o: 16, size: 40 }, true],
  ["a stride", { c: 64, o: 64, size: 56, stride: 2 }, false],
  ["a dilation", { c: 64, o: 64, size: 56, dilation: 2 }, false],
  ["a kernel of five", { c: 64, o: 64, size: 56, kernel: 5 }, false],
  ["channels that do not fill their blocks", { c: 36, o: 64, size: 56 }, false],
  ["so few tiles that reading the weights takes longer", { c: 512, o: 512, size: 7 }, false],
  ["one channel out", { c: 16, o: 1, size: 5 }, false],
])("with %s", (_, shape, wanted) => {
  expect(schedulesOf(shape).includes(WINOGRAD)).toBe(wanted);
});

test("transformed weights lie by groups of blocks, products, input channels", () => {
  const [o, i, block, blocks] = [20, 3, 4, 2];
  const w = { type: "float32", dims: [o, i, 3, 3], data: filled([o, i, 3, 3]) } as const;
  const { data, groupLength } = packWinograd(w, block, blocks);
  expect(data.length).toBe(Math.ceil(o / block) * block * i * PRODUCTS);
  // The first product of the transform is the corner tap (its points are both 0), the last is the opposite corner.
  const at = (oc: number, ic: number, product: number): number | undefined => {
    const group = Math.floor(oc / (block * blocks));
    const width = Math.min(blocks * block, Math.ceil(o / block) * block - group * blocks * block);
    return data[group * groupLength + (product * i + ic) * width + (oc % (block * blocks))];
  };
  for (const [oc, ic] of [
    [0, 0],
    [5, 2],
    [8, 1],
    [19, 2],
  ] as const) {
    expect(at(oc, ic, 0)).toBeCloseTo(w.data[(oc * i + ic) * 9] ?? NaN, 5);
    expect(at(oc, ic, PRODUCTS - 1)).toBeCloseTo(w.data[(oc * i + ic) * 9 + 8] ?? NaN, 5);
  }
});
