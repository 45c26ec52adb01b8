import { expect, test } from "vitest";
import { compileGraph } from "../compiler/compile.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { opBuilder } from "../ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";

const weights = (dims: readonly number[]): Tensor => ({
  type: "float32",
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
});

type Builder = ReturnType<typeof opBuilder>;

function conv(b: Builder, x: Value, channels: readonly [number, number], kernel = 3): Value {
  const pad = (kernel - 1) / 2;
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad], group: 1 };
  return b.op("conv", [x, b.constant(weights([channels[1], channels[0], kernel, kernel]))], attrs);
}

/** Two convolutions and what `end` makes of their results, and one more. */
function graphOf(channels: number, kernel: number, end: (b: Builder, skip: Value, main: Value) => readonly Value[]): Graph {
  const b = opBuilder("net");
  const skip = conv(b, b.input("x", "float32", [1, 3, 24, 24]), [3, channels]);
  const made = end(b, skip, conv(b, skip, [channels, channels], kernel));
  made.forEach((v, i) => {
    b.output(conv(b, v, [channels, 8]), `y${i}`);
  });
  return b.finish();
}

interface Compiled {
  /** Values that the kernel of the sum touches: its operands and its result, one fewer when the result lies over an operand. */
  readonly values: number;
  /** Pieces of the arena. */
  readonly pieces: number;
}

function compiled(graph: Graph, call: number): Compiled {
  const { programs } = compileGraph(graph, { machine: { lanes: 8, registers: 16 } });
  const calls = programs[0]?.calls ?? [];
  const offsets = calls.flatMap((c) => c.pointers.flatMap((p) => (p.from === "arena" ? [p.offset] : [])));
  expect(calls[call]?.kernel.nodes.map((n) => n.op)).toEqual(["conv", "add"]);
  return { values: calls[call]?.kernel.args.filter((a) => a.kind === "value").length ?? 0, pieces: new Set(offsets).size };
}

const sumOf = (b: Builder, skip: Value, main: Value, channels: number, kernel: number): Value =>
  b.op("add", [conv(b, main, [channels, channels], kernel), skip]);

test("a residual sum lies where its other operand lay, when nothing needs that any more", () => {
  const alone = compiled(
    graphOf(16, 1, (b, skip, main) => [sumOf(b, skip, main, 16, 3)]),
    2,
  );
  const kept = compiled(
    graphOf(16, 1, (b, skip, main) => [sumOf(b, skip, main, 16, 3), skip]),
    2,
  );
  expect([alone.values, kept.values]).toEqual([2, 3]);
  expect(alone.pieces).toBeLessThan(kept.pieces);
});

test("not when the convolution reads it as well: pixels around are still to come", () => {
  expect(
    compiled(
      graphOf(16, 1, (b, skip, main) => [b.op("add", [main, skip])]),
      1,
    ).values,
  ).toBe(2);
});

test("not where the result keeps sums between the parts of a long reduction", () => {
  expect(
    compiled(
      graphOf(512, 1, (b, skip, main) => [sumOf(b, skip, main, 512, 1)]),
      2,
    ).values,
  ).toBe(3);
});
