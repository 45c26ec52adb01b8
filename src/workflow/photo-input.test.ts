/** Photos as they are decoded give what the tensors made of them give. */
import { describe, expect, test } from "vitest";
import { buildEngine } from "../compiler/node/build.ts";
import { compileGraph } from "../compiler/compile.ts";
import { makeImage } from "../data/image.ts";
import { toTensor } from "../data/normalize.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { C_MACHINES } from "../targets/c/machines.ts";
import { opBuilder } from "../ops/index.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { photoInput, type Normalization } from "../passes/photo-input.ts";
import { Session } from "../runtime/node/session.ts";
import { haveCompiler } from "../runtime/testing/tiny.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";

const floats = (dims: readonly number[], seed: number): Tensor => ({
  type: "float32",
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898 + seed) / 8),
});

interface Case {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation?: number;
  readonly rule: Normalization;
}

const BLUE: Normalization = { channels: "BGR", layout: "NCHW", dtype: "float32", mean: [104, 117, 123], std: [1, 1, 1] };
const RED: Normalization = { channels: "RGB", layout: "NCHW", dtype: "float32", mean: [123.7, 116.3, 103.5], std: [58.4, 57.1, 57.4] };
const LAST: Normalization = { ...RED, layout: "NHWC" };
const SAME: Normalization = { ...RED, mean: [127, 127, 127], std: [128, 128, 128] };
const PLAIN: Normalization = { ...RED, mean: [0, 0, 0], std: [1, 1, 1] };

const CASES: readonly Case[] = [
  { width: 32, height: 20, channels: 8, kernel: 3, stride: 2, rule: BLUE },
  { width: 29, height: 13, channels: 40, kernel: 3, stride: 1, rule: RED },
  { width: 45, height: 21, channels: 20, kernel: 7, stride: 2, rule: SAME },
  { width: 19, height: 17, channels: 16, kernel: 3, stride: 1, dilation: 2, rule: BLUE },
  { width: 5, height: 4, channels: 8, kernel: 5, stride: 1, rule: PLAIN },
  // Long enough to be shared by threads.
  { width: 150, height: 80, channels: 24, kernel: 3, stride: 1, rule: RED },
  { width: 24, height: 24, channels: 24, kernel: 1, stride: 1, rule: RED },
  { width: 21, height: 10, channels: 16, kernel: 3, stride: 2, rule: LAST },
];

const nameOf = ({ width, height, channels, kernel, stride, dilation = 1, rule }: Case): string =>
  `${width}×${height} to ${channels} channels, kernel ${kernel}, stride ${stride}, dilation ${dilation}, ${rule.channels} ${rule.layout}`;

/** A convolution of a normalised picture. */
function network({ width, height, channels, kernel, stride, dilation = 1, rule }: Case): Graph {
  const b = opBuilder("photo");
  const planar = rule.layout === "NCHW";
  const x = b.input("x", "float32", planar ? [1, 3, height, width] : [1, height, width, 3]);
  const at: Value = planar ? x : b.op("transpose", [x], { perm: [0, 3, 1, 2] });
  const pad = dilation * ((kernel - 1) / 2);
  const attrs = { strides: [stride, stride], dilations: [dilation, dilation], pads: [pad, pad, pad, pad], group: 1 };
  const weights = b.constant(floats([channels, 3, kernel, kernel], 1), "w");
  b.output(b.op("relu", [b.op("conv", [at, weights, b.constant(floats([channels], 2), "b")], attrs)]), "y");
  return b.finish();
}

const noise = ({ width, height }: Case): ReturnType<typeof makeImage> =>
  makeImage(
    width,
    height,
    Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7919) % 251),
  );

const PHOTO: Normalization = { channels: "RGB", layout: "NHWC", dtype: "uint8", mean: [0, 0, 0], std: [1, 1, 1] };
const close = (got: Tensor | undefined, want: Tensor | undefined): void => {
  const data = must(want, "want").data as Float32Array;
  const size = data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(got?.dims).toEqual(want?.dims);
  got?.data.forEach((v: number | bigint, i: number) => {
    expect(Math.abs(Number(v) - (data[i] ?? NaN))).toBeLessThanOrEqual(1e-5 * size);
  });
};

const compiler = await haveCompiler();

describe.each(CASES.map((c) => [nameOf(c), c] as const))("%s", (_, c) => {
  const graph = network(c);
  const image = noise(c);
  const want = evaluateGraph(graph, { x: toTensor(image, c.rule) })["y"];
  const photos = photoInput(graph, c.rule);
  const feeds = { x: toTensor(image, PHOTO) };

  test("the graph computes the same", () => {
    expect(photos.inputs.map((v) => [v.name, v.dtype, v.shape])).toEqual([["x", "uint8", [1, c.height, c.width, 3]]]);
    close(evaluateGraph(photos, feeds)["y"], want);
  });

  test.each([["wasm", "naive", 1], ["wasm", "auto", 3], ...(compiler ? [["native", "auto", 3] as const] : [])] as const)(
    "so does the engine: %s, %s, %i threads",
    async (target, schedule, threads) => {
      const { engine } = await buildEngine(photos, { modelHash: "0", format: "onnx", targets: [target], schedule });
      const session = await Session.open(must(engine, "engine"), { native: target === "native" ? "allow" : "never", threads });
      close(session.runSync(feeds)["y"], want);
      await session.close();
    },
  );
});

test("one kernel reads the photo, normalises it and convolves", () => {
  const machine = must(
    C_MACHINES.find((m) => m.name === "avx2"),
    "avx2",
  );
  const [c] = CASES;
  const { programs } = compileGraph(photoInput(network(must(c, "case")), BLUE), { machine, threads: true, shareFrom: 0 });
  const kernel = programs[0]?.calls[0]?.kernel;
  expect(kernel?.nodes.map((n) => n.op)).toEqual(["transpose", "cast", "sub", "conv", "relu"]);
  expect(kernel?.schedules).toEqual(["direct blocked convolution"]);
  expect(kernel?.func.share).toBeDefined();
});

test("what takes no picture is refused", () => {
  const b = opBuilder("sound");
  b.output(b.op("relu", [b.input("x", "float32", [1, 16000])]), "y");
  expect(() => photoInput(b.finish(), RED)).toThrow(HoneError);
});
