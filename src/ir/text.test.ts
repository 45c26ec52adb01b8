import { describe, expect, test } from "vitest";
import { bindShape, dimText } from "../tensor/dim.ts";
import { HoneError } from "../util/errors.ts";
import { parseGraph, randomTensor } from "./parse.ts";
import { constantHash, printGraph } from "./print.ts";

const text = `graph "a \\"net\\""(%input: float32[n,3,(h+2),floor(w/2)], %"odd name": int64[2]) -> (%boxes, %"odd name") {
  %w0 = const float32[8,3,3,3] #${constantHash(randomTensor("float32", [8, 3, 3, 3], 5))}
  %5 = conv(%input, %w0, _) {strides=[2, 2], group=1, alpha=0.5, mode="DCR", flag=true} : float32[n,8,((h*2)+-1),"a b"]@c8 @ "Conv_0"
  %a, %c = split(%5) {axis=1} : float32[n,4,?0,1], float32[n,4,1,1] @ "s" from ["Split_1", "Relu_2"]
  %b = const float32[3] = [0.1, -Infinity, -0]
  %half = const float16[2] = [0.5, NaN]
  %long = const int64[1] = [-9007199254740993]
  %boxes = many(%a, %c, %b, %half, %long) : bool[]
}
`;
const data = randomTensor("float32", [8, 3, 3, 3], 5);
const constant = (hash: string): typeof data | undefined => (hash === constantHash(data) ? data : undefined);

describe("the text of a graph", () => {
  test("is the same after parsing and printing", () => {
    expect(printGraph(parseGraph(text, { constant }))).toBe(text);
  });

  test("keeps symbols, attributes, layouts and origins", () => {
    const graph = parseGraph(text, { constant });
    const [conv, split, many] = graph.nodes;
    expect(conv).toMatchObject({ attrs: { strides: [2, 2], group: 1, alpha: 0.5, mode: "DCR", flag: true }, origin: ["Conv_0"] });
    expect(conv?.inputs[2]).toBeUndefined();
    expect(conv?.outputs[0]?.layout).toEqual({ kind: "blocked", block: 8 });
    expect(split?.origin).toEqual(["Split_1", "Relu_2"]);
    expect(many?.name).toBe("boxes");
    expect(dimText(conv?.outputs[0]?.shape[3] ?? 0)).toBe("a b");
    const bindings = new Map(Object.entries({ n: 4, h: 4, w: 5 }));
    expect(bindShape(graph.inputs[0]?.shape ?? [], bindings)).toEqual([4, 3, 6, 2]);
  });

  test("regions have names of their own, and stand in other regions", () => {
    const regions = `graph "g"(%c: bool[], %x: float32[2]) -> (%y) {
  %y = if(%c, %x) : float32[2] regions [
    graph "then"(%a: float32[2]) -> (%y) {
      %half = const float32[1] = [0.5]
      %y = mul(%a, %half) : float32[2] @ "m"
    },
    graph "else"(%x: float32[2]) -> (%y) {
      %y = loop(_, _, %x) {carried=1} : float32[2] regions [
        graph "body"(%i: int64[], %x: float32[2]) -> (%y) {
          %y = exp(%x) : float32[2]
        }
      ]
    }
  ]
}
`;
    expect(printGraph(parseGraph(regions))).toBe(regions);
    const nested = (depth: number): string =>
      depth === 0 ? "" : `graph "g"() -> () { %x = a() : bool[] regions [${nested(depth - 1) || 'graph "h"() -> () {}'}] }`;
    expect(() => parseGraph(nested(1000))).toThrow("the regions are nested too deeply");
  });

  test("keeps the bits of numbers", () => {
    const elements = parseGraph(text, { constant }).nodes[2]?.inputs.map((v) => v?.data?.data) ?? [];
    expect(elements[4]?.[0]).toBe(-9007199254740993n);
    expect(elements[3]?.[0]).toBe(0x3800);
    expect(Object.is(elements[2]?.[2], -0)).toBe(true);
    expect(elements[2]?.[0]).toBe(Math.fround(0.1));
  });

  test("values of one name are told apart", () => {
    const graph = parseGraph(`graph "g"(%x: float32[]) -> (%y) { %y = exp(%x) : float32[] }`);
    const [node] = graph.nodes;
    const [y] = graph.outputs;
    if (!node || !y) throw new Error("the graph has a node");
    const twin = { ...y };
    const printed = printGraph({
      ...graph,
      nodes: [
        { ...node, outputs: [twin] },
        { ...node, inputs: [twin] },
      ],
    });
    expect(printed).toContain("%y.1 = exp(%x)");
    expect(printed).toContain("%y = exp(%y.1)");
  });

  test.each([
    [`graph "g"(%x: float99[]) -> (%x) {}`, "line 1, column 15: unknown dtype float99"],
    [`graph "g"() -> () {\n  %y = exp(%x) : float32[]\n}`, "line 2, column 12: there is no value %x before"],
    [`graph "g"(%x: float32[]) -> (%y) {\n  %y = exp(%x)\n}`, "line 3, column 1: expected : and the types of the outputs"],
    [`graph "g"() -> () {\n  %c = const float32[2] = [1]\n}`, "line 2, column 25: 1 elements for 2"],
    [`graph "g"() -> () {\n  %c = const float32[200] #00ff\n}`, "line 2, column 27: the data of the constant #00ff is not at hand"],
    [
      `graph "g"() -> () {\n  %c = const float32[99999999999] = []\n}`,
      "line 2, column 14: a constant has numbers for dimensions, within memory",
    ],
    [`graph "g"(%x: float32[], %x: float32[]) -> () {}`, "line 1, column 26: %x is there already"],
    [`graph "g"(%x: float32[]) -> (%y) {}`, "line 1, column 30: there is no value %y before"],
    [`graph "g"() -> () {\n  $`, 'line 2, column 3: unexpected "$"'],
    [`graph "g"() -> () {`, "line 1, column 20: expected a value such as %x, got the end"],
  ])("%s says where it does not parse", (wrong, message) => {
    const parse = (): unknown => parseGraph(wrong);
    expect(parse).toThrow(HoneError);
    expect(parse).toThrow(message);
  });

  test("random constants depend on their seed only", () => {
    expect(randomTensor("float32", [4], 1)).toEqual(randomTensor("float32", [4], 1));
    expect(randomTensor("float32", [4], 1)).not.toEqual(randomTensor("float32", [4], 2));
    for (const x of randomTensor("int8", [100], 3).data) expect(Math.abs(Number(x))).toBeLessThanOrEqual(8);
  });
});
