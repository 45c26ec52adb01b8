import { describe, expect, test } from "vitest";
import { parseGraph } from "../ir/parse.ts";
import type { Attrs } from "../ir/graph.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { evaluateGraph, evaluateOp, foldNode } from "./evaluate.ts";
import { getOp } from "./index.ts";

const f32 = (dims: readonly number[], ...data: number[]): Tensor => tensor("float32", dims, Float32Array.from(data));
const i64 = (dims: readonly number[], ...data: number[]): Tensor => tensor("int64", dims, BigInt64Array.from(data, BigInt));
const run = (op: string, inputs: readonly (Tensor | undefined)[], attrs: Attrs = {}, outputs = 1): number[][] =>
  evaluateOp(op, inputs, attrs, outputs).map((t) => Array.from(t.data as ArrayLike<number | bigint>, Number));
const image = f32([1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9);

describe("ops computed by hand", () => {
  test.each<[string, (Tensor | undefined)[], Attrs, number[]]>([
    ["add", [f32([2, 1], 1, 2), f32([2], 10, 20)], {}, [11, 21, 12, 22]],
    ["prelu", [f32([1, 2, 1, 1], -4, -2), f32([2, 1, 1], 0.5, 0.25)], {}, [-2, -0.5]],
    ["conv", [image, f32([1, 1, 2, 2], 1, 0, 0, 1), f32([1], 100)], {}, [106, 108, 112, 114]],
    ["conv", [image, f32([1, 1, 1, 1], 2)], { strides: [2, 2], pads: [1, 1, 0, 0] }, [0, 0, 0, 10]],
    ["maxPool", [image], { kernel: [2, 2], pads: [1, 1, 0, 0] }, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["averagePool", [image], { kernel: [2, 2], strides: [2, 2], pads: [1, 1, 0, 0] }, [1, 2.5, 5.5, 7]],
    ["averagePool", [image], { kernel: [2, 2], strides: [2, 2], pads: [1, 1, 0, 0], countIncludePad: true }, [0.25, 1.25, 2.75, 7]],
    ["gemm", [f32([1, 2], 1, 2), f32([2, 2], 1, 2, 3, 4), f32([2], 1, 1)], { alpha: 2, beta: 10, transB: true }, [20, 32]],
    ["transpose", [f32([2, 3], 1, 2, 3, 4, 5, 6)], { perm: [1, 0] }, [1, 4, 2, 5, 3, 6]],
    ["gather", [i64([3], 7, 8, 9), i64([3], 0, 2, -1)], {}, [7, 9, 9]],
    ["slice", [f32([4], 1, 2, 3, 4), i64([1], -1), i64([1], -9), i64([1], 0), i64([1], -2)], {}, [4, 2]],
    ["pad", [f32([2], 1, 2), i64([2], 2, 1)], { mode: "edge" }, [1, 1, 1, 2, 2]],
    ["softmax", [f32([2], 0, Math.log(3))], {}, [0.25, 0.75]],
    ["argMax", [f32([4], 1, 5, 5, 0)], { keepDims: false }, [1]],
    ["reduceMean", [f32([2, 2], 1, 2, 3, 4)], { axes: [1] }, [1.5, 3.5]],
    ["clip", [i64([3], -5, 2, 5)], { min: 0, max: 3 }, [0, 2, 3]],
    ["resize", [f32([1, 1, 1, 2], 0, 4), f32([4], 1, 1, 1, 2)], { mode: "linear" }, [0, 1, 3, 4]],
    ["depthToSpace", [f32([1, 4, 1, 1], 1, 2, 3, 4)], { blockSize: 2 }, [1, 2, 3, 4]],
  ])("%s", (op, inputs, attrs, want) => {
    const [got = []] = run(op, inputs, attrs);
    expect(got).toHaveLength(want.length);
    got.forEach((x, i) => expect(x).toBeCloseTo(want[i] ?? NaN, 5));
  });

  test("split has several outputs", () => {
    expect(run("split", [f32([3], 1, 2, 3)], { axis: 0, sizes: [1, 2] }, 2)).toEqual([[1], [2, 3]]);
  });

  test("operands that do not fit are refused", () => {
    expect(() => run("add", [f32([2], 1, 2), f32([3], 1, 2, 3)])).toThrow(HoneError);
    expect(() => run("nothing", [])).toThrow("there is no op nothing");
  });
});

describe("whole graphs", () => {
  const graph = parseGraph(`graph "g"(%x: float32[n,2]) -> (%y) { %h = const float32[] = [0.5] %m = mul(%x, %h) %y = relu(%m) }`, {
    infer: (op, inputs, attrs, outputs, regions) => getOp(op).infer(inputs, attrs, outputs, regions),
  });

  test("are computed for any value of their symbols", () => {
    expect(evaluateGraph(graph, { x: f32([2, 2], -2, 2, 4, 6) }).y).toEqual(f32([2, 2], 0, 1, 2, 3));
  });

  test("say which feed is wrong", () => {
    expect(() => evaluateGraph(graph, {})).toThrow("input x is missing");
    expect(() => evaluateGraph(graph, { x: f32([2, 3], 1, 2, 3, 4, 5, 6) })).toThrow("input x does not fit the graph");
  });

  test("folding takes known and small values only", () => {
    const [mul] = graph.nodes;
    if (!mul) throw new Error("a node");
    expect(foldNode(mul, () => undefined)).toBeUndefined();
    const static2 = mul.outputs.map((v) => ({ ...v, shape: [1, 2] }));
    expect(foldNode(mul, (v) => v.data ?? f32([1, 2], 2, 4), static2)?.[0]?.data).toEqual(Float32Array.of(1, 2));
    expect(foldNode(mul, (v) => v.data ?? f32([1, 2], 2, 4), static2, 1)).toBeUndefined();
  });
});
