/** Random quantised graphs: the schedules of every machine give the bits of the ops' definitions. */
import { describe, expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Case,
} from "../../scripts/conformance/backends.ts";
import type { Value } from "../../src/ir/graph.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { sameShape } from "../../src/passes/constants.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { elementCount, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { drawFrom, pick, tapesOf, type Draw } from "../generators/draw.ts";

const hasCompiler = await haveCompiler();

/** A chain of quantised ops over one random picture. */
class Chain {
  readonly builder = opBuilder("quantised");
  readonly draw: Draw;
  value: Value;
  readonly feeds: Record<string, Tensor>;

  constructor(draw: Draw) {
    this.draw = draw;
    const dims = [1 + draw(2), pick(draw, [1, 3, 8, 13, 16, 24, 40]), 1 + draw(9), 1 + draw(20)];
    this.value = this.builder.input("x", "uint8", dims);
    this.feeds = { x: this.#bytes(dims) };
  }

  #bytes(dims: readonly number[]): Tensor {
    const extreme = this.draw(4) === 0;
    const data = Uint8Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => (extreme ? 255 * this.draw(2) : this.draw(256)));
    return tensor("uint8", dims, data);
  }

  byte = (value: number): Value => this.builder.constant(tensor("uint8", [1], Uint8Array.of(value)));
  #float = (...values: number[]): Value => this.builder.constant(tensor("float32", [values.length], Float32Array.from(values)));
  #integer = (value: number): Value => this.builder.constant(tensor("int32", [1], Int32Array.of(value)));

  /** Int8 weights, some of them only extremes, so that sums of two products leave int16; sometimes int16 ones, which are of 9 bits. */
  #weights(dims: readonly number[]): Value {
    const wide = this.draw(3) === 0;
    if (this.draw(4) === 0) {
      const words = Int16Array.from({ length: elementCount(dims) }, () => (wide ? 510 * this.draw(2) - 255 : this.draw(511) - 255));
      return this.builder.constant(tensor("int16", dims, words));
    }
    const data = Int8Array.from({ length: elementCount(dims) }, () => (wide ? 254 * this.draw(2) - 127 : this.draw(255) - 127));
    return this.builder.constant(tensor("int8", dims, data));
  }

  /** Groups and output channels: depthwise, in four groups, or dense. */
  #groups(c: number): readonly [group: number, outputs: number] {
    const { draw } = this;
    if (draw(3) === 0 && c > 1) return [c, c];
    const group = c % 4 === 0 && draw(4) === 0 ? 4 : 1;
    return [group, group * pick(draw, [1, 4, 8, 13, 16, 32])];
  }

  conv(to: "uint8" | "float32"): Value {
    const { draw } = this;
    const [, c = 1, h = 1, w = 1] = this.value.shape.map(Number);
    const [kh, kw] = [1 + 2 * draw(2), 1 + 2 * draw(2)];
    const pads: readonly [number, number, number, number] = [draw(2), draw(2), draw(2), draw(2)];
    const dilations: readonly [number, number] = [draw(4) === 0 ? 2 : 1, draw(4) === 0 ? 2 + draw(2) : 1];
    const reach = (kernel: number, axis: 0 | 1): number => (kernel - 1) * dilations[axis] + 1;
    if (h + pads[0] + pads[2] < reach(kh, 0) || w + pads[1] + pads[3] < reach(kw, 1)) return this.value;
    const [group, o] = this.#groups(c);
    const perGroup = c / group;
    const typical = 2000 * Math.sqrt(perGroup * kh * kw);
    // Powers of two put results halfway between integers.
    const m = Array.from({ length: o }, () => (draw(5) === 0 ? 2 ** -(5 + draw(6)) : (1 + draw(100)) / typical));
    const operands = [
      this.value,
      this.#weights([o, perGroup, kh, kw]),
      this.byte(pick(draw, [0, 0, 128, draw(256)])),
      this.builder.constant(
        tensor(
          "int32",
          [o],
          Int32Array.from({ length: o }, () => draw(20000) - 10000),
        ),
      ),
      this.#float(...m),
      this.byte(pick(draw, [0, 128, draw(256)])),
      draw(3) === 0 ? this.#float(...m.map((v) => v / 8)) : undefined,
    ];
    const attrs = { strides: [1 + draw(2), 1 + draw(3)], dilations, pads, group, to };
    return this.builder.op("quantizedConv", operands, attrs);
  }

  add(other: Value): Value {
    const { draw } = this;
    const factor = (): Value => this.#integer(1 + draw(16384));
    const m = this.#float((1 + draw(1000)) / (2000 * 16384));
    return this.builder.op("quantizedAdd", [
      this.value,
      other,
      this.byte(draw(256)),
      factor(),
      this.byte(draw(256)),
      factor(),
      m,
      this.byte(draw(256)),
    ]);
  }

  table(): Value {
    return this.builder.op("quantizedTable", [this.value, this.builder.constant(this.#bytes([256]))]);
  }

  finish(): Case["graph"] {
    const { value } = this;
    if (value.dtype === "float32") this.builder.output(value);
    else this.builder.output(this.builder.op("dequantize", [value, this.#float(0.037), this.byte(this.draw(256))]));
    return this.builder.finish();
  }
}

function step(c: Chain, kind: number): Value {
  const [, , h = 1, w = 1] = c.value.shape.map(Number);
  if (kind <= 2) return c.conv("uint8");
  if (kind === 3) return c.add(c.value);
  if (kind === 4) return c.table();
  if (kind === 5 && h > 1 && w > 1)
    return c.builder.op("maxPool", [c.value], { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], ceilMode: false });
  return c.builder.op("concat", [c.value, c.value], { axis: 1 });
}

function caseFrom(tape: readonly number[], index: number): Case {
  const c = new Chain(drawFrom(tape));
  for (let n = 1 + c.draw(4); n > 0; n--) {
    const before = c.value;
    c.value = step(c, c.draw(7));
    if (c.draw(2) === 0 && c.value !== before && sameShape(c.value.shape, before.shape)) c.value = c.add(before);
  }
  if (c.draw(2) === 0) c.value = c.conv("float32");
  return { name: `graph ${index}: ${tape.join(",")}`, graph: c.finish(), feeds: c.feeds };
}

const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["int16 products in 8 lanes", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }))],
  ["int16 products in 8 lanes, shared by three threads", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }, "auto", 3))],
  ["int16 products one by one in 4 lanes", () => Promise.resolve(scheduledBackend({ lanes: 4, registers: 32, widening: true }))],
  ["byte products in 8 lanes", () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16, dot4: true }))],
  ["byte products in 16 lanes", () => Promise.resolve(scheduledBackend({ lanes: 16, registers: 32, dot4: true }))],
  ["WebAssembly", () => Promise.resolve(wasmBackend())],
  ...(hasCompiler ? [["C", async () => cBackend({ machine: await machineWith(), schedule: "auto" })] as const] : []),
];

describe("quantised graphs", () => {
  const cases = tapesOf({ runs: 30, seed: 11, longest: 90 }).map(caseFrom);

  test.for(BACKENDS)("%s: bit-equal to the definitions", { timeout: 300_000 }, async ([, open]) => {
    const wanted = await interpretBackend(cases);
    const got = await (await open())(cases);
    const failures = cases.flatMap((c, i) => {
      const [want, mine] = [must(wanted[i], "outcome"), must(got[i], "outcome")];
      if ("error" in want) throw want.error;
      if ("error" in mine) return [`${c.name}: ${mine.error instanceof Error ? mine.error.stack : String(mine.error)}`];
      const bytes = (t: Tensor | undefined): Buffer => Buffer.from(must(t, "output").data.buffer);
      return bytes(want.outputs[0]).equals(bytes(mine.outputs[0])) ? [] : [`${c.name}: other bits`];
    });
    expect(failures).toEqual([]);
  });
});
